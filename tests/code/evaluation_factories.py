"""Reviews, classifiers and evaluations with known contents, for the tests of evaluation, gate, card and plots."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.compare import PairedComparison, compare
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.models.base import TextClassifier
from sentiment.stats import Probabilities
from sentiment.tasks import FIRST, task_of
from sentiment.text.normalise import TextNormaliser

LABELS = ("negative", "positive")
QUICK = EvaluationConfig(resamples=200)


class Scripted(TextClassifier):
    """Gives each text the probabilities it was told to."""

    kind = "scripted"

    def __init__(self, labels: Sequence[str], texts: Sequence[str], probabilities: Probabilities) -> None:
        super().__init__(labels, TextNormaliser())
        self._rows = dict(zip(texts, probabilities, strict=True))

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        return np.array([self._rows[text] for text in texts], dtype=np.float32)

    def write(self, folder: Path) -> None:
        (folder / "weights.bin").write_bytes(bytes(1234))

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise AssertionError("A scripted classifier is never loaded.")


def make_reviews(truth: Sequence[int | None], labels: Sequence[str] = LABELS, **columns: Any) -> Reviews:
    """One review a label index; `columns` replaces text, language or category."""
    rows = len(truth)
    frame = pl.DataFrame(
        {
            "id": [f"r{row}" for row in range(rows)],
            "text": [f"리뷰 {row}" for row in range(rows)],
            "label": pl.Series(list(truth), dtype=pl.Int64),
            "rating": pl.Series([None] * rows, dtype=pl.Float32),
            "category": ["영화"] * rows,
            "language": ["ko"] * rows,
            "created_at": pl.Series([datetime(2024, 1, 1)] * rows, dtype=pl.Datetime("us")),
            "source": ["test"] * rows,
        }
    ).with_columns(**{name: pl.Series(values, dtype=pl.String) for name, values in columns.items()})
    return Reviews.from_frame(frame, labels)


def random_probabilities(truth: np.ndarray, k: int, skill: float, seed: int) -> Probabilities:
    """Softmax of noise, with `skill` added to the true class: 0 is guessing."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), k))
    logits[np.arange(len(truth)), truth] += skill
    weights = np.exp(logits)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def predicting(predicted: Sequence[int] | np.ndarray, k: int = 2, confidence: float = 0.9) -> Probabilities:
    """Probabilities whose argmax is `predicted`."""
    probabilities = np.full((len(predicted), k), (1 - confidence) / (k - 1), dtype=np.float32)
    probabilities[np.arange(len(predicted)), np.asarray(predicted, dtype=int)] = confidence
    return probabilities


def make_evaluation(
    reviews: Reviews, probabilities: Probabilities, name: str = "candidate", config: EvaluationConfig = QUICK
) -> Evaluation:
    """Evaluate scripted predictions."""
    classifier = Scripted(reviews.labels, reviews.texts, probabilities)
    return evaluate(classifier, reviews, config, name=name, seed=7)


def make_comparison(
    reviews: Reviews, candidate: Probabilities, champion: Probabilities, significance: float = 0.05
) -> PairedComparison:
    """Compare scripted predictions."""
    return compare(
        candidate,
        champion,
        reviews,
        QUICK,
        task=task_of(FIRST),
        candidate="candidate",
        champion="champion",
        seed=7,
        significance=significance,
    )
