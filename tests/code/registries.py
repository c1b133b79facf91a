"""Model folders to register, a registry whose process dies, and promotions at the same moment."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentiment.errors import GateError
from sentiment.lifecycle import Lifecycle
from sentiment.models.folder import write_manifest
from sentiment.registry import Change, Registry
from sentiment.registry.records import Event, ModelVersion

WRITES = ("set_", "delete_", "create_", "log_")


class Killed(BaseException):
    """The process is gone; nothing catches it."""


class Life:
    """Ends after so many steps: none is done any more, not even to clean up."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, call: Callable[..., Any], *arguments: Any, **values: Any) -> Any:
        if self.steps == 0:
            raise Killed
        self.steps -= 1
        return call(*arguments, **values)


class MortalClient:
    """MLflow's client; each write is a step of `life`."""

    def __init__(self, client: Any, life: Life) -> None:
        self._client, self._life = client, life

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not name.startswith(WRITES):
            return method
        return lambda *arguments, **values: self._life.step(method, *arguments, **values)


class Witness:
    """An observer that sees the statuses of all versions, as a mirror would."""

    name = "mirror"
    events: frozenset[Event] = frozenset({"registered", "refused", "promoted", "rolled_back", "archived"})

    def __init__(self, registry: Registry, seen: list[list[str]], life: Life | None = None) -> None:
        self._registry, self._seen, self._life = registry, seen, life or Life(-1)

    def on_change(self, change: Change) -> None:
        self._life.step(self._seen.append, [each.status for each in self._registry.versions()])


def model_folder(root: Path, weights: str) -> tuple[Path, str]:
    """A folder that may be registered, and its digest."""
    folder = root / weights
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classifier.json").write_text(json.dumps({"kind": "linear", "labels": ["부정", "긍정"]}))
    (folder / "weights.txt").write_text(weights)
    return folder, write_manifest(folder)


def register(lifecycle: Lifecycle, root: Path, weights: str, gate: str | None = "approved", **values: Any) -> int:
    """Register a model of these weights; returns its version."""
    folder, digest = model_folder(root / "models", weights)
    return lifecycle.register(
        folder,
        **{
            "digest": digest,
            "dataset_digest": "d" * 64,
            "metrics": {"macro_f1": 0.81},
            "card": "# 카드",
            "reports": {"evaluation.html": "<p>잘했어요</p>"},
            "tags": {"git_commit": "abc"},
            "actor": "ci",
            "reason": weights,
            "gate": gate,
            **values,
        },
    ).version


def at_once(uri: str, journal: str, versions: list[int]) -> dict[int, Exception | ModelVersion]:
    """Promote these versions at the same moment, each as a process of its own would."""
    barrier = threading.Barrier(len(versions))
    ends: dict[int, Exception | ModelVersion] = {}

    class Together(Lifecycle):
        def settle(self) -> str | None:
            barrier.wait(30)
            return super().settle()

    def run(version: int) -> None:
        lifecycle = Together(Registry(uri), journal)
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
