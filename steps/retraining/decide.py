"""Decide whether to retrain, and show the decision that a retraining came from."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.retrain import RetrainConfig
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.quality import QualityReport
from sentiment.retraining.assess import assess
from sentiment.retraining.decision import RetrainDecision
from sentiment.store.database import default_database_url
from steps.names import RETRAIN_DECISION, SUMMARY


@step(enable_cache=False)
def decide_retrain(
    drift: DriftReport, quality: QualityReport, config: RetrainConfig
) -> Annotated[RetrainDecision, RETRAIN_DECISION]:
    """Decide from what monitoring found, the labels there are and the journal, which keeps the decision."""
    decision = assess(
        drift,
        quality,
        config,
        database_url=default_database_url(),
        model_version=drift.model_version,
        now=datetime.now(UTC),
    )
    log_metadata({SUMMARY: decision.summary.rstrip(".")})
    return decision


@step(enable_cache=False)
def show_decision(decision: RetrainDecision) -> Annotated[RetrainDecision, RETRAIN_DECISION]:
    """Keep the decision among the artifacts of the run that it led to."""
    log_metadata({SUMMARY: decision.summary.rstrip(".")})
    return decision
