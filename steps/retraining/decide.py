"""Decide whether to retrain, and show the decision that a retraining came from."""

from datetime import UTC, datetime
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.retrain import RetrainConfig
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.quality import QualityReport
from sentiment.predictions.database import default_database_url
from sentiment.retraining.assess import assess
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.training import training_config
from steps.names import RETRAIN_DECISION, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def decide_retrain(
    drift: DriftReport, quality: QualityReport, config: RetrainConfig
) -> Annotated[RetrainDecision, RETRAIN_DECISION]:
    """Decide from what monitoring found, the labels there are and the journal, which keeps the decision."""
    decision = assess(
        drift,
        quality,
        config,
        training=training_config(config, registry(config.model_name)),
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
