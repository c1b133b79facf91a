"""Register the candidate with its card and evidence, and promote it where the gate approved."""

from typing import Annotated

import mlflow
from zenml import get_step_context, log_metadata, step

from sentiment.config.train import TrainConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.lifecycle.registration import Registration, register_candidate
from sentiment.models.base import TextClassifier
from sentiment.monitoring.reference import Reference
from sentiment.pages import page_of
from stacks.observers import lifecycle_of
from steps.common.names import REGISTRATION, SUMMARY
from steps.common.tracking import flat_metrics, registry


@step(experiment_tracker=True, enable_cache=False)
def register_model(
    candidate: TextClassifier,
    evaluation: Evaluation,
    decision: GateDecision,
    reference: Reference,
    train: Reviews,
    validation: Reviews,
    test: Reviews,
    config: TrainConfig,
) -> Annotated[Registration, REGISTRATION]:
    """Register, promote if approved, and tell whoever is told of that."""
    run = mlflow.active_run()
    (rows,) = get_step_context().step_run.inputs["validation"]
    registration = register_candidate(
        candidate,
        evaluation,
        decision,
        reference=reference,
        splits={"train": train, "validation": validation, "test": test},
        config=config,
        metrics=flat_metrics(evaluation),
        pages={"evaluation.html": page_of(evaluation), "gate.html": page_of(decision)},
        lifecycle=lifecycle_of(registry(config.model_name)),
        run_id=run.info.run_id if run else None,
        validation_artifact=str(rows.id),
    )
    log_metadata({SUMMARY: registration.summary})
    return registration
