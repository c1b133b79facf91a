"""Decide whether to retrain, and add the labels of users to the splits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.dataset import SplitConfig
from sentiment.config.retrain import FeedbackConfig, RetrainConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.messages import Message, language, say
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.quality import QualityReport
from sentiment.retraining.assess import assess
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.feedback import FeedbackReport, add_feedback, check_feedback, known_texts, to_splits
from sentiment.retraining.training import training_config
from sentiment.store.database import default_database_url
from sentiment.store.feedback import read_feedback
from sentiment.text.normalise import TextNormaliser
from stacks.alerts import AlertKind, send_alert
from steps.common.caching import keyed_by_code
from steps.common.names import (
    FEEDBACK,
    FEEDBACK_REPORT,
    RETRAIN_DECISION,
    SUMMARY,
    TEST_AND_FEEDBACK,
    TRAIN_AND_FEEDBACK,
    VALIDATION_AND_FEEDBACK,
)
from steps.common.tracking import registry

# What became of an alert, where its name does not say it.
UNSENT = {"no_alerter": "no alerter in the stack", "watched": "not sent, you see it here"}

CACHED, code_digest = keyed_by_code(__name__)


@step(experiment_tracker=True, enable_cache=False)
def decide_retrain(
    drift: DriftReport, quality: QualityReport, config: RetrainConfig
) -> Annotated[RetrainDecision, RETRAIN_DECISION]:
    """Decide from what monitoring found, the labels there are and the journal, which keeps the decision.

    One alert for drift and one for a drop say so, through the stack's alerter if it has one and nobody watches the run.
    """
    decision = assess(
        drift,
        quality,
        config,
        training=training_config(config, registry(config.model_name)),
        database_url=default_database_url(),
        model_version=drift.model_version,
        now=datetime.now(UTC),
    )
    alerts = _alert(drift, quality, decision, config.model_name)
    log_metadata({SUMMARY: "; ".join([decision.summary.rstrip("."), *alerts])})
    return decision


def _alert(drift: DriftReport, quality: QualityReport, decision: RetrainDecision, model_name: str) -> Iterator[str]:
    """Send what must be told, and say of each alert what became of it."""
    found: dict[AlertKind, Message] = {
        **({"drift": drift.message} if drift.status == "drift" else {}),
        **({"quality_drop": quality.message} if quality.status == "drop" else {}),
    }
    spoken = language()
    for kind, what in found.items():
        message = f"{say(what, spoken).rstrip('.')}. {say(decision.said, spoken)}"
        outcome = send_alert(kind, message, model_name=model_name, model_version=drift.model_version)
        yield f"alert of {kind.replace('_', ' ')}: {UNSENT.get(outcome, outcome)}"


@step(enable_cache=False)
def show_decision(decision: RetrainDecision) -> Annotated[RetrainDecision, RETRAIN_DECISION]:
    """Keep the decision among the artifacts of the run that it led to."""
    log_metadata({SUMMARY: decision.summary.rstrip(".")})
    return decision


@step(enable_cache=False)
def collect_feedback(
    cleaned: Splits, model_name: str, config: FeedbackConfig, split: SplitConfig, normaliser: TextNormaliser
) -> tuple[Annotated[Splits, FEEDBACK], Annotated[FeedbackReport, FEEDBACK_REPORT]]:
    """Read the labels in the prediction database and keep those that may be learnt from; never cached, they grow."""
    rows = read_feedback(default_database_url(), model_name)
    known = known_texts(cleaned.frame()["text"], normaliser)
    accepted, report = check_feedback(
        rows, config, labels=cleaned.labels, normaliser=normaliser, split=split, known=known
    )
    log_metadata({SUMMARY: report.summary})
    return to_splits(accepted, cleaned.labels), report


@step(cache_policy=CACHED)
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
