"""Metrics against scikit-learn and SciPy; bootstrap intervals against resampling rows and against the truth."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from sentiment.stats.bootstrap import Metric, resample_cells, resample_rows, wilson
from sentiment.stats.calibration import calibration_errors, reliability_bins
from sentiment.stats.metrics import (
    brier_by_row,
    count_cells,
    hard_metrics,
    log_loss_by_row,
    roc_curve_areas,
)
from tests.code.evaluation_factories import make_evaluation, make_reviews, predicting, random_probabilities


def _draw(rows: int, k: int, seed: int = 0, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    truth = np.random.default_rng(seed).integers(0, k, rows)
    return truth, random_probabilities(truth, k, skill, seed + 1)


@pytest.mark.parametrize("k", [2, 4])
def test_metrics_equal_scikit_learn(k: int) -> None:
    truth, probabilities = _draw(500, k)
    predicted = probabilities.argmax(axis=1)
    confusion = count_cells((k, k), truth, predicted)
    ours = hard_metrics(confusion)
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted)

    np.testing.assert_array_equal(confusion, confusion_matrix(truth, predicted))
    np.testing.assert_allclose(ours.precision, precision)
    np.testing.assert_allclose(ours.recall, recall)
    np.testing.assert_allclose(ours.f1, f1)
    assert ours.accuracy == pytest.approx(np.mean(truth == predicted))
    assert ours.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))
    auc = np.mean([curve.area(np.ones(500, dtype=int)) for curve in roc_curve_areas(truth, probabilities)])
    scores = probabilities[:, 1] if k == 2 else probabilities / probabilities.sum(axis=1, keepdims=True, dtype=float)
    assert auc == pytest.approx(roc_auc_score(truth, scores, multi_class="ovr"))
    assert log_loss_by_row(truth, probabilities).mean() == pytest.approx(log_loss(truth, probabilities), rel=1e-5)
    brier = brier_score_loss(truth, probabilities, scale_by_half=True, labels=range(k))
    assert brier_by_row(truth, probabilities).mean() == pytest.approx(brier, rel=1e-5)


def test_macro_averages_run_over_the_classes_that_occur() -> None:
    truth, predicted = np.array([0, 0, 0, 2, 2, 2]), np.array([0, 0, 1, 2, 2, 0])
    ours = hard_metrics(count_cells((3, 3), truth, predicted))
    assert np.isnan(ours.f1[1])
    assert ours.macro_f1 == pytest.approx(f1_score(truth, predicted, labels=[0, 2], average="macro"))


def test_a_class_never_predicted_has_precision_zero() -> None:
    ours = hard_metrics(count_cells((2, 2), np.array([0, 1]), np.array([0, 0])))
    np.testing.assert_array_equal(ours.precision, [0.5, 0.0])


def test_roc_area_counts_ties_half_and_weights_as_repeated_rows() -> None:
    rng = np.random.default_rng(3)
    truth, weights = rng.integers(0, 2, 60), rng.integers(0, 4, 60)
    scores = rng.integers(0, 6, 60) / 6
    (curve,) = roc_curve_areas(truth, np.column_stack([1 - scores, scores]))
    assert curve.area(np.ones(60, dtype=int)) == pytest.approx(roc_auc_score(truth, scores))
    repeated = roc_auc_score(np.repeat(truth, weights), np.repeat(scores, weights))
    assert curve.area(weights) == pytest.approx(repeated)
    assert np.isnan(curve.area(weights * truth))


def test_a_zero_probability_for_the_truth_costs_a_finite_log_loss() -> None:
    probabilities = np.array([[1, 0], [1, 0]], dtype=np.float32)
    losses = log_loss_by_row(np.array([1, 0]), probabilities)
    assert losses[0] == pytest.approx(-np.log(np.finfo(np.float32).eps))
    assert losses[1] == pytest.approx(0, abs=1e-6)


def test_cell_resampling_matches_resampling_rows() -> None:
    truth, probabilities = _draw(400, 2)
    predicted = probabilities.argmax(axis=1)
    rng = np.random.default_rng(0)
    cells = resample_cells(count_cells((2, 2), truth, predicted), 4000, rng)
    by_cells = hard_metrics(cells).macro_f1
    drawn = (rng.integers(0, 400, 400) for _ in range(2000))
    by_rows = np.array([f1_score(truth[rows], predicted[rows], average="macro") for rows in drawn])

    assert (cells.sum(axis=(1, 2)) == 400).all()
    assert by_cells.std() == pytest.approx(by_rows.std(), rel=0.07)
    np.testing.assert_allclose(np.quantile(by_cells, [0.025, 0.975]), np.quantile(by_rows, [0.025, 0.975]), atol=0.006)


def test_row_resampling_draws_as_many_rows_with_replacement() -> None:
    counts = np.array(list(resample_rows(300, 400, np.random.default_rng(0))))
    assert (counts.sum(axis=1) == 300).all()
    assert counts.var() == pytest.approx(1, rel=0.05)  # binomial(n, 1/n)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_intervals_cover_the_true_value(metric: str) -> None:
    """Over 400 data sets from a known distribution, 95% intervals hold the true value in about 95%."""
    share = np.array([[0.4, 0.1], [0.15, 0.35]])
    truth = getattr(hard_metrics((share * 10_000).astype(int)), metric)
    rng = np.random.default_rng(11)
    covered = 0
    for counts in rng.multinomial(300, share.ravel(), size=400).reshape(-1, 2, 2):
        samples = getattr(hard_metrics(resample_cells(counts, 400, rng)), metric)
        interval = Metric.from_samples(getattr(hard_metrics(counts), metric), samples)
        covered += interval.low <= truth <= interval.high
    assert 0.91 <= covered / 400 <= 0.98


def test_the_interval_of_the_roc_area_covers_the_true_value() -> None:
    """For unit-variance normals one standard deviation apart the area is Phi(1 / sqrt 2) = 0.7602."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        truth = rng.integers(0, 2, 200)
        scores = rng.normal(size=200) + truth
        (curve,) = roc_curve_areas(truth, np.column_stack([-scores, scores]))
        samples = np.array([curve.area(weights) for weights in resample_rows(200, 200, rng)])
        interval = Metric.from_samples(curve.area(np.ones(200, dtype=int)), samples)
        covered += interval.low <= 0.7602 <= interval.high
    assert 0.90 <= covered / 200 <= 0.99


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (10, 10), (7, 10), (450, 500)])
def test_wilson_equals_scipy(hits: int, rows: int) -> None:
    expected = binomtest(hits, rows).proportion_ci(method="wilson")
    ours = wilson(hits, rows)
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_calibration_error_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    probabilities = np.vstack([predicting([0] * 4, confidence=0.6), predicting([1] * 4, confidence=0.9)])
    bins = reliability_bins(truth, probabilities, 2)
    ece, by_chance = calibration_errors(bins, 200, np.random.default_rng(0))
    assert [(bin_.rows, bin_.accuracy.value) for bin_ in bins] == [(4, 0.75), (4, 1.0)]
    assert ece == pytest.approx((0.15 + 0.10) / 2, abs=1e-6)
    assert 0 < by_chance < 0.5


def test_a_constant_confidence_makes_one_bin() -> None:
    bins = reliability_bins(np.arange(100) % 2, predicting([1] * 100, confidence=0.55), 10)
    assert [bin_.rows for bin_ in bins] == [100]


def test_a_calibrated_model_shows_the_error_expected_by_chance() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(size=4000)
    truth = (rng.uniform(size=4000) < score).astype(int)
    probabilities = np.column_stack([1 - score, score]).astype(np.float32)
    ece, by_chance = calibration_errors(reliability_bins(truth, probabilities, 10), 500, rng)
    assert ece < 2 * by_chance < 0.05


def test_more_rows_give_a_narrower_interval() -> None:
    widths = []
    for rows in (200, 3200):
        truth, probabilities = _draw(rows, 2)
        metric = make_evaluation(make_reviews(truth.tolist()), probabilities).macro_f1
        widths.append(metric.high - metric.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_a_metric_refuses_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        Metric(value=float("nan"), low=0, high=1)


def test_undefined_resamples_do_not_count() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric = Metric.from_samples(0.5, np.array([np.nan, 0.4, 0.6, np.nan]))
    assert 0.4 <= metric.low < metric.high <= 0.6
