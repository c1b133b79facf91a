"""Score one shard."""

from typing import Annotated

from zenml import log_metadata, step
from zenml.enums import StepRuntime

from sentiment.lifecycle.deployment import ServedModel
from sentiment.models.base import TextClassifier
from sentiment.scoring import score
from sentiment.scoring.parquet import ParquetFiles
from sentiment.store.database import default_database_url
from sentiment.store.scores import Target
from steps.names import SHARD_REPORT, SUMMARY
from steps.scoring.progress import progress_of_this_step


@step(enable_cache=False, runtime=StepRuntime.ISOLATED)
def score_shard(
    shard: ParquetFiles, scorer: TextClassifier, served: ServedModel, batch: str
) -> Annotated[score.ShardReport, SHARD_REPORT]:
    """Where the orchestrator can, a pod of its own; else a thread."""
    report = score.score_shard(
        shard,
        scorer,
        Target(served.model_name, served.version, batch),
        default_database_url(),
        on_progress=progress_of_this_step(),
    )
    log_metadata({SUMMARY: report.summary})
    return report
