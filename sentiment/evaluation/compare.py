"""Is one classifier better than another, judged on the same rows?"""

import numpy as np
from numpy.typing import NDArray

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import FEEDBACK_SOURCE, Reviews
from sentiment.evaluation.evaluate import SliceCounts, check_probabilities, slice_counts, true_codes
from sentiment.stats import Probabilities
from sentiment.stats.bootstrap import SIGNIFICANCE, Metric, resample_cells
from sentiment.stats.metrics import Counts, Floats, count_cells
from sentiment.stored import Frozen, Report
from sentiment.tasks import Task

EXACT_BELOW = 25


class McNemar(Frozen):
    """McNemar's test (1947) that two classifiers err equally often, on the rows where exactly one is right.

    Dietterich (1998, Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms) finds
    it sound for two models trained once.
    """

    candidate_only_right: int
    champion_only_right: int
    exact: bool
    p_value: float


class SliceDifference(Frozen):
    """Candidate minus champion within one slice."""

    column: str
    value: str
    rows: int
    enough_rows: bool
    accuracy: Metric
    macro_f1: Metric


class PairedComparison(Report):
    """Candidate minus champion on the same rows: differences with paired bootstrap intervals, and McNemar's test.

    The intervals have the level 1 - `significance`. `data_digest` is that of the `Reviews`. When some rows are feedback
    (`FEEDBACK_SOURCE`), `known` is the difference on the others and `feedback` on those; else both are None.
    """

    candidate: str
    champion: str
    rows: int
    labels: tuple[str, ...]
    data_digest: str
    seed: int
    resamples: int
    significance: float
    accuracy: Metric
    macro_f1: Metric
    mcnemar: McNemar
    slices: tuple[SliceDifference, ...]
    known: SliceDifference | None = None
    feedback: SliceDifference | None = None


def compare(
    candidate_probabilities: Probabilities,
    champion_probabilities: Probabilities,
    reviews: Reviews,
    config: EvaluationConfig,
    *,
    task: Task,
    candidate: str,
    champion: str,
    seed: int,
    significance: float = SIGNIFICANCE,
) -> PairedComparison:
    """Compare two classifiers by what they predicted for the same reviews.

    The paired bootstrap (Efron & Tibshirani 1993) resamples rows with both predictions; the metrics depend on the rows
    through the k x k x k table of (truth, candidate, champion) only, so its multinomial resampling is exact.

    Raises DataError and SentimentError as `evaluate` does.
    """
    truth = true_codes(reviews)
    check_probabilities(candidate_probabilities, reviews, candidate)
    check_probabilities(champion_probabilities, reviews, champion)
    rng = np.random.default_rng(seed)
    codes = (truth, task.answers(candidate_probabilities), task.answers(champion_probabilities))
    shape = (len(reviews.labels),) * 3
    joint = count_cells(shape, *codes)
    accuracy, macro_f1 = _differences(joint, task, config.resamples, significance, rng)
    candidate_right, champion_right = codes[1] == truth, codes[2] == truth
    slices = tuple(
        _slice_difference(part, task, config, significance, rng) for part in slice_counts(reviews, shape, *codes)
    )
    known, feedback = (
        _slice_difference(part, task, config, significance, rng) if part else None
        for part in _known_and_feedback(reviews, shape, *codes)
    )
    return PairedComparison(
        candidate=candidate,
        champion=champion,
        rows=len(reviews),
        labels=reviews.labels,
        data_digest=reviews.digest(),
        seed=seed,
        resamples=config.resamples,
        significance=significance,
        accuracy=accuracy,
        macro_f1=macro_f1,
        mcnemar=mcnemar(int((candidate_right & ~champion_right).sum()), int((champion_right & ~candidate_right).sum())),
        slices=slices,
        known=known,
        feedback=feedback,
    )


def mcnemar(candidate_only_right: int, champion_only_right: int) -> McNemar:
    """Two-sided test: exact binomial below 25 discordant rows, else chi-squared with Edwards' continuity correction."""
    from scipy.stats import binomtest, chi2

    discordant = candidate_only_right + champion_only_right
    exact = discordant < EXACT_BELOW
    if not discordant:
        p_value = 1.0
    elif exact:
        p_value = binomtest(candidate_only_right, discordant).pvalue
    else:
        p_value = chi2.sf(max(abs(candidate_only_right - champion_only_right) - 1, 0) ** 2 / discordant, df=1)
    return McNemar(
        candidate_only_right=candidate_only_right,
        champion_only_right=champion_only_right,
        exact=exact,
        p_value=float(p_value),
    )


def _differences(
    joint: Counts, task: Task, resamples: int, significance: float, rng: np.random.Generator
) -> tuple[Metric, Metric]:
    """Both metrics of the candidate minus the champion's, from counts by (truth, candidate, champion)."""
    points, samples = _difference(joint, task), _difference(resample_cells(joint, resamples, rng), task)
    accuracy, macro_f1 = (Metric.from_samples(*pair, significance) for pair in zip(points, samples, strict=True))
    return accuracy, macro_f1


def _difference(joint: Counts, task: Task) -> tuple[Floats, Floats]:
    candidate, champion = task.scores(joint.sum(axis=-1)), task.scores(joint.sum(axis=-2))
    return candidate.accuracy - champion.accuracy, candidate.primary - champion.primary


def _known_and_feedback(
    reviews: Reviews, shape: tuple[int, ...], *codes: NDArray[np.int64]
) -> tuple[SliceCounts | None, SliceCounts | None]:
    """The rows that are no feedback, and those that are; both None when none are, the first when all are."""
    is_feedback = (reviews.frame()["source"] == FEEDBACK_SOURCE).fill_null(False).to_numpy()
    if not is_feedback.any():
        return None, None
    known, feedback = (count_cells(shape, *(code[rows] for code in codes)) for rows in (~is_feedback, is_feedback))
    return (
        SliceCounts("rows", "known before the feedback", known) if known.any() else None,
        SliceCounts("rows", "feedback", feedback),
    )


def _slice_difference(
    part: SliceCounts, task: Task, config: EvaluationConfig, significance: float, rng: np.random.Generator
) -> SliceDifference:
    accuracy, macro_f1 = _differences(part.counts, task, config.resamples, significance, rng)
    return SliceDifference(
        column=part.column,
        value=part.value,
        rows=part.rows,
        enough_rows=part.rows >= config.min_slice_rows,
        accuracy=accuracy,
        macro_f1=macro_f1,
    )
