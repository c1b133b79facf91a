"""Normalise, label-check and de-duplicate."""

from collections import Counter
from typing import Annotated

from zenml import log_metadata, step

from sentiment.data.clean import CleaningReport, clean
from sentiment.data.reviews import Splits
from sentiment.text.normalise import TextNormaliser
from steps.caching import CODE_AWARE
from steps.names import CLEAN_REVIEWS, CLEANING_REPORT, SUMMARY


@step(cache_policy=CODE_AWARE)
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
