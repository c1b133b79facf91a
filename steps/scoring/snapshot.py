"""Read the source once and deal its rows out to shards."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import DatasetConfig
from sentiment.scoring.parquet import ParquetFiles
from sentiment.scoring.snapshot import SnapshotReport, take_snapshot
from steps.names import SNAPSHOT, SNAPSHOT_REPORT, SUMMARY


@step(enable_cache=False)
def snapshot_source(
    dataset: DatasetConfig, shards: int
) -> tuple[Annotated[ParquetFiles, SNAPSHOT], Annotated[SnapshotReport, SNAPSHOT_REPORT]]:
    """Each shard is a file of the first artifact."""
    files, report = take_snapshot(dataset, shards)
    log_metadata({SUMMARY: report.summary, "rows": report.planned})
    return files, report
