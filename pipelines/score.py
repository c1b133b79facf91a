"""score: a dataset of any size to one row per review in the table of scores, by the champion.

python run.py score
"""

from collections.abc import Callable
from dataclasses import dataclass

from zenml import pipeline, unmapped
from zenml.client import Client
from zenml.enums import ExecutionMode, ExecutionStatus

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines.common.launching import OnStep, launching, report_of
from pipelines.common.scheduling import Scheduled, require_schedulable, say_nothing, schedule_pipeline
from pipelines.common.watching import repeating
from sentiment.config.score import ScoreConfig
from sentiment.errors import ConfigError, option
from sentiment.scoring.summary import ScoringSummary
from steps.common.names import PROGRESS, SCORING_SUMMARY
from steps.scoring import collect_scores, fetch_scorer, score_shard, snapshot_source

STEPS = [fetch_scorer, snapshot_source, score_shard, collect_scores]
STEP_NAMES = [each.name for each in STEPS]

POLL_SECONDS = 2.0
LOST = (ExecutionStatus.RETRYING, ExecutionStatus.RETRIED)

# Called with the rows that are done and how many there are, over all shards.
OnProgress = Callable[[int, int], None]


# Only the steps in depends_on get what the stack's settings say: their retries, resources and pod settings.
@pipeline(name="score", dynamic=True, depends_on=STEPS, enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def score(config: ScoreConfig, batch: str) -> None:
    """Read the source once, score its shards at once where the stack can, and verify the table."""
    scorer, served = fetch_scorer(config)
    shards, snapshot = snapshot_source(config.dataset, config.shards)
    reports = score_shard.map(shards, unmapped(scorer), unmapped(served), unmapped(batch))
    collect_scores(shards, reports, snapshot, served, scorer, batch)


@dataclass(frozen=True)
class ScoreResult:
    """A finished score run."""

    summary: ScoringSummary
    run_id: str


def launch_score(
    config: ScoreConfig, batch: str, stack_name: str, *, on_step: OnStep, on_progress: OnProgress
) -> ScoreResult:
    """Run the score pipeline on the stack.

    Raises DataError for a source that cannot be read, StackError for a stack or a database that cannot be used,
    SentimentError when there is no champion.
    """
    with launching("score", stack_name, on_step, model_name=config.model_name) as launch:
        configured = launch.configured(score, STEP_NAMES, run_name=launch.run_name)
        with repeating(lambda: _tell_progress(launch.run_name, on_progress), POLL_SECONDS):
            run = launch.run(lambda: configured(config, batch))
        summary = report_of(run, SCORING_SUMMARY, ScoringSummary)
    return ScoreResult(summary=summary, run_id=str(run.id))


def schedule_score(config: ScoreConfig, stack_name: str, cron: str) -> Scheduled:
    """Score at the times of `cron`. Every run writes to the one batch that the config names: what is new is added.

    Raises ConfigError for a config without a batch and a `cron` that cannot be read, StackError for a stack that
    cannot be used or has no schedules.
    """
    require_schedulable(stack_name, cron)
    batch = config.batch
    if batch is None:
        raise ConfigError(
            "A schedule of score needs the name of a batch: one made from today's reviews would be tomorrow's, too.",
            f"Name it: {option('batch', config.dataset.name)}",
        )
    with launching("score", stack_name, say_nothing, model_name=config.model_name) as launch:
        return schedule_pipeline(
            launch, score, cron, config.model_name, lambda ready: ready(config, batch), step_names=STEP_NAMES
        )


def _tell_progress(run_name: str, on_progress: OnProgress) -> None:
    """Ask ZenML what the shards noted, wherever they run."""
    if progress := _progress(run_name):
        on_progress(*progress)


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
