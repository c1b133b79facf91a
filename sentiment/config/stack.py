"""A stack file: which components a run uses, and what this machine must have for them."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sentiment.config.base import Config


class Component(Config):
    """One stack component: a flavor and its configuration.

    `name` is `<stack>-<flavor>` unless given. `when` names an environment variable: without it the stack is made
    without this component.
    """

    flavor: str
    name: str | None = None
    configuration: dict[str, Any] = Field(default_factory=dict)
    when: str | None = None


class Requirements(Config):
    """What `doctor` looks for besides the components: importable modules, environment variables that must be set."""

    modules: list[str] = Field(default_factory=list)
    environment: list[str] = Field(default_factory=list)


class StackConfig(Config):
    """A file of configs/stacks/. The keys of `components` are ZenML's component types."""

    name: str
    description: str
    components: dict[str, Component]
    requires: Requirements = Requirements()

    def enabled(self, environ: Mapping[str, str] | None = None) -> dict[str, Component]:
        """The components to use under `environ` (os.environ unless given), each with its name filled in."""
        variables = os.environ if environ is None else environ
        return {
            kind: component.model_copy(update={"name": component.name or f"{self.name}-{component.flavor}"})
            for kind, component in self.components.items()
            if component.when is None or variables.get(component.when)
        }

    @property
    def tracking_uri(self) -> str | None:
        """The MLflow tracking URI of the experiment tracker; None when the stack has none."""
        tracker = self.components.get("experiment_tracker")
        return tracker.configuration.get("tracking_uri") if tracker else None
