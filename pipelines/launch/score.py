"""Launch the score pipeline, and how far its shards are while it runs."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zenml.client import Client
from zenml.enums import ExecutionStatus

from pipelines.launch.common import OnStep, launching, report_of
from pipelines.score import STEP_NAMES, score
from sentiment.config.score import ScoreConfig
from sentiment.scoring.summary import ScoringSummary
from steps.common.names import PROGRESS, SCORING_SUMMARY
from steps.scoring.score import score_shard
from steps.scoring.snapshot import snapshot_source

POLL_SECONDS = 2.0
LOST = (ExecutionStatus.RETRYING, ExecutionStatus.RETRIED)

# Called with the rows that are done and how many there are, over all shards.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class ScoreResult:
    """A finished score run."""

    summary: ScoringSummary
    run_id: str
    seconds: float


def launch_score(
    config: ScoreConfig, batch: str, stack_name: str, *, on_step: OnStep, on_progress: OnProgress
) -> ScoreResult:
    """Run the score pipeline on the stack.

    Raises DataError for a source that cannot be read, StackError for a stack or a database that cannot be used,
    SentimentError when there is no champion.
    """
    started = time.monotonic()
    with launching("score", stack_name, on_step, model_name=config.model_name) as launch:
        configured = launch.configured(score, STEP_NAMES, run_name=launch.run_name)
        with _watching(launch.run_name, on_progress):
            run = launch.run(lambda: configured(config, batch))
        summary = report_of(run, SCORING_SUMMARY, ScoringSummary)
    return ScoreResult(summary=summary, run_id=str(run.id), seconds=time.monotonic() - started)


@contextmanager
def _watching(run_name: str, on_progress: OnProgress) -> Iterator[None]:
    """Ask ZenML every other second what the shards noted, wherever they run."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(POLL_SECONDS):
            if progress := _progress(run_name):
                on_progress(*progress)

    thread = threading.Thread(target=watch, name="score-watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _progress(run_name: str) -> tuple[int, int] | None:
    """Rows done and rows planned; None until the plan is known."""
    client = Client()
    runs = client.list_pipeline_runs(name=run_name, size=1).items
    if not runs:
        return None
    steps = client.list_run_steps(pipeline_run_id=runs[0].id, size=200, hydrate=True).items
    planned = next((step.run_metadata.get("rows") for step in steps if step.name == snapshot_source.name), None)
    if not isinstance(planned, int):
        return None
    done = 0
    for step in steps:
        noted = step.run_metadata.get(PROGRESS)
        # What a lost shard wrote is counted by the one that took its place.
        if score_shard.name in step.name and isinstance(noted, dict) and step.status not in LOST:
            done += int(noted["done"])
    return done, planned
