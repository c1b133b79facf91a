"""`Lifecycle`: the one owner of "the champion changed". Registry, journal and observers change together, whoever calls.

A change is written into the registry first. That record is what is to be: which version is the champion, and who does
not know of it yet. All else follows from it. A process that is killed leaves a change that is not carried out; whatever
is called next carries it out (`settle`).
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sentiment.errors import OR, ConfigError, GateError
from sentiment.lifecycle.claim import abandoned, alone, working
from sentiment.lifecycle.standing import JournalKeeper, Observer, State, left_to_do, tell
from sentiment.lifecycle.writing import create_version, keep, perform, upload
from sentiment.registry import Registry
from sentiment.registry.records import Change, Event, Gate, ModelVersion, new_change, reigning
from sentiment.registry.registry import CHAMPION, DEFAULT_NAME, METRICS
from sentiment.registry.tracking import stack_errors

logger = logging.getLogger(__name__)
_RUN = "python run.py"


class Turn(NamedTuple):
    """The time in which nobody else changes the champion. `check` raises when it is over; call it before a write."""

    owner: str
    check: Callable[[], None]


class Lifecycle:
    """Changes the versions of one registry.

    Every method first completes what a killed process began. Raises StackError when the tracking server is out of
    reach. A journal or an observer that is out of reach is told later, by whatever is called next.
    """

    def __init__(self, registry: Registry, database_url: str, observers: Sequence[Observer] = ()) -> None:
        self.registry = registry
        self._observers: tuple[Observer, ...] = (JournalKeeper(database_url), *observers)

    @stack_errors
    def is_settled(self) -> bool:
        """Whether `settle` has nothing to do."""
        state = State.of(self.registry)
        late = (each for each in (*state.undecided, *state.untold) if abandoned(each.owner, each.time))
        return not any(late) and not left_to_do(state)

    @stack_errors
    def settle(self) -> str | None:
        """Complete what a killed process began; returns what that was in one line, None when all was well.

        Aliases and tags become what the history says, and whoever does not know of a change yet is told.
        """
        with working() as owner:
            parts = [*self._complete_if_needed(owner), *self._tell(owner)]
        if not parts:
            return None
        line = f"Completed what was interrupted: {'; '.join(parts)}."
        logger.warning("%s: %s", self.registry.model_name, line)
        return line

    @stack_errors
    def register(
        self,
        folder: Path,
        *,
        digest: str,
        dataset_digest: str,
        metrics: Mapping[str, float],
        card: str,
        actor: str,
        reason: str = "",
        evidence: str = "",
        gate: Gate | None = None,
        over: str | None = None,
        tags: Mapping[str, str] | None = None,
        reports: Mapping[str, str] | None = None,
        run_id: str | None = None,
    ) -> ModelVersion:
        """Upload a model folder with its card and reports (text by file name), and make it a version.

        The version is made after the last upload: a failure on the way leaves none behind. It becomes the candidate
        unless the gate refused it. With `over`, the digest of the champion that the gate compared it with ("" for
        none), it becomes the champion if that one still is; else its `change` says who is now. `run_id` is the MLflow
        run that trained it; a run of its own is made when there is none. Registering again what that run registered
        completes the first attempt.

        Raises SentimentError when the folder does not match its manifest or `digest`.
        """
        self.settle()
        with working() as owner:
            event: Event = "refused" if gate == "refused" else "registered"
            version = self._registered_before(digest, run_id, owner)
            if version is None:
                run_id, source = upload(self.registry, folder, digest, card=card, reports=reports or {}, run_id=run_id)
                tags = {
                    **(tags or {}),
                    **({"gate": gate} if gate else {}),
                    "digest": digest,
                    "dataset_digest": dataset_digest,
                    METRICS: json.dumps(dict(metrics), sort_keys=True),
                }
                change = self._new(event, 0, owner, actor=actor, reason=reason, evidence=evidence, over=over)
                version = create_version(
                    self.registry, source, run_id, folder=folder, card=card, change=change, tags=tags
                )
            self._complete_if_needed(owner)
            self._tell(owner)
        return self.registry.get(version)

    @stack_errors
    def promote(
        self, version: int, reason: str, *, actor: str, evidence: str = "", force: bool = False
    ) -> ModelVersion:
        """Make `version` the champion; the one before is archived. Promoting the champion again changes nothing.

        Raises GateError unless the gate approved the version (`force` overrules that, and the history says so), and
        when another version became champion while this waited. ConfigError for an unknown version or an empty reason.
        """
        self.settle()
        self.registry.get(version)
        before = self.registry.champion()
        with self._turn() as turn:
            target = self.registry.get(version)
            if target.status == CHAMPION:
                return target
            if target.gate != "approved" and not force:
                found = "was refused by the gate" if target.gate else "has no gate decision"
                raise GateError(
                    f"Version {version} of {self.registry.model_name} {found}.",
                    f"Train a better one: {_RUN} train"
                    f"{OR}Promote it all the same: {self._models(f'promote {version} --force --reason WHY')}",
                )
            self._require_champion(before)
            forced = target.gate != "approved"
            self._write(turn, "promoted", version, before, actor=actor, reason=reason, evidence=evidence, forced=forced)
        return self.registry.get(version)

    @stack_errors
    def roll_back(self, reason: str, *, actor: str) -> ModelVersion:
        """Make the champion before this one the champion again; a second rollback goes one further back.

        Raises GateError when the history holds no earlier champion that still exists, and when another version became
        champion while this waited.
        """
        self.settle()
        champion = self.registry.champion()
        earlier = self._earlier_champion(champion)
        with self._turn() as turn:
            self._require_champion(champion)
            self._write(turn, "rolled_back", earlier, champion, actor=actor, reason=reason)
        return self.registry.get(earlier)

    @stack_errors
    def archive(self, version: int, reason: str, *, actor: str) -> ModelVersion:
        """Take `version` out of consideration.

        Raises ConfigError when it is the champion, unknown, or no reason is given.
        """
        self.settle()
        self.registry.get(version)
        with self._turn() as turn:
            if self.registry.get(version).status == CHAMPION:
                raise ConfigError(
                    f"Version {version} is the champion.",
                    f"Put another in its place first: {self._models('promote VERSION --reason WHY')}",
                )
            self._write(turn, "archived", version, None, actor=actor, reason=reason)
        return self.registry.get(version)

    @stack_errors
    def deployed(self, version: int, summary: str, *, actor: str) -> None:
        """Keep that `version` is in public service; `summary` is the deployment in a sentence."""
        self.settle()
        with working() as owner:
            keep(self.registry, self._new("deployed", version, owner, actor=actor, reason="", evidence=summary))
            self._tell(owner)

    @contextmanager
    def _turn(self) -> Iterator[Turn]:
        """Change the champion alone; what is written inside is carried out at the end, then told."""
        with working() as owner:
            with alone(self.registry, owner) as check:
                self._complete(turn := Turn(owner, check))
                yield turn
                self._complete(turn)
            self._tell(owner)

    def _complete_if_needed(self, owner: str) -> list[str]:
        state = State.of(self.registry)
        if not self._undecided(state, owner) and not left_to_do(state):
            return []
        with alone(self.registry, owner) as check:  # waits for a process that is at it; then there is nothing left
            return self._complete(Turn(owner, check))

    def _complete(self, turn: Turn) -> list[str]:
        """Decide what was registered for promotion, then bring the registry to its history; returns what was done."""
        state = State.of(self.registry)
        done = []
        for registration in self._undecided(state, turn.owner):
            done.append(self._decide(turn, registration, state))
            state = State.of(self.registry)
        actions = left_to_do(state)
        for action in actions:
            turn.check()
            perform(self.registry, action)
        if actions:
            champion = state.champion
            names = ", ".join(f"{each.name} of {each.version}" for each in actions)
            done.append(f"{f'version {champion.version} is the champion' if champion else 'no champion yet'} ({names})")
        return done

    def _undecided(self, state: State, owner: str) -> list[Change]:
        return [each for each in state.undecided if each.owner == owner or abandoned(each.owner, each.time)]

    def _decide(self, turn: Turn, registration: Change, state: State) -> str:
        """Promote a version that the gate approved if the champion is the one it was compared with; else say who is."""
        champion, version = state.champion, registration.version
        if registration.over == (champion.digest if champion else ""):
            self._write(
                turn,
                "promoted",
                version,
                champion,
                actor=registration.actor,
                reason=registration.reason,
                evidence=registration.evidence,
            )
            return f"version {version} is promoted"
        compared = next((f"version {each.version}" for each in state.versions if each.digest == registration.over), "")
        who = f"version {champion.version}" if champion else "no version"
        crowning = state.crowning(champion.version) if champion else None
        when = f" at {crowning.time:%Y-%m-%d %H:%M:%S}" if crowning else ""
        lost = (
            f"Version {version} is registered, not promoted: {who} became champion{when}, after the gate compared "
            f"with {compared or 'none'}. Run train again."
        )
        refused = self._new("refused", version, turn.owner, actor=registration.actor, reason=lost, evidence=lost)
        untold = {*registration.untold, *refused.untold}
        turn.check()
        keep(self.registry, refused.model_copy(update={"untold": tuple(sorted(untold))}))
        return lost.rstrip(".")

    def _registered_before(self, digest: str, run_id: str | None, owner: str) -> int | None:
        """The version that this run registered before it was killed and started again; from now on `owner`'s."""
        for each in self.registry.versions() if run_id else ():
            if each.change and (each.run_id, each.digest) == (run_id, digest):
                keep(self.registry, each.change.model_copy(update={"owner": owner}))
                return each.version
        return None

    def _earlier_champion(self, champion: ModelVersion | None) -> int:
        existing = {each.version for each in self.registry.versions()}
        reigns = [version for version in reigning(self.registry.history()) if version in existing]
        while champion and reigns and reigns[-1] == champion.version:
            reigns.pop()
        if not reigns:
            raise GateError(
                f"{self.registry.model_name} has no earlier champion to go back to.",
                f"Promote a version: {self._models('promote VERSION --reason WHY')}",
            )
        return reigns[-1]

    def _models(self, what: str) -> str:
        """A command of run.py about the versions of this model."""
        name = self.registry.model_name
        return f"{_RUN} models{'' if name == DEFAULT_NAME else f' --model {name}'} {what}"

    def _require_champion(self, before: ModelVersion | None) -> None:
        """Raise GateError unless the champion is the one that the caller decided about."""
        now = self.registry.champion()
        if now and (before is None or now.version != before.version):
            change = State.of(self.registry).crowning(now.version)
            when = f" at {change.time:%Y-%m-%d %H:%M:%S}, by {change.actor}," if change else ""
            raise GateError(
                f"Version {now.version} became the champion of {self.registry.model_name}{when} while this waited; "
                "nothing was changed.",
                f"If it is still wanted, ask again; what there is now: {self._models('list')}",
            )

    def _write(self, turn: Turn, event: Event, version: int, before: ModelVersion | None, **values: Any) -> None:
        """Put a row into the history, later than those that are there."""
        if not str(values["reason"]).strip():
            raise ConfigError("A reason is needed: the history keeps it.", "Say it: --reason WHY")
        change = self._new(event, version, turn.owner, from_version=before.version if before else None, **values)
        latest = max((each.time for each in self.registry.changes()), default=change.time)
        time = max(change.time, latest + timedelta(microseconds=1))  # another machine's clock may be ahead
        turn.check()
        keep(self.registry, change.model_copy(update={"time": time}))

    def _new(self, event: Event, version: int, owner: str, **values: Any) -> Change:
        untold = tuple(each.name for each in self._observers if event in each.events)
        return new_change(self.registry.model_name, event, version, untold=untold, owner=owner, **values)

    def _tell(self, owner: str) -> list[str]:
        """Tell whoever does not know of a change of `owner`'s or of a killed process; returns what the latter were."""
        caught_up = []
        for change in State.of(self.registry).untold:
            if change.owner != owner and not abandoned(change.owner, change.time):
                continue
            told = tell(change, self._observers)
            if told.untold != change.untold:
                keep(self.registry, told)
                if change.owner != owner:
                    names = ", ".join(sorted({*change.untold} - {*told.untold}))
                    caught_up.append(f"{names} told of “{change.title}”")
        return caught_up
