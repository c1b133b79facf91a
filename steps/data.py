"""Read, clean, split and check the reviews."""

from collections import Counter
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import DatasetConfig, SplitConfig, ValidationConfig
from sentiment.data.clean import CleaningReport, clean
from sentiment.data.names import counted
from sentiment.data.read import ReadingReport, read
from sentiment.data.reviews import Reviews, Splits
from sentiment.data.split import split
from sentiment.data.validate import ValidationReport, validate
from sentiment.text.normalise import TextNormaliser
from steps.common.caching import keyed_by_code
from steps.common.names import (
    CLEAN_REVIEWS,
    CLEANING_REPORT,
    RAW_REVIEWS,
    READING_REPORT,
    SUMMARY,
    TEST,
    TRAIN,
    VALIDATION,
    VALIDATION_REPORT,
)

CACHED, code_digest = keyed_by_code(__name__)


@step(cache_policy=CACHED)
def load_reviews(
    dataset: DatasetConfig, source_digest: str
) -> tuple[Annotated[Splits, RAW_REVIEWS], Annotated[ReadingReport, READING_REPORT]]:
    """Read the reviews as they are; `source_digest` is here to be part of the cache key."""
    splits, report = read(dataset)
    files = report.files[0] if len(report.files) == 1 else f"{len(report.files)} files"
    noticed = f"; {report.losses}" if report.losses else ""
    read_here = (
        f"{sum(report.rows.values()):,} of {counted(report.rows_read)}"
        if report.left_out
        else counted(report.rows_read, "review")
    )
    log_metadata({SUMMARY: f"{read_here} from {files}{noticed}", "source_digest": source_digest})
    return splits, report


@step(cache_policy=CACHED)
def clean_reviews(
    reviews: Splits, normaliser: TextNormaliser, max_chars: int
) -> tuple[Annotated[Splits, CLEAN_REVIEWS], Annotated[CleaningReport, CLEANING_REPORT]]:
    """Clean the reviews; texts longer than `max_chars` go, and whatever is dropped is counted in the report."""
    cleaned, report = clean(reviews, normaliser, max_chars=max_chars)
    dropped = Counter[str]()
    for each in report.dropped:
        dropped[each.reason] += each.rows
    reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in dropped.items())
    log_metadata({SUMMARY: f"{sum(report.rows_out.values()):,} kept; dropped: {reasons or 'none'}"})
    return cleaned, report


@step(cache_policy=CACHED)
def split_reviews(
    reviews: Splits, config: SplitConfig
) -> tuple[Annotated[Reviews, TRAIN], Annotated[Reviews, VALIDATION], Annotated[Reviews, TEST]]:
    """Split by the config's method; equal texts never cross."""
    splits = split(reviews, config)
    sizes = f"{len(splits.train):,} train, {len(splits.validation):,} validation, {len(splits.test):,} test"
    log_metadata({SUMMARY: sizes})
    return splits.train, splits.validation, splits.test


@step(cache_policy=CACHED)
def validate_splits(
    train: Reviews, validation: Reviews, test: Reviews, cleaning: CleaningReport, config: ValidationConfig
) -> Annotated[ValidationReport, VALIDATION_REPORT]:
    """Run every check. A breach is kept as a report people can open; `require_valid` then stops the run."""
    report = validate(Splits(train, validation, test), cleaning, config)
    passed = len(report.checks) - len(report.failed)
    log_metadata({SUMMARY: f"{passed} of {counted(len(report.checks), 'check')} passed"})
    return report


@step(enable_cache=False)
def require_valid(report: ValidationReport) -> None:
    """Stop the run with the failed checks, their reasons and the first offending ids."""
    report.require_passed()
