"""One owner of "the champion changed": killed anywhere, the next command completes it; of two at once, one wins."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sentiment.errors import GateError
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.telling import JournalKeeper
from sentiment.registry import Change, Registry
from sentiment.registry.records import ModelVersion
from sentiment.store.database import default_database_url
from sentiment.store.journal import journal_of
from stacks.observers import Alert
from tests.code.registries import Killed, Life, MortalClient, Witness, register

DAY = 24 * 3600
FOREVER = -1


class World:
    """One MLflow database and one journal; every model name is a registry of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.seen: dict[str, list[list[str]]] = {}
        self._life = Life(FOREVER)
        on_change = JournalKeeper.on_change
        monkeypatch.setattr(JournalKeeper, "on_change", lambda *each: self._life.step(on_change, *each))

    def lifecycle(self, name: str, life: Life | None = None) -> Lifecycle:
        """As a new process would have it; what it does ends with `life`."""
        registry = Registry(self.uri, name)
        self._life = life or Life(FOREVER)
        registry.__dict__["client"] = MortalClient(Registry(self.uri, name).client, self._life)
        witness = Witness(registry, self.seen.setdefault(name, []), self._life)
        return Lifecycle(registry, default_database_url(), (witness,))

    def end(self, name: str) -> dict[str, Any]:
        """All that people can see of the model."""
        registry = Registry(self.uri, name)
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
        with journal_of(default_database_url(), name) as journal:
            entries = sorted((each.kind, each.model_version, each.summary) for each in journal.entries())
        return {"versions": versions, "changes": changes, "journal": entries, "mirror": self.seen[name][-1]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> World:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    return World(tmp_path, monkeypatch)


def prepared(world: World, name: str) -> None:
    """Versions 1 and 2 were champions, 3 is the candidate."""
    lifecycle = world.lifecycle(name)
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
    prepared(world, "alive")
    change(world.lifecycle("alive"), world)
    expected = world.end("alive")

    completed = 0
    for steps in range(50):
        name = f"killed-after-{steps}"
        prepared(world, name)
        try:
            change(world.lifecycle(name, Life(steps)), world)
        except Killed:
            completed += world.lifecycle(name).settle() is not None
            change(world.lifecycle(name), world)
            assert world.end(name) == expected, steps
            assert world.lifecycle(name).settle() is None
        else:
            break
    assert world.end(name) == expected
    assert 5 < completed < steps <= 20


def test_what_was_completed_is_told_in_one_line(world: World) -> None:
    prepared(world, "reviews")
    with pytest.raises(Killed):
        promote(world.lifecycle("reviews", Life(1)), world)
    lifecycle = world.lifecycle("reviews")
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
    prepared(world, "reviews")
    entered, leave = threading.Event(), threading.Event()
    lifecycle = world.lifecycle("reviews")
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
    assert world.lifecycle("reviews").settle() is None
    leave.set()
    thread.join()
    assert world.lifecycle("reviews").settle() is None


def test_what_the_gate_compared_with_another_champion_is_not_promoted(world: World) -> None:
    lifecycle = world.lifecycle("reviews")
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


def at_once(uri: str, versions: list[int]) -> dict[int, Exception | ModelVersion]:
    """Promote these versions at the same moment, each as a process of its own would."""
    barrier = threading.Barrier(len(versions))
    ends: dict[int, Exception | ModelVersion] = {}

    class Together(Lifecycle):
        def settle(self) -> str | None:
            barrier.wait(30)
            return super().settle()

    def run(version: int) -> None:
        lifecycle = Together(Registry(uri), default_database_url())
        try:
            ends[version] = lifecycle.promote(version, f"I want {version}", actor=f"user {version}")
        except Exception as error:
            ends[version] = error

    threads = [threading.Thread(target=run, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def require_a_chain(registry: Registry, ends: dict[int, Exception | ModelVersion], champion: int) -> None:
    """Each row names the one before it; the last is the champion; everybody knows whether they won."""
    rows = registry.history()[1:]
    assert [each.from_version for each in rows] == [champion, *(each.version for each in rows)][:-1]
    assert registry.champion() == registry.get(rows[-1].version)
    assert [each.status for each in registry.versions()].count("champion") == 1
    winners = {version for version, end in ends.items() if isinstance(end, ModelVersion)}
    assert winners == {each.version for each in rows}
    for version in ends.keys() - winners:
        error = ends[version]
        assert isinstance(error, GateError), error
        assert "became the champion of sentiment at" in error.cause
        assert "nothing was changed" in error.cause


def test_of_many_at_once_none_overwrites_another(world: World) -> None:
    lifecycle = Lifecycle(Registry(world.uri), default_database_url())
    versions = [register(lifecycle, world.folder, f"w{number}") for number in range(6)]
    lifecycle.promote(1, "the first", actor="ci")
    ends = at_once(world.uri, versions[1:])
    require_a_chain(lifecycle.registry, ends, 1)
    assert any(isinstance(end, GateError) for end in ends.values())
    assert any(isinstance(end, ModelVersion) for end in ends.values())
