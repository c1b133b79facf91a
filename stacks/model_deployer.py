"""What the deploy pipeline asks of a stack's model deployer, wherever it deploys to."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

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


class Running(NamedTuple):
    """What answers for a version: a process or pods, in a few words, and since when."""

    what: str
    since: datetime


class Server(Protocol):
    """A version that was deployed, whether it runs or not: a ZenML service that can tell and be restarted."""

    config: Any
    """`model_name` and `model_version` are what is served."""

    @property
    def url(self) -> str:
        """The address callers use."""

    def running(self) -> Running | None:
        """What answers now; None when nothing does."""

    def stop(self, timeout: int = 0, force: bool = False) -> None:
        """End it, once what it accepted is answered."""

    def restart(self) -> None:
        """The same version again, with the variables it had. Raises StackError when it does not become ready."""

    def get_logs(self, follow: bool = False, tail: int | None = None) -> Generator[str, bool, None]:
        """The last lines of its log, and with `follow`, where that can be had, those to come."""


class RollOutDeployer(ABC):
    """A model deployer that replaces a running version without failing a request."""

    @abstractmethod
    def servers(self, model_name: str) -> Sequence[Server]:
        """What was deployed of this model and not replaced, running or not."""

    @abstractmethod
    def keep_state(self, server: Server) -> None:
        """Let ZenML know the state of a server that was stopped or restarted."""

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
