"""Measure a classifier on labelled reviews, all of them and slice by slice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.names import counted
from sentiment.data.reviews import Reviews
from sentiment.errors import DataError, SentimentError
from sentiment.evaluation.evaluation import ClassResult, Evaluation, Mistake, SliceResult
from sentiment.evaluation.performance import measure_performance
from sentiment.kinds import load
from sentiment.models.base import TextClassifier
from sentiment.stats import Probabilities
from sentiment.stats.bootstrap import Metric, resample_cells, resample_rows
from sentiment.stats.calibration import Calibration, calibration_errors
from sentiment.stats.metrics import (
    Counts,
    Floats,
    HardMetrics,
    brier_by_row,
    count_cells,
    hard_metrics,
    log_loss_by_row,
    roc_curve_areas,
)
from sentiment.tasks import Task, task_of
from sentiment.text.pii import mask

OTHER = "(other)"
MOST_SLICES = 20  # of a column: more would bury the slices that have enough rows to be judged
LENGTH_EDGES = (20, 50, 100)  # characters: a few words, a sentence, two or three, more
CALIBRATION_BINS = 10  # of equal mass: with more, the smallest test sets have too few rows in each
MOST_MISTAKES = 10  # as many as people read


@dataclass(frozen=True)
class SliceCounts:
    """One slice and the cross-tabulated codes of its rows."""

    column: str
    value: str
    counts: Counts

    @property
    def rows(self) -> int:
        """How many rows the slice has."""
        return int(self.counts.sum())


def slice_counts(reviews: Reviews, shape: tuple[int, ...], *codes: NDArray[np.int64]) -> Iterator[SliceCounts]:
    """Cross-tabulate `codes` (one array a dimension of `shape`, one entry a row) within every slice.

    Sources, languages and categories come largest first, lengths rising. Rows without a value are in no slice; a single
    source is no slice: it would be the whole set again.
    """
    frame = reviews.frame()
    several_sources = frame["source"].drop_nulls().n_unique() > 1
    columns = {
        **({"source": _frequent(frame["source"])} if several_sources else {}),
        "language": _frequent(frame["language"]),
        "category": _frequent(frame["category"]),
        "length": _lengths(frame["text"]),
    }
    for column, (names, group) in columns.items():
        kept = group >= 0
        counts = count_cells((len(names), *shape), group[kept], *(code[kept] for code in codes))
        yield from (SliceCounts(column, name, part) for name, part in zip(names, counts, strict=True) if part.any())


def _frequent(values: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The most frequent values by falling count, then the others as one; and each row's position, -1 for null."""
    ranked = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])[values.name]
    names = ranked.head(MOST_SLICES).to_list()
    group = values.replace_strict(names, range(len(names)), default=len(names), return_dtype=pl.Int64)
    codes = pl.select(pl.when(values.is_null()).then(-1).otherwise(group)).to_series().to_numpy()
    return [*names, OTHER], codes


