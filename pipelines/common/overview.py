"""The last runs of all pipelines, as the start page shows them, from ZenML's own records."""

from datetime import UTC

from zenml.client import Client
from zenml.models import PipelineRunResponse

from pipelines.common.watching import failure_of
from sentiment.pages.start import Run
from steps.common.names import SUMMARY


def last_runs(count: int = 12) -> list[Run]:
    """The newest first; what a run says is the sentence of its last step, or of the error it ended with."""
    runs = Client().list_pipeline_runs(size=count, sort_by="desc:created", hydrate=True).items
    return [_run(each) for each in runs]


def _run(run: PipelineRunResponse) -> Run:
    started = run.start_time or run.created
    seconds = (run.end_time - started).total_seconds() if run.end_time else None
    status = str(run.status.value)
    return Run(
        id=str(run.id),
        pipeline=run.pipeline.name if run.pipeline else run.name,
        status=status,
        time=started.replace(tzinfo=UTC) if started.tzinfo is None else started.astimezone(UTC),
        seconds=seconds,
        said=failure_of(run.name).cause if status == "failed" else _last_words(run),
    )


def _last_words(run: PipelineRunResponse) -> str:
    steps = Client().list_run_steps(pipeline_run_id=run.id, sort_by="desc:created", size=50, hydrate=True).items
    return next((str(said) for each in steps if (said := each.run_metadata.get(SUMMARY))), "")
