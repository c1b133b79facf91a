"""Who is told by the stack that a model changed: ZenML's model control plane and the alerter."""

from datetime import UTC, datetime, timedelta

from sentiment.config.stack import StackConfig
from sentiment.errors import StackError
from sentiment.lifecycle import Lifecycle
from sentiment.registry import Change, Registry
from sentiment.registry.records import Event
from sentiment.store.database import default_database_url

OLD_NEWS = timedelta(days=1)  # what could not be told for longer is in the history, and alarms nobody any more


def lifecycle_of(registry: Registry, stack: StackConfig | None = None) -> Lifecycle:
    """The lifecycle of a model whose changes the active stack tells, or `stack`, which need not be in use."""
    return Lifecycle(registry, default_database_url(), (Mirror(registry), Alert(stack)))


class Mirror:
    """Makes ZenML's model versions equal to the registry's."""

    name = "mirror"
    events: frozenset[Event] = frozenset({"registered", "refused", "promoted", "rolled_back", "archived"})

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def on_change(self, change: Change) -> None:
        """The whole registry at once, whatever changed."""
        from stacks.model_control_plane import mirror  # ZenML takes seconds to import

        mirror(self._registry)


class Alert:
    """Tells people of a new champion, and of a version that was refused."""

    name = "alert"
    events: frozenset[Event] = frozenset({"refused", "promoted"})

    def __init__(self, stack: StackConfig | None) -> None:
        self._stack = stack

    def on_change(self, change: Change) -> None:
        """Raises StackError when it was not delivered; a stack without an alerter has nobody to tell."""
        from stacks.alerts import send_alert

        if datetime.now(UTC) - change.time > OLD_NEWS:
            return
        outcome = send_alert(
            "new_champion" if change.event == "promoted" else "gate_refused",
            change.summary,
            model_name=change.model_name,
            model_version=str(change.version),
            stack=self._stack,
        )
        if outcome == "failed":
            raise StackError("The alert was not delivered.")