def _lengths(texts: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Length buckets in characters, and each row's position."""
    starts = (1, *LENGTH_EDGES)
    names = [f"{low}–{high - 1} characters" for low, high in pairwise(starts)]
    names.append(f"{starts[-1]} or more characters")
    return names, np.searchsorted(np.array(LENGTH_EDGES), texts.str.len_chars().to_numpy(), side="right")


MISTAKE_CHARACTERS = 200


def evaluate(
    classifier: TextClassifier,
    reviews: Reviews,
    config: EvaluationConfig,
    *,
    name: str,
    seed: int,
    probabilities: Probabilities | None = None,
) -> Evaluation:
    """Score every review and report metrics with 95% bootstrap intervals, slices, calibration and cost.

    `probabilities`, of shape (len(reviews), len(labels)), spares scoring again what was scored already. All but the
    measured times depends on the data, the predictions and `seed` alone.

    Raises DataError when there are no rows, a row has no label or the labels are not the classifier's;
    SentimentError when the probabilities do not have the right shape, are not finite or do not sum to 1.
    """
    truth = true_codes(reviews)
    if reviews.labels != classifier.labels:
        raise DataError(
            f"The data has the labels {', '.join(reviews.labels)}, but {name} knows {', '.join(classifier.labels)}.",
            "Evaluate on data with the labels the model was trained on.",
        )
    texts = reviews.texts
    if probabilities is None:
        probabilities = classifier.predict_proba(texts)
    check_probabilities(probabilities, reviews, name)

    rng = np.random.default_rng(seed)
    task = task_of(classifier.task)
    predicted = task.answers(probabilities)
    shape = (len(reviews.labels), len(reviews.labels))
    confusion = count_cells(shape, truth, predicted)
    point, samples = hard_metrics(confusion), hard_metrics(resample_cells(confusion, config.resamples, rng))
    auc, brier, log_loss = _score_metrics(truth, probabilities, config.resamples, rng)
    bins = load(task.reliability)(truth, probabilities, CALIBRATION_BINS)
    ece, ece_by_chance = calibration_errors(bins, config.resamples, rng)
    return Evaluation(
        name=name,
        kind=classifier.kind,
        task=classifier.task,
        rows=len(reviews),
        labels=reviews.labels,
        data_digest=reviews.digest(),
        seed=seed,
        resamples=config.resamples,
        accuracy=Metric.from_samples(point.accuracy, samples.accuracy),
        precision=Metric.from_samples(point.macro_precision, samples.macro_precision),
        recall=Metric.from_samples(point.macro_recall, samples.macro_recall),
        macro_f1=Metric.from_samples(point.macro_f1, samples.macro_f1),
        auc=auc,
        classes=_class_results(reviews.labels, confusion, point, samples),
        slices=tuple(_slice_result(part, task, config, rng) for part in slice_counts(reviews, shape, truth, predicted)),
        confusion=tuple(map(tuple, confusion.tolist())),
        calibration=Calibration(bins=bins, ece=ece, ece_by_chance=ece_by_chance, brier=brier, log_loss=log_loss),
        performance=measure_performance(classifier, texts, rng),
        mistakes=_mistakes(reviews, truth, predicted, probabilities),
    )


def true_codes(reviews: Reviews) -> NDArray[np.int64]:
    """The label index of every row; raises DataError when there are no rows or one has no label."""
    labels = reviews.frame()["label"]
    if not len(labels):
        raise DataError("There are no rows to evaluate on.", "Give a split that holds labelled reviews.")
    if labels.null_count():
        raise DataError(
            f"{labels.null_count():,} of {counted(len(labels))} to evaluate on have no label.",
            "Evaluate on labelled rows only.",
        )
    return labels.to_numpy().astype(np.int64)


def check_probabilities(probabilities: Probabilities, reviews: Reviews, name: str) -> None:
    """Raise SentimentError unless there is one finite distribution over the labels for every review."""
    expected = (len(reviews), len(reviews.labels))
    if probabilities.shape != expected:
        raise SentimentError(
            f"The probabilities of {name} have the shape {probabilities.shape}, not {expected}.",
            "Let its predict_proba give one row a text and one column a label.",
        )
    wrong = ~np.isclose(probabilities.sum(axis=1), 1, atol=1e-3)  # NaN is not close to 1
    wrong |= (probabilities < 0).any(axis=1)
    if wrong.any():
        raise SentimentError(
            f"For {wrong.sum():,} of {counted(len(reviews), 'text')} the outputs of {name} are no probabilities "
            f"(first: {probabilities[wrong.argmax()].tolist()}).",
            "Train the model again: its weights hold values that are no numbers, or its last layer no softmax.",
        )


def _score_metrics(
    truth: NDArray[np.int64], probabilities: Probabilities, resamples: int, rng: np.random.Generator
) -> tuple[Metric | None, Metric, Metric]:
    """ROC AUC, Brier score and log loss, all three from the same row resamples."""
    curves = roc_curve_areas(truth, probabilities)
    losses = np.column_stack([brier_by_row(truth, probabilities), log_loss_by_row(truth, probabilities)])

    def metrics(weights: NDArray[np.int64]) -> list[float]:
        return [float(np.mean([curve.area(weights) for curve in curves])), *(weights @ losses / len(truth))]

    auc, *means = metrics(np.ones(len(truth), dtype=np.int64))
    samples = np.array([metrics(weights) for weights in resample_rows(len(truth), resamples, rng)])
    brier, log_loss = (Metric.from_samples(mean, samples[:, 1 + i]) for i, mean in enumerate(means))
    return None if np.isnan(auc) else Metric.from_samples(auc, samples[:, 0]), brier, log_loss


def _class_results(
    labels: Sequence[str], confusion: Counts, point: HardMetrics, samples: HardMetrics
) -> tuple[ClassResult, ...]:
    def metric(value: Floats, resampled: Floats, c: int) -> Metric | None:
        return None if np.isnan(value[c]) else Metric.from_samples(value[c], resampled[:, c])

    return tuple(
        ClassResult(
            label=label,
            support=int(confusion[c].sum()),
            precision=metric(point.precision, samples.precision, c),
            recall=metric(point.recall, samples.recall, c),
            f1=metric(point.f1, samples.f1, c),
        )
        for c, label in enumerate(labels)
    )


def _slice_result(part: SliceCounts, task: Task, config: EvaluationConfig, rng: np.random.Generator) -> SliceResult:
    point, samples = task.scores(part.counts), task.scores(resample_cells(part.counts, config.resamples, rng))
    return SliceResult(
        column=part.column,
        value=part.value,
        rows=part.rows,
        enough_rows=part.rows >= config.min_slice_rows,
        accuracy=Metric.from_samples(point.accuracy, samples.accuracy),
        macro_f1=Metric.from_samples(point.primary, samples.primary),
    )


def _mistakes(
    reviews: Reviews, truth: NDArray[np.int64], predicted: NDArray[np.int64], probabilities: Probabilities
) -> tuple[Mistake, ...]:
    """The most confident wrong predictions, masked before they are cut, so that no half of a number is left."""
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")[:MOST_MISTAKES]]
    rows = reviews.frame()[worst.tolist()]
    return tuple(
        Mistake(
            id=id_,
            text=mask(text)[:MISTAKE_CHARACTERS],
            label=reviews.labels[truth[row]],
            predicted=reviews.labels[predicted[row]],
            confidence=float(confidence[row]),
        )
        for row, id_, text in zip(worst, rows["id"], rows["text"], strict=True)
    )
