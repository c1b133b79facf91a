"""Measure the candidate and the baselines on the test split."""

import tempfile
from pathlib import Path
from typing import Annotated

import mlflow
import numpy as np
from zenml import log_metadata, step

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import MAJORITY
from sentiment.evaluation.selection import Selection
from sentiment.models.base import TextClassifier
from sentiment.pages import figures_of, page_of
from sentiment.training.majority import train_majority
from steps.caching import CODE_AWARE
from steps.names import BASELINE_EVALUATION, EVALUATION, MAJORITY_EVALUATION, PROBABILITIES, SUMMARY
from steps.tracking import log_metrics


@step(experiment_tracker=True, cache_policy=CODE_AWARE)
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
    _log_page(evaluation, prefix=f"test/{evaluation.name}")
    log_metadata({SUMMARY: f"{evaluation.name} on {len(test):,} test reviews: macro-F1 {evaluation.macro_f1}"})
    return evaluation, baseline_evaluation, majority_evaluation, probabilities


def _log_page(evaluation: Evaluation, prefix: str) -> None:
    """Record an evaluation's page and its pictures as files under `prefix`."""
    figures = figures_of(evaluation)
    with tempfile.TemporaryDirectory() as folder:
        for name, png in figures.items():
            (Path(folder) / f"{name}.png").write_bytes(png)
        (Path(folder) / "evaluation.html").write_text(page_of(evaluation, figures), encoding="utf-8")
        mlflow.log_artifacts(folder, prefix)
