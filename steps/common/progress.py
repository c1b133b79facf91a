"""How far a step is, in its metadata: whoever waits for the run sees it from any machine."""

import time
from uuid import UUID

from zenml import get_step_context, log_metadata

from sentiment.scoring.score import OnProgress
from steps.common.names import PROGRESS

SECONDS = 3.0


def progress_of_this_step() -> OnProgress:
    """Notes the rows done and the rows there are, every few seconds and at the end."""
    step_id: UUID = get_step_context().step_run.id
    noted = time.monotonic()

    def note(done: int, total: int) -> None:
        nonlocal noted
        if done == total or time.monotonic() - noted >= SECONDS:
            noted = time.monotonic()
            log_metadata(metadata={PROGRESS: {"done": done, "total": total}}, step_id=step_id)

    return note
