"""See that every row is there, once, and say what they are."""

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from sentiment.lifecycle.deployment import ServedModel
from sentiment.models.base import TextClassifier
from sentiment.scoring.collect import collect
from sentiment.scoring.parquet import ParquetFiles
from sentiment.scoring.score import ShardReport
from sentiment.scoring.snapshot import SnapshotReport
from sentiment.scoring.summary import ScoringSummary
from sentiment.store.database import default_database_url
from sentiment.store.scores import Target
from steps.names import SCORES, SCORING_SUMMARY, SUMMARY


@step(enable_cache=False)
def collect_scores(
    shards: ParquetFiles,
    reports: list[ShardReport],
    snapshot: SnapshotReport,
    served: ServedModel,
    scorer: TextClassifier,
    batch: str,
) -> tuple[Annotated[ParquetFiles, SCORES], Annotated[ScoringSummary, SCORING_SUMMARY]]:
    """The rows of the table as one Parquet file, and the summary, which the journal keeps too."""
    result = ParquetFiles.temporary(["scores"])
    target = Target(served.model_name, served.version, batch)
    url = default_database_url()
    tally = collect(shards, target, scorer.labels, url, result.paths[0])
    summary = ScoringSummary(
        model_name=served.model_name,
        model_version=served.version,
        kind=scorer.kind,
        batch=batch,
        labels=scorer.labels,
        snapshot=snapshot,
        shards=tuple(reports),
        tally=tally,
        parquet=f"{get_step_context().get_output_artifact_uri(SCORES)}/{result.paths[0].name}",
    )
    summary.record(url)
    log_metadata({SUMMARY: f"{tally.rows:,} rows verified"})
    return result, summary
