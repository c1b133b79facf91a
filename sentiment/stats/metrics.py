"""Classification metrics on arrays: of hard labels from counts, of scores by row."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sentiment.stats import Probabilities

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


class HardMetrics(NamedTuple):
    """Metrics of a stack of confusion matrices (..., k, k).

    `precision`, `recall` and `f1` have shape (..., k) and are NaN for a class that does not occur in the truth; the
    macro averages run over the classes that do (scikit-learn: `labels=np.unique(y_true)`, `zero_division=0`), so that
    a slice holding one class only is not punished for the other.
    """

    accuracy: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    macro_precision: Floats
    macro_recall: Floats
    macro_f1: Floats


def count_cells(shape: tuple[int, ...], *codes: NDArray[np.int64]) -> Counts:
    """Cross-tabulate integer codes: cell [a, b, ...] counts the rows whose codes are a, b, ..."""
    cells = np.ravel_multi_index(codes, shape)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape)


def hard_metrics(confusion: Counts) -> HardMetrics:
    """Metrics of confusion matrices with the truth in rows and the prediction in columns; none may be empty."""
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    absent = support == 0
    precision = np.where(absent, np.nan, hits / np.maximum(predicted, 1))
    recall = np.where(absent, np.nan, hits / np.maximum(support, 1))
    f1 = np.where(absent, np.nan, 2 * hits / np.maximum(support + predicted, 1))
    return HardMetrics(
        hits.sum(axis=-1) / support.sum(axis=-1),
        precision,
        recall,
        f1,
        np.nanmean(precision, axis=-1),
        np.nanmean(recall, axis=-1),
        np.nanmean(f1, axis=-1),
    )


def accuracy_and_macro_f1(confusion: Counts) -> tuple[Floats, Floats]:
    """Two of the metrics of confusion matrices."""
    metrics = hard_metrics(confusion)
    return metrics.accuracy, metrics.macro_f1


@dataclass(frozen=True)
class RocCurveArea:
    """The area under the ROC curve of one class against the rest, ready to be computed for many row weights.

    The area is the probability that a row of the class scores above a row of the rest, ties counting half (Hanley &
    McNeil 1982). Scores are sorted once; each weighting then costs one cumulative sum.
    """

    order: NDArray[np.int64]
    positive: NDArray[np.bool_]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def of(cls, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> Self:
        """Sort `scores`; `first` and `last` delimit, for each sorted row, the run of rows with the same score."""
        order = np.argsort(scores, kind="stable")
        ordered = scores[order]
        first, last = (np.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))
        return cls(order, positive[order], first, last)

    def area(self, weights: NDArray[np.int64]) -> float:
        """The area when row i counts `weights[i]` times; NaN when the class or the rest has no weight."""
        ordered = weights[self.order]
        of_class = ordered * self.positive
        rest_below = np.concatenate(([0], np.cumsum(ordered - of_class)))
        pairs = int(of_class.sum()) * int(rest_below[-1])
        if not pairs:
            return float("nan")
        return float(of_class @ (rest_below[self.first] + rest_below[self.last])) / (2 * pairs)


def roc_curve_areas(truth: NDArray[np.int64], probabilities: Probabilities) -> list[RocCurveArea]:
    """What the ROC AUC averages over: the second class when there are two, else every class against the rest."""
    classes = range(probabilities.shape[1])
    return [RocCurveArea.of(probabilities[:, c], truth == c) for c in (classes if len(classes) > 2 else classes[1:])]


def brier_by_row(truth: NDArray[np.int64], probabilities: Probabilities) -> Floats:
    """Half the squared distance to the one-hot truth (Brier 1950, halved to lie in [0, 1]), shape (n,)."""
    distance = probabilities.astype(np.float64)
    distance[np.arange(len(truth)), truth] -= 1
    return np.asarray((distance**2).sum(axis=1) / 2)


def log_loss_by_row(truth: NDArray[np.int64], probabilities: Probabilities) -> Floats:
    """-log of the probability given to the truth, clipped at float32's epsilon as in scikit-learn, shape (n,)."""
    given = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    epsilon = np.finfo(np.float32).eps
    return np.asarray(-np.log(np.clip(given, epsilon, 1 - epsilon)))
