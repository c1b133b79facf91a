"""One owner of "the champion changed": killed anywhere, the next command completes it; of two at once, one wins."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sentiment.errors import GateError
from sentiment.home import current_user
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.standing import JournalKeeper
from sentiment.registry import Change, Registry
from sentiment.registry.records import ModelVersion
from sentiment.store.journal import journal_of
from stacks.observers import Alert
from tests.code.registries import Killed, Life, MortalClient, Witness, at_once, register, require_a_chain

FOREVER = -1


class World:
    """A registry and a journal, and what an observer has seen."""

    def __init__(self, folder: Path, database: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.seen: list[list[str]] = []
        self._life = Life(FOREVER)
        self.restart(database, "one")
        on_change = JournalKeeper.on_change
        monkeypatch.setattr(JournalKeeper, "on_change", lambda *each: self._life.step(on_change, *each))

    def restart(self, database: bytes, name: str) -> None:
        """Go on with this MLflow database, and an empty journal."""
        self.database = self.folder / f"{name}.db"
        self.database.write_bytes(database)
        self.uri = f"sqlite:///{self.database}"
        self.journal = f"sqlite:///{self.folder / f'{name}-journal.db'}"

    def lifecycle(self, life: Life | None = None) -> Lifecycle:
        """As a new process would have it; what it does ends with `life`."""
        registry = Registry(self.uri)
        self._life = life or Life(FOREVER)
        registry.__dict__["client"] = MortalClient(Registry(self.uri).client, self._life)
        return Lifecycle(registry, self.journal, (Witness(registry, self.seen, self._life),))

    def end(self) -> dict[str, Any]:
        """All that people can see of the model."""
        registry = Registry(self.uri)
        versions = [
            (
                each.version,
                each.status,
                each.aliases,
                each.reason,
                each.gate,
                each.tags,
                each.change and each.change.untold,
            )
            for each in registry.versions()
        ]
        changes = [
            (each.event, each.version, each.from_version, each.reason, each.untold) for each in registry.changes()
        ]
        with journal_of(self.journal, "sentiment") as journal:
            entries = sorted((each.kind, each.model_version, each.summary) for each in journal.entries())
        return {"versions": versions, "changes": changes, "journal": entries, "mirror": self.seen[-1]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> World:
    return World(tmp_path, empty_database, monkeypatch)


def prepare(world: World) -> None:
    """Version 1 was the champion, 2 is it, 3 is the candidate."""
    lifecycle = world.lifecycle()
    for weights in ("one", "two"):
        lifecycle.promote(register(lifecycle, world.folder, weights), weights, actor="ci")
    register(lifecycle, world.folder, "three")


def promote(lifecycle: Lifecycle, _: World) -> None:
    lifecycle.promote(3, "better", actor="kim")


def roll_back(lifecycle: Lifecycle, _: World) -> None:
    if lifecycle.registry.history()[-1].event != "rolled_back":  # else it was completed
        lifecycle.roll_back("complaints", actor="kim")


def register_and_promote(lifecycle: Lifecycle, world: World) -> None:
    """As the step does, once more with the same run when its pod was killed."""
    over = next(each.digest for each in lifecycle.registry.versions() if each.version == 2)
    run = lifecycle.registry.get(3).run_id
    register(lifecycle, world.folder, "four", over=over, reason="better", evidence="Promoted: four.", run_id=run)


@pytest.mark.parametrize("change", [promote, roll_back, register_and_promote])
def test_killed_after_any_step_the_next_command_completes_it(
    world: World, change: Callable[[Lifecycle, World], None]
) -> None:
    prepare(world)
    before = world.database.read_bytes()
    world.restart(before, "alive")
    change(world.lifecycle(), world)
    expected = world.end()

    completed = 0
    for steps in range(50):
        world.restart(before, f"killed-after-{steps}")
        try:
            change(world.lifecycle(Life(steps)), world)
        except Killed:
            completed += world.lifecycle().settle() is not None
            change(world.lifecycle(), world)
            assert world.end() == expected, steps
            assert world.lifecycle().settle() is None
        else:
            break
    assert world.end() == expected
    assert 5 < completed < steps <= 20


def test_what_was_completed_is_told_in_one_line(world: World) -> None:
    prepare(world)
    with pytest.raises(Killed):
        promote(world.lifecycle(Life(1)), world)
    lifecycle = world.lifecycle()
    assert not lifecycle.is_settled()
    assert lifecycle.settle() == (
        "Completed what was interrupted: version 3 is the champion (champion of 3, reason of 3, candidate of 3, "
        "reason of 2, archived of 2); journal, mirror told of “promoted 3”."
    )
    assert lifecycle.is_settled()


class Deaf:
    """An observer that cannot be reached at first."""

    name = "alert"
    events = Alert.events

    def __init__(self) -> None:
        self.reachable = False
        self.told: list[str] = []

    def on_change(self, change: Change) -> None:
        if not self.reachable:
            raise OSError("https://secret")
        self.told.append(change.summary)


def test_who_is_out_of_reach_stops_nothing_and_is_told_later(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "predictions.db"
    place.mkdir()
    observer = Deaf()
    lifecycle = Lifecycle(Registry(world.uri), f"sqlite:///{place}", (observer,))
    lifecycle.promote(register(lifecycle, tmp_path, "one"), "better", actor="kim")
    register(lifecycle, tmp_path, "two", gate="refused", evidence="Refused: worse.")
    assert [each.status for each in lifecycle.registry.versions()] == ["champion", "none"]
    assert "secret" not in caplog.text

    place.rmdir()
    observer.reachable = True
    told = lifecycle.settle()
    assert told == "Completed what was interrupted: alert, journal told of “promoted 1”; alert told of “refused 2”."
    assert observer.told == ["By kim: better", "Refused: worse."]
    with journal_of(f"sqlite:///{place}", "sentiment") as journal:
        (entry,) = journal.entries()
    assert (entry.kind, entry.time) == ("promotion", lifecycle.registry.history()[0].time)
    assert entry.id == lifecycle.registry.history()[0].id


def test_a_change_that_another_process_is_at_is_left_to_it(world: World) -> None:
    prepare(world)
    entered, leave = threading.Event(), threading.Event()
    lifecycle = world.lifecycle()
    witness = lifecycle._observers[1]
    on_change = witness.on_change

    def slow(change: Change) -> None:
        entered.set()
        assert leave.wait(30)
        on_change(change)

    witness.on_change = slow  # type: ignore[method-assign]
    thread = threading.Thread(target=promote, args=(lifecycle, world))
    thread.start()
    assert entered.wait(30)
    assert world.lifecycle().settle() is None
    leave.set()
    thread.join()
    assert world.lifecycle().settle() is None


def test_what_the_gate_compared_with_another_champion_is_not_promoted(world: World) -> None:
    lifecycle = world.lifecycle()
    first = lifecycle.registry.get(register(lifecycle, world.folder, "one", over=""))
    assert first.status == "champion"
    second = register(lifecycle, world.folder, "two", over=first.digest)
    late = lifecycle.registry.get(register(lifecycle, world.folder, "three", over=first.digest))
    never = lifecycle.registry.get(register(lifecycle, world.folder, "four", over=""))

    time = lifecycle.registry.history()[-1].time
    assert (late.status, late.gate, never.status) == ("candidate", "approved", "candidate")
    assert late.change is not None
    assert never.change is not None
    assert late.change.summary == (
        f"Version 3 is registered, not promoted: version {second} became champion at {time:%Y-%m-%d %H:%M:%S}, after "
        "the gate compared with version 1. Run train again."
    )
    assert "after the gate compared with none" in never.change.summary
    assert [each.version for each in lifecycle.registry.history()] == [1, 2]


def test_of_many_at_once_none_overwrites_another(world: World) -> None:
    lifecycle = Lifecycle(Registry(world.uri), world.journal)
    versions = [register(lifecycle, world.folder, f"w{number}") for number in range(6)]
    lifecycle.promote(1, "the first", actor="ci")
    ends = at_once(world.uri, world.journal, versions[1:])
    require_a_chain(lifecycle.registry, ends, 1)
    assert any(isinstance(end, GateError) for end in ends.values())
    assert any(isinstance(end, ModelVersion) for end in ends.values())


def test_the_user_is_named_also_where_the_number_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "kim")
    assert current_user() == "kim"
    for name in ("LOGNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 987_654)
    assert current_user() == "uid 987654"
