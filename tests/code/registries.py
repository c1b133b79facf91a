"""Model folders to register, and a registry whose process dies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sentiment.lifecycle import Lifecycle
from sentiment.models.folder import write_manifest
from sentiment.registry import Change, Registry
from sentiment.registry.records import Event

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
