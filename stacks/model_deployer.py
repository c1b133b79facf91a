"""What the deploy pipeline asks of a stack's model deployer, wherever it deploys to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zenml.client import Client

from sentiment.errors import StackError

# Takes the URL of a new version that no caller reaches yet, and raises when it must not be published.
Check = Callable[[str], None]


def no_check(url: str) -> None:
    """Readiness is enough."""


@dataclass(frozen=True)
class RolledOut:
    """A new version in public service. `replaced` are the versions it took over from, `log` is where it writes."""

    id: str
    url: str
    log: str
    bento: str
    replaced: tuple[str, ...]


class RollOutDeployer(ABC):
    """A model deployer that replaces a running version without failing a request."""

    @abstractmethod
    def roll_out(
        self,
        bento: Path,
        check: Check,
        *,
        model_name: str,
        model_version: str,
        environment: Mapping[str, str],
        port: int | None = None,
        start_seconds: float | None = None,
    ) -> RolledOut:
        """Start the Bento in the folder `bento` beside what runs now, `check` it, and only then make it public.

        `environment` is set for the server and must hold no secret; `port` and `start_seconds` overrule the
        component's. On any error, that of `check` included, what ran before goes on as before.

        Raises StackError when the new version does not become ready, or its address cannot be had.
        """


def active_deployer() -> RollOutDeployer:
    """The active stack's model deployer. Raises StackError when it has none that can roll out."""
    stack = Client().active_stack
    deployer = stack.model_deployer
    if isinstance(deployer, RollOutDeployer):
        return deployer
    found = f"the model deployer {deployer.flavor!r}, which cannot roll out" if deployer else "no model deployer"
    raise StackError(
        f"The stack {stack.name!r} has {found}.",
        "Add a model_deployer with the flavor bentoml_local or bentoml_kubernetes to its file, or use --stack laptop.",
    )
