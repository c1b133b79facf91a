"""A stack file: which components a run uses, how its steps are run, and what this machine must have for them."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from sentiment.stored import Frozen, disagreement, written_as

# The name of an environment variable that holds a secret; one that ends in "?" may be unset.
SecretVariable = Annotated[
    str, written_as(r"[A-Za-z_][A-Za-z0-9_]*\??", "the name of an environment variable", "MY_SECRET")
]


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    cleaned = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in cleaned.items() if value not in ("", {})}


class Component(Frozen):
    """One stack component: a flavor and its configuration.

    `name` is `<stack>-<flavor>` unless given. `when` names an environment variable: without it the stack is made
    without this component. What is empty in the configuration, such as ${VARIABLE:-}, is left out of it.
    """

    flavor: str
    name: str | None = None
    configuration: Annotated[dict[str, Any], AfterValidator(_without_empty)] = Field(default_factory=dict)
    when: str | None = None


class Requirements(Frozen):
    """What `doctor` looks for besides the components: importable modules, environment variables that must be set, and
    whether ZenML must be connected to a server (pods cannot reach a database on this machine).
    """

    modules: list[str] = Field(default_factory=list)
    environment: list[str] = Field(default_factory=list)
    zenml_server: bool = False


class ResourcesConfig(Frozen):
    """What a step asks for. Memory is a number with its unit: 512MB, 16GB, 2GiB."""

    cpu_count: PositiveFloat | None = None
    gpu_count: Annotated[int, Field(ge=0)] | None = None
    memory: Annotated[str, written_as(r"[0-9]+[KMGTP]i?B", "a number of bytes such as 4GB or 512MiB", "4GB")] | None = (
        None
    )


class RetryConfig(Frozen):
    """How a failed step is tried again: first after `delay` seconds, then each time after `backoff` times as many."""

    max_retries: Annotated[int, Field(ge=1, le=10)]
    delay: Annotated[int, Field(ge=0)] = 0
    backoff: Annotated[int, Field(ge=1)] = 1


class StepSettings(Frozen):
    """How a step is run.

    `image` is a ready image: nothing is built on it, the code reaches it through the artifact store. `orchestrator`
    and `step_operator` are settings of the stack's component; a step operator runs the steps that have a mapping here
    (an empty one is enough), and no others. `runtime` is for the steps of a pipeline whose steps are only known while
    it runs, such as score: "isolated" gives each a pod of its own, where "inline" shares one.
    """

    image: str | None = None
    runtime: Literal["inline", "isolated"] | None = None
    resources: ResourcesConfig = ResourcesConfig()
    retry: RetryConfig | None = None
    orchestrator: dict[str, Any] = Field(default_factory=dict)
    step_operator: dict[str, Any] | None = None


class RunSettings(StepSettings):
    """How every step is run, and under `steps` what differs for some: by name, or by a pattern such as train_*."""

    steps: dict[str, StepSettings] = Field(default_factory=dict)


class StackConfig(Frozen):
    """A file of configs/stacks/. The keys of `components` are ZenML's component types.

    `extends` names another file, over which this one was laid (`stacks.catalogue.load_stack`).
    `secrets` maps the names of ZenML secrets to their keys, and each key to the variable that holds its value.
    `environment` is set for every step, wherever it runs, less what is empty; so are the variables named by
    `secret_environment`, whose values travel in a ZenML secret of the stack.
    """

    name: str
    description: str
    extends: str | None = None
    components: dict[str, Component]
    settings: RunSettings = RunSettings()
    secrets: dict[str, dict[str, SecretVariable]] = Field(default_factory=dict)
    environment: Annotated[dict[str, str], AfterValidator(_without_empty)] = Field(default_factory=dict)
    secret_environment: list[SecretVariable] = Field(default_factory=list)
    requires: Requirements = Requirements()

    @model_validator(mode="after")
    def _settings_have_their_component(self) -> Self:
        places = {"settings": self.settings} | {
            f"settings.steps.{name}": each for name, each in self.settings.steps.items()
        }
        for place, settings in places.items():
            for kind in ("orchestrator", "step_operator"):
                if kind not in self.components and getattr(settings, kind):
                    raise disagreement(
                        f"{place}.{kind}: the stack has no {kind}", f"Take {place}.{kind} out of the stack file"
                    )
        return self

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
