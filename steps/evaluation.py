"""Choose among the candidates, measure the chosen one, and decide whether it becomes the champion."""

from typing import Annotated

import numpy as np
from zenml import ArtifactConfig, get_step_context, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.data.names import counted
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import MAJORITY, GateDecision
from sentiment.evaluation.judge import judge
from sentiment.evaluation.selection import Selection, select
from sentiment.models.base import TextClassifier
from sentiment.training.majority import train_majority
from steps.common.caching import keyed_by_code
from steps.common.names import (
    BASELINE_EVALUATION,
    CANDIDATE,
    EVALUATION,
    GATE_DECISION,
    MAJORITY_EVALUATION,
    PROBABILITIES,
    SELECTION,
    SUMMARY,
)
from steps.common.tracking import flat_metrics, log_metrics, registry

CACHED, code_digest = keyed_by_code(__name__)


@step(experiment_tracker=True, cache_policy=CACHED)
def select_candidate(
    classifiers: list[TextClassifier],
    names: list[str],
    validation: Reviews,
    config: EvaluationConfig,
    seed: int,
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=CANDIDATE, artifact_type=ArtifactType.MODEL)],
    Annotated[Selection, SELECTION],
]:
    """Evaluate every candidate on the validation rows and pass on the best; `names` are theirs, in order."""
    evaluations = [
        evaluate(classifier, validation, config, name=name, seed=seed)
        for name, classifier in zip(names, classifiers, strict=True)
    ]
    for evaluation in evaluations:
        log_metrics(evaluation, prefix=f"validation/{evaluation.name}")
    selection = select(evaluations)
    log_metadata({SUMMARY: selection.summary.rstrip(".")})
    return classifiers[names.index(selection.winner)], selection


@step(experiment_tracker=True, cache_policy=CACHED)
def evaluate_candidate(
    candidate: TextClassifier,
    baseline: TextClassifier,
    selection: Selection,
    train: Reviews,
    test: Reviews,
    baseline_name: str,
    config: EvaluationConfig,
    seed: int,
) -> tuple[
    Annotated[Evaluation, EVALUATION],
    Annotated[Evaluation, BASELINE_EVALUATION],
    Annotated[Evaluation, MAJORITY_EVALUATION],
    Annotated[np.ndarray, PROBABILITIES],
]:
    """Evaluate the chosen candidate, the linear baseline and the majority class on the same test rows.

    The candidate's test probabilities, float32 of shape (rows, labels), are kept for the paired comparison.
    """
    texts = test.texts
    probabilities = candidate.predict_proba(texts)
    evaluation = evaluate(candidate, test, config, name=selection.winner, seed=seed, probabilities=probabilities)
    baseline_evaluation = (
        evaluation
        if selection.winner == baseline_name
        else evaluate(baseline, test, config, name=baseline_name, seed=seed)
    )
    majority = train_majority(train, normaliser=candidate.normaliser)
    majority_evaluation = evaluate(majority, test, config, name=MAJORITY, seed=seed)
    for each in (evaluation, baseline_evaluation, majority_evaluation):
        log_metrics(each, prefix=f"test/{each.name}")
    log_metadata({SUMMARY: f"{evaluation.name} on {len(test):,} test reviews: macro-F1 {evaluation.macro_f1}"})
    return evaluation, baseline_evaluation, majority_evaluation, probabilities


@step(experiment_tracker=True, enable_cache=False)
def decide_promotion(
    candidate: TextClassifier,
    evaluation: Evaluation,
    baseline_evaluation: Evaluation,
    majority_evaluation: Evaluation,
    probabilities: np.ndarray,
    train: Reviews,
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
        train=train,
        test=test,
        registry=registry(model_name),
        evaluation_config=evaluation_config,
        gate_config=gate_config,
        seed=seed,
    )
    log_metadata({SUMMARY: f"{decision.outcome}, {counted(len(decision.checks), 'check')}"})
    run = get_step_context().pipeline_run
    verdict = {"verdict": decision.outcome, SUMMARY: decision.summary}
    log_metadata(metadata={**verdict, **flat_metrics(evaluation)}, run_id_name_or_prefix=run.id)
    return decision
