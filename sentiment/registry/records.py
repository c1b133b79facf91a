"""What the registry tells: model versions and the history of the champion."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sentiment.frozen import Frozen
from sentiment.stored import Stored

Status = Literal["champion", "candidate", "archived", "none"]
Gate = Literal["approved", "refused"]


class ModelVersion(Frozen):
    """One registered model. `digest` is the model folder's, `reason` why it holds its status."""

    version: int
    status: Status
    aliases: tuple[str, ...]
    kind: str
    gate: Gate | None
    metrics: dict[str, float]
    digest: str
    dataset_digest: str
    source: str
    run_id: str
    created_at: datetime
    reason: str
    tags: dict[str, str]


class PromotionEvent(Stored):
    """One row of the history: `version` became champion (or was archived) in the place of `from_version`."""

    time: datetime
    event: Literal["promoted", "rolled_back", "archived"]
    version: int
    from_version: int | None
    actor: str
    reason: str
    evidence: str = ""
    forced: bool = False


def reigning(history: Sequence[PromotionEvent]) -> list[int]:
    """The champions that a chain of rollbacks would walk back through, the current one last."""
    reigns: list[int] = []
    for event in history:
        if event.event == "promoted":
            reigns.append(event.version)
        elif event.event == "rolled_back":
            while reigns and reigns[-1] != event.version:
                reigns.pop()
    return reigns
