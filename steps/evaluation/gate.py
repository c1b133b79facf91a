"""Decide whether the candidate becomes the champion."""

from typing import Annotated

import numpy as np
from zenml import log_metadata, step

from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.evaluation.judge import judge
from sentiment.models.base import TextClassifier
from steps.names import GATE_DECISION, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def decide_promotion(
    candidate: TextClassifier,
    evaluation: Evaluation,
    baseline_evaluation: Evaluation,
    majority_evaluation: Evaluation,
    probabilities: np.ndarray,
    test: Reviews,
    model_name: str,
    evaluation_config: EvaluationConfig,
    gate_config: GateConfig,
    seed: int,
) -> Annotated[GateDecision, GATE_DECISION]:
    """Score the champion on the same test rows and let the gate decide; never cached, the champion changes."""
    decision = judge(
        candidate,
        evaluation,
        baselines=[majority_evaluation, *([baseline_evaluation] if baseline_evaluation != evaluation else [])],
        probabilities=probabilities,
        test=test,
        registry=registry(model_name),
        evaluation_config=evaluation_config,
        gate_config=gate_config,
        seed=seed,
    )
    log_metadata({SUMMARY: f"{decision.outcome}, {len(decision.checks)} checks"})
    return decision
