"""Register the candidate with its card and evidence, and promote it where the gate approved."""

from datetime import UTC, datetime
from typing import Annotated

import mlflow
from zenml import get_step_context, log_metadata, step

from sentiment.config.train import TrainConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.home import current_user
from sentiment.lifecycle.card import Origin
from sentiment.lifecycle.registration import Registration, register_candidate
from sentiment.models.base import TextClassifier
from sentiment.monitoring.reference import Reference
from sentiment.pages import Trained, report_of_run
from sentiment.registry.records import REPORT_FILE
from sentiment.retraining.decision import RetrainDecision
from sentiment.retraining.feedback import FeedbackReport
from stacks.observers import lifecycle_of
from steps.common.names import REGISTRATION, SUMMARY
from steps.common.tracking import flat_metrics, log_run, registry


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
    retraining: RetrainDecision | None = None,
    feedback: FeedbackReport | None = None,
) -> Annotated[Registration, REGISTRATION]:
    """Register, promote if approved, and tell whoever is told of that; keep the report of the run.

    A retraining says why it was decided on, and what became of the labels of users.
    """
    run, here, models = mlflow.active_run(), get_step_context(), registry(config.model_name)
    registration = register_candidate(
        candidate,
        evaluation,
        decision,
        reference=reference,
        splits={"train": train, "validation": validation, "test": test},
        config=config,
        metrics=flat_metrics(evaluation),
        lifecycle=lifecycle_of(models),
        run_id=run.info.run_id if run else None,
        origin=Origin(
            run=here.pipeline_run.name,
            time=datetime.now(UTC),
            actor=current_user(),
            why=retraining.summary if retraining else f"python run.py {here.pipeline.name}",
            feedback=feedback.summary if feedback else None,
        ),
        artifacts={split: str(here.step_run.inputs[split][0].id) for split in ("train", "validation")},
    )
    about = Trained(config.dataset.name, config.dataset.synthetic, datetime.now(UTC))
    mlflow.log_text(report_of_run(registration, decision, evaluation, about), REPORT_FILE)
    log_run(config, evaluation, decision, registration, {"training": train, "validation": validation, "test": test})
    log_metadata({SUMMARY: registration.summary})
    return registration
