"""Read the dataset a config names."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import DatasetConfig
from sentiment.data.read import ReadingReport, read
from sentiment.data.reviews import Splits
from steps.caching import CODE_AWARE
from steps.names import RAW_REVIEWS, READING_REPORT, SUMMARY


@step(cache_policy=CODE_AWARE)
def load_reviews(
    dataset: DatasetConfig, source_digest: str
) -> tuple[Annotated[Splits, RAW_REVIEWS], Annotated[ReadingReport, READING_REPORT]]:
    """Read the reviews as they are; `source_digest` is here to be part of the cache key."""
    splits, report = read(dataset)
    files = report.files[0] if len(report.files) == 1 else f"{len(report.files)} files"
    log_metadata({SUMMARY: f"{sum(report.rows.values()):,} reviews from {files}", "source_digest": source_digest})
    return splits, report
