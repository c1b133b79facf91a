"""Labels from users: check them, and add what passes to the splits."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import SplitConfig
from sentiment.config.retrain import FeedbackConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.retraining.feedback import FeedbackReport, add_feedback, check_feedback, known_texts, to_splits
from sentiment.store.database import default_database_url
from sentiment.store.feedback import read_feedback
from sentiment.text.normalise import TextNormaliser
from steps.caching import CODE_AWARE
from steps.names import (
    FEEDBACK,
    FEEDBACK_REPORT,
    SUMMARY,
    TEST_AND_FEEDBACK,
    TRAIN_AND_FEEDBACK,
    VALIDATION_AND_FEEDBACK,
)


@step(enable_cache=False)
def collect_feedback(
    cleaned: Splits, model_name: str, config: FeedbackConfig, split: SplitConfig, normaliser: TextNormaliser
) -> tuple[Annotated[Splits, FEEDBACK], Annotated[FeedbackReport, FEEDBACK_REPORT]]:
    """Read the labels in the prediction database and keep those that may be learnt from; never cached, they grow."""
    rows = read_feedback(default_database_url(), model_name, max_rows=config.max_rows)
    known = known_texts(cleaned.frame()["text"], normaliser)
    accepted, report = check_feedback(
        rows, config, labels=cleaned.labels, normaliser=normaliser, split=split, known=known
    )
    log_metadata({SUMMARY: report.summary})
    return to_splits(accepted, cleaned.labels), report


@step(cache_policy=CODE_AWARE)
def merge_feedback(
    train: Reviews, validation: Reviews, test: Reviews, feedback: Splits
) -> tuple[
    Annotated[Reviews, TRAIN_AND_FEEDBACK],
    Annotated[Reviews, VALIDATION_AND_FEEDBACK],
    Annotated[Reviews, TEST_AND_FEEDBACK],
]:
    """Add the feedback to the splits."""
    merged = add_feedback(Splits(train, validation, test), feedback)
    sizes = f"{len(merged.train):,} train, {len(merged.validation):,} validation, {len(merged.test):,} test"
    log_metadata({SUMMARY: sizes})
    return merged.train, merged.validation, merged.test
