"""Score a dataset of any size with the champion: fetch it, take a snapshot, score each shard, verify the table."""

from typing import Annotated

from zenml import ArtifactConfig, get_step_context, log_metadata, step
from zenml.enums import ArtifactType, StepRuntime

from sentiment.config.dataset import DatasetConfig
from sentiment.config.score import ScoreConfig
from sentiment.data.names import counted
from sentiment.export import choose_format
from sentiment.kinds import kind_of
from sentiment.lifecycle.deployment import ServedModel
from sentiment.models.base import TextClassifier
from sentiment.scoring import score as scoring
from sentiment.scoring.collect import collect
from sentiment.scoring.parquet import ParquetFiles
from sentiment.scoring.snapshot import SnapshotReport, take_snapshot
from sentiment.scoring.summary import ScoringSummary
from sentiment.store.database import default_database_url
from sentiment.store.scores import Target
from steps.common.names import SCORER, SCORES, SCORING_SUMMARY, SERVED, SHARD_REPORT, SNAPSHOT, SNAPSHOT_REPORT, SUMMARY
from steps.common.tracking import progress_of_this_step
from steps.deployment import fetched, validation_rows


@step(experiment_tracker=True, enable_cache=False)
def fetch_scorer(
    config: ScoreConfig,
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=SCORER, artifact_type=ArtifactType.MODEL)],
    Annotated[ServedModel, SERVED],
]:
    """A model as deploy would serve it: chosen on the validation rows of the run that registered it."""
    classifier, served = fetched(config.model_name, "champion")
    log_metadata({SUMMARY: f"{served.model_name} version {served.version}, {classifier.kind}"})
    validation = validation_rows(served) if kind_of(classifier.kind).formats else None
    if validation is not None:
        classifier, report = choose_format(classifier, validation, config.export)
        log_metadata({SUMMARY: report.summary.rstrip(".")})
    return classifier, served


@step(enable_cache=False)
def snapshot_source(
    dataset: DatasetConfig, shards: int
) -> tuple[Annotated[ParquetFiles, SNAPSHOT], Annotated[SnapshotReport, SNAPSHOT_REPORT]]:
    """Each shard is a file of the first artifact."""
    files, report = take_snapshot(dataset, shards)
    log_metadata({SUMMARY: report.summary, "rows": report.planned})
    return files, report


@step(enable_cache=False, runtime=StepRuntime.ISOLATED)
def score_shard(
    shard: ParquetFiles, scorer: TextClassifier, served: ServedModel, batch: str
) -> Annotated[scoring.ShardReport, SHARD_REPORT]:
    """Where the orchestrator can, a pod of its own; else a thread."""
    report = scoring.score_shard(
        shard,
        scorer,
        Target(served.model_name, served.version, batch),
        default_database_url(),
        on_progress=progress_of_this_step(),
    )
    log_metadata({SUMMARY: report.summary})
    return report


@step(enable_cache=False)
def collect_scores(
    shards: ParquetFiles,
    reports: list[scoring.ShardReport],
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
    log_metadata({SUMMARY: f"{counted(tally.rows)} verified"})
    return result, summary
