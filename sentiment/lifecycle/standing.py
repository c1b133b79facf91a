"""What the registry shows against what its history says: what is left to do after a process that was killed."""

import logging
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from sentiment.registry.records import HISTORY, Change, Event, ModelVersion, Standing, standings
from sentiment.registry.registry import CANDIDATE, CHAMPION, Registry
from sentiment.store.journal import Entry, Kind, journal_of


class State(NamedTuple):
    """A registry at one moment: its versions, and every change it keeps, oldest first."""

    versions: list[ModelVersion]
    changes: list[Change]

    @classmethod
    def of(cls, registry: Registry) -> "State":
        """Read it; three requests."""
        return cls(registry.versions(), registry.changes())

    @property
    def history(self) -> list[Change]:
        """The changes that say which version is, or was, the champion."""
        return [each for each in self.changes if each.event in HISTORY]

    @property
    def champion(self) -> ModelVersion | None:
        """The champion by the history, which is ahead of the alias for a moment; else by the alias."""
        said = [version for version, each in standings(self.history).items() if each.status == CHAMPION]
        by_history = (each for each in self.versions if each.version in said)
        by_alias = (each for each in self.versions if each.status == CHAMPION)
        return next(by_history, None) or next(by_alias, None)

    def crowning(self, version: int) -> Change | None:
        """The change that made `version` champion last."""
        found = [each for each in self.history if each.version == version and each.event != "archived"]
        return found[-1] if found else None

    @property
    def undecided(self) -> list[Change]:
        """Registrations that the gate approved and that are neither promoted nor refused yet."""
        known = standings(self.history)
        changes = [each.change for each in self.versions if each.change and each.version not in known]
        return [change for change in changes if change.over is not None]

    @property
    def untold(self) -> list[Change]:
        """Changes that somebody does not know of yet, oldest first."""
        registrations = (each.change for each in self.versions if each.change)
        return sorted((each for each in (*registrations, *self.changes) if each.untold), key=lambda each: each.time)


class Action(NamedTuple):
    """One request that brings the registry nearer to its history; `value` is None to take the name away."""

    what: Literal["alias", "tag"]
    name: str
    version: int
    value: str | None


def left_to_do(state: State) -> list[Action]:
    """What the registry lacks of what its history says, the champion first."""
    known = standings(state.history)
    candidate = _candidate(state.versions, known)
    actions: list[Action] = []
    for each in sorted(state.versions, key=lambda each: _status(known, each.version) != CHAMPION):
        actions += _left_of(each, known.get(each.version), waits=each.version == candidate)
    return actions


def _left_of(version: ModelVersion, standing: Standing | None, *, waits: bool) -> list[Action]:
    number = version.version
    actions: list[Action] = []
    if standing and standing.status == CHAMPION and CHAMPION not in version.aliases:
        actions.append(Action("alias", CHAMPION, number, CHAMPION))
    if standing and standing.reason != version.reason:
        actions.append(Action("tag", "reason", number, standing.reason))
    archived = standing is not None and standing.status == "archived"
    if archived != ("archived" in version.tags):
        actions.append(Action("tag", "archived", number, "true" if archived else None))
    if waits != (CANDIDATE in version.aliases):
        actions.append(Action("alias", CANDIDATE, number, CANDIDATE if waits else None))
    return actions


def _candidate(versions: Sequence[ModelVersion], known: dict[int, Standing]) -> int | None:
    """The newest version that the gate did not refuse, unless it has been champion or was archived."""
    newest = max((each.version for each in versions if each.gate != "refused"), default=None)
    return None if newest in known else newest


def _status(known: dict[int, Standing], version: int) -> str:
    return known[version].status if version in known else "none"


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
        detail = {"actor": change.actor, "reason": change.reason, "evidence": change.evidence, "forced": change.forced}
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
