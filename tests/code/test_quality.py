"""The verdict on labels that arrive later: what is a drop, what is none, and what cannot be told."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from sentiment.config.drift import QualityConfig
from sentiment.monitoring.descriptors import Vocabulary
from sentiment.monitoring.quality import QualityReport, measure_quality
from sentiment.monitoring.reference import Reference
from sentiment.pages import figures_of, page_of
from sentiment.stats.bootstrap import wilson
from sentiment.text.normalise import TextNormaliser

LABELS = ("negative", "positive")
CONFIG = QualityConfig()
START = datetime(2026, 3, 1, tzinfo=UTC)
# A little too sure of itself, as real models are: the estimate has to correct for it.
EXCESS = 0.05


def answers(rng: np.random.Generator, rows: int, accuracy: float, *, flipped: bool = False) -> pl.DataFrame:
    """Predictions of a model that is right with its confidence minus EXCESS; `accuracy` is the mean of that."""
    right_with = np.clip(rng.normal(accuracy, 0.08, rows), 0.05, 0.95)
    right = rng.random(rows) < right_with
    predicted = rng.integers(0, 2, rows)
    truth = np.where(right != flipped, predicted, 1 - predicted)
    names = np.array(LABELS)
    return pl.DataFrame(
        {
            "id": [f"{number:06}" for number in range(rows)],
            "time": pl.Series([START + timedelta(minutes=n) for n in range(rows)], dtype=pl.Datetime("us", "UTC")),
            "model_version": "1",
            "label": names[predicted],
            "confidence": right_with + EXCESS,
            "truth": names[truth],
            "origin": "endpoint",
        }
    )


def reference_of(rows: pl.DataFrame) -> Reference:
    index = {name: number for number, name in enumerate(LABELS)}
    right = (rows["label"] == rows["truth"]).cast(pl.Float64)
    return Reference(
        labels=LABELS,
        normaliser=TextNormaliser(),
        accuracy=float(right.mean()),  # type: ignore[arg-type]
        macro_f1=float(right.mean()),  # type: ignore[arg-type]
        texts=("좋아요",) * rows.height,
        predicted=tuple(index[name] for name in rows["label"]),
        confidence=tuple(rows["confidence"]),
        truth=tuple(index[name] for name in rows["truth"]),
        category=(None,) * rows.height,
        vocabulary=Vocabulary.of(["좋아요"]),
    )


@pytest.fixture(scope="module")
def reference() -> Reference:
    return reference_of(answers(np.random.default_rng(0), 2000, 0.8))


def measured(rows: pl.DataFrame, reference: Reference, **changes: object) -> QualityReport:
    return measure_quality(rows, reference, CONFIG.model_copy(update=changes), seed=1)


def labelled_only(rows: pl.DataFrame, chosen: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(truth=pl.when(chosen).then("truth"))


def test_flipped_labels_are_a_drop_in_the_first_window(reference: Reference) -> None:
    for seed in range(20):
        report = measured(answers(np.random.default_rng(seed), 1000, 0.8, flipped=True), reference)
        assert report.status == "drop", seed
        assert "Accuracy dropped" in report.summary


def test_a_fall_from_080_to_071_is_found_in_a_thousand_labels(reference: Reference) -> None:
    found = [measured(answers(np.random.default_rng(seed), 1000, 0.71), reference).status for seed in range(60)]
    assert found.count("drop") >= 57


def test_clean_windows_raise_a_false_alarm_in_at_most_one_of_a_hundred() -> None:
    # A reference of its own for each window: its accuracy is as uncertain as that of a test split of this size.
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        reference = reference_of(answers(rng, 600, 0.8))
        alarms += measured(answers(rng, 1000, 0.8), reference).status == "drop"
    assert alarms <= 3


def test_the_numbers_are_those_of_the_rows(reference: Reference) -> None:
    rows = answers(np.random.default_rng(3), 400, 0.8)
    right = int((rows["label"] == rows["truth"]).sum())
    report = measured(rows, reference)
    assert report.status == "ok"
    assert report.accuracy == wilson(right, 400)
    assert (report.rows, report.labels, report.confirmed, report.corrected) == (400, 400, right, 400 - right)
    assert report.macro_f1 is not None
    assert report.macro_f1.low < report.macro_f1.value < report.macro_f1.high
    assert measured(rows, reference) == report


def test_the_verdict_is_on_the_newest_labels_whatever_the_traffic(reference: Reference) -> None:
    rng = np.random.default_rng(4)
    before, after = answers(rng, 1500, 0.8), answers(rng, 1000, 0.8, flipped=True)
    later = after.with_columns(time=pl.col("time") + pl.duration(days=20), id="later-" + pl.col("id"))
    report = measured(pl.concat([before, later]), reference)
    assert (report.status, report.counted, report.labels) == ("drop", 1000, 2500)
    assert report.accuracy is not None
    assert report.accuracy.value == pytest.approx(0.2, abs=0.05)


def test_few_labels_give_no_verdict_and_no_accuracy(reference: Reference) -> None:
    report = measured(answers(np.random.default_rng(5), 99, 0.8, flipped=True), reference)
    assert (report.status, report.accuracy, report.counted) == ("not_enough_data", None, 99)
    assert "99 of 100" in report.summary


def test_labels_only_where_people_disagree_are_no_drop(reference: Reference) -> None:
    rows = answers(np.random.default_rng(6), 5000, 0.8)
    complaints = labelled_only(rows, pl.col("label") != pl.col("truth"))
    report = measured(complaints, reference)
    assert report.status == "not_enough_data"
    assert (report.confirmed, report.counted) == (0, 0)
    assert report.corrected > 900
    assert "people correct more often than they confirm" in report.summary
    assert "more often than they confirm" in page_of(report)


def test_labels_of_rows_drawn_at_random_count_whatever_their_coverage(reference: Reference) -> None:
    rng = np.random.default_rng(7)
    rows = answers(rng, 5000, 0.8, flipped=True).with_columns(audit=pl.Series(rng.random(5000) < 0.1))
    audited = labelled_only(rows, pl.col("audit")).with_columns(source=pl.when("audit").then(pl.lit("audit")))
    assert measured(audited, reference).status == "not_enough_data"
    report = measured(audited, reference, random_sources=("audit",))
    assert report.status == "drop"
    assert report.counted == report.labels < 700


def test_confidence_predicts_the_accuracy_until_it_means_something_else(reference: Reference) -> None:
    rng = np.random.default_rng(8)
    unlabelled = answers(rng, 3000, 0.7).with_columns(truth=pl.lit(None, pl.String))
    waiting = measured(unlabelled, reference)
    assert waiting.estimate == pytest.approx(0.7, abs=0.025)
    assert waiting.estimate_error is None
    assert "expected from the confidence: 7" in waiting.summary
    assert all(day.estimate_error is None and day.accuracy is None for day in waiting.days)
    honest = measured(answers(rng, 3000, 0.7), reference)
    assert honest.estimate_error == pytest.approx(0, abs=0.04)
    fooled = measured(answers(rng, 3000, 0.8, flipped=True), reference)
    assert fooled.estimate_error == pytest.approx(0.6, abs=0.05)


def test_every_day_and_version_has_its_line_and_only_the_champion_its_verdict(reference: Reference) -> None:
    rng = np.random.default_rng(9)
    rows = answers(rng, 1440 * 2, 0.8)
    canary = answers(rng, 30, 0.8, flipped=True).with_columns(model_version=pl.lit("2"))
    report = measure_quality(pl.concat([rows, canary]), reference, CONFIG, seed=1, model_version="1")
    assert [(day.day, day.model_version, day.rows) for day in report.days] == [
        (date(2026, 3, 1), "1", 1440),
        (date(2026, 3, 1), "2", 30),
        (date(2026, 3, 2), "1", 1440),
    ]
    assert (report.status, report.rows) == ("ok", 2880)
    other = report.days[1]
    assert other.estimate is None
    assert other.accuracy is not None
    assert other.accuracy.value < 0.5
    assert other.macro_f1 is not None


def test_traffic_that_was_counted_elsewhere_sets_coverage_and_estimate(reference: Reference) -> None:
    rows = answers(np.random.default_rng(10), 500, 0.8, flipped=True)
    counted = {"day": [date(2026, 3, 1)], "model_version": ["1"], "rows": [1000], "confidence": [0.9]}
    report = measure_quality(rows, reference, CONFIG, seed=1, model_version="1", traffic=pl.DataFrame(counted))
    assert (report.status, report.counted, report.coverage) == ("not_enough_data", 0, 0.5)
    assert report.estimate == pytest.approx(0.85, abs=0.02)


def test_labels_the_model_does_not_know_are_left_out(reference: Reference) -> None:
    rows = answers(np.random.default_rng(11), 300, 0.8)
    foreign = rows.with_columns(truth=pl.when(pl.int_range(pl.len()) < 30).then(pl.lit("neutral")).otherwise("truth"))
    assert measured(foreign, reference).labels == 270


def test_nothing_at_all_is_said(reference: Reference) -> None:
    report = measured(answers(np.random.default_rng(12), 1, 0.8).clear(), reference)
    assert (report.status, report.days, figures_of(report), report.estimate) == ("not_enough_data", (), {}, None)
    assert "Nothing was predicted" in report.summary
    assert "not enough data" in page_of(report)


def test_the_page_shows_the_days_and_survives_the_trip_through_json(reference: Reference) -> None:
    report = measured(answers(np.random.default_rng(13), 3000, 0.8), reference)
    page = page_of(report)
    assert page.count("2026-03-0") == 3
    assert "<svg " in page
    assert QualityReport.model_validate_json(report.model_dump_json()) == report


def test_whoever_labels_what_he_asks_himself_makes_no_drop_and_hides_none(reference: Reference) -> None:
    rng = np.random.default_rng(11)
    spread = [START + timedelta(days=number % 20, seconds=number) for number in range(400)]
    friends = answers(rng, 400, 0.8).with_columns(
        pl.format("f{}", "id").alias("id"),
        time=pl.Series(spread, dtype=pl.Datetime("us", "UTC")),
        source=pl.lit("api"),
        caller=pl.format("key:{}", pl.int_range(400) // 20 % 10),
    )
    attack = answers(rng, 416, 0.8, flipped=True).with_columns(source=pl.lit("api"), caller=pl.lit("open"))
    alone = measured(attack, reference, trust_keyless=False)
    assert (alone.status, alone.counted) == ("not_enough_data", 0)
    both = measured(pl.concat([friends, attack]), reference, trust_keyless=False)
    assert (both.status, both.counted) == ("ok", 400)
    named = measured(attack, reference)  # an endpoint without a key is for its own machine
    assert (named.status, named.counted) == ("drop", 416)
    worse = friends.with_columns(
        truth=pl.when(pl.col("truth") == "negative").then(pl.lit("positive")).otherwise(pl.lit("negative"))
    )
    assert measured(worse, reference).status == "drop"
