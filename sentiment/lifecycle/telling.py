"""Who is told of a change: the journal, and the observers that a caller passes in."""

import logging
from typing import Protocol

from sentiment.registry.records import Change, Event
from sentiment.store.journal import Entry, Kind, journal_of

logger = logging.getLogger(__name__)

KINDS: dict[Event, Kind] = {"promoted": "promotion", "rolled_back": "rollback", "deployed": "deployment"}


class Observer(Protocol):
    """Is told of changes. `name` says in the registry who does not know of a change yet; `events` are those it wants.

    Being told twice must do no harm: a process may be killed after it told and before it could note that.
    """

    name: str
    events: frozenset[Event]

    def on_change(self, change: Change) -> None:
        """Raises when it could not take note; it is told again later."""


class JournalKeeper:
    """Keeps changes in the model's journal. The entry has the change's id, so that a second one is no entry."""

    name = "journal"
    events = frozenset(KINDS)

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def on_change(self, change: Change) -> None:
        """Raises StackError when the database is out of reach."""
        detail = {"actor": change.actor, "reason": change.reason}
        entry = Entry(KINDS[change.event], change.summary, str(change.version), detail, change.time, change.id)
        with journal_of(self._database_url, change.model_name) as journal:
            journal.record(entry)


def tell(change: Change, observers: tuple[Observer, ...]) -> Change:
    """Tell those that do not know of `change` yet; returns it with those that could not be told.

    Nothing that an observer raises stops a model on its way.
    """
    untold = list(change.untold)
    for observer in observers:
        if observer.name not in untold:
            continue
        try:
            observer.on_change(change)
        except Exception as error:
            # The type only for errors that are not ours: their message may hold an address.
            cause = getattr(error, "cause", type(error).__name__)
            logger.warning("The %s does not know yet: %s %s. %s", observer.name, change.model_name, change.title, cause)
        else:
            untold.remove(observer.name)
    return change.model_copy(update={"untold": tuple(untold)})
