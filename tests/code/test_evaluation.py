"""`evaluate` on reviews: what it reports, what it refuses, how it is shown."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from sentiment.config.evaluation import GateConfig
from sentiment.data.reviews import Reviews
from sentiment.errors import DataError, SentimentError
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.evaluation import Evaluation
from sentiment.pages import figures_of, page_of
from tests.code.evaluation_factories import (
    LABELS,
    QUICK,
    Scripted,
    make_evaluation,
    make_reviews,
    predicting,
    random_probabilities,
)

TRUTH = np.arange(120) % 2


@pytest.fixture(scope="module")
def reviews() -> Reviews:
    languages = ["ko"] * 80 + ["en"] * 40
    categories = ["영화"] * 60 + ["식품"] * 50 + ["책"] * 6 + [None] * 4
    texts = [f"{'가' * (5 + row)} {row}" for row in range(120)]
    return make_reviews(TRUTH.tolist(), language=languages, category=categories, text=texts)


@pytest.fixture(scope="module")
def evaluation(reviews: Reviews) -> Evaluation:
    return make_evaluation(reviews, random_probabilities(TRUTH, 2, 1.5, 0))


def test_it_reports_every_part(reviews: Reviews, evaluation: Evaluation) -> None:
    assert (evaluation.rows, evaluation.labels, evaluation.kind) == (120, LABELS, "scripted")
    assert evaluation.data_digest == reviews.digest()
    assert sum(map(sum, evaluation.confusion)) == 120
    assert [result.support for result in evaluation.classes] == [60, 60]
    for metric in (evaluation.accuracy, evaluation.precision, evaluation.recall, evaluation.macro_f1, evaluation.auc):
        assert metric is not None
        assert 0 < metric.low < metric.value < metric.high <= 1
    assert evaluation.performance.size_bytes > 1234  # the weights, and who they are
    assert 0 < evaluation.performance.latency_p50_ms <= evaluation.performance.latency_p95_ms
    assert sum(bin_.rows for bin_ in evaluation.calibration.bins) == 120


def test_slices_are_counted_ordered_and_flagged(evaluation: Evaluation) -> None:
    rows = {part.title: (part.rows, part.enough_rows) for part in evaluation.slices}
    assert rows == {
        "language: ko": (80, True),
        "language: en": (40, False),
        "category: 영화": (60, True),
        "category: 식품": (50, True),
        "category: 책": (6, False),
        "length: 1–19 characters": (12, False),
        "length: 20–49 characters": (30, False),
        "length: 50–99 characters": (50, True),
        "length: 100 or more characters": (28, False),
    }
    assert list(rows)[:2] == ["language: ko", "language: en"]


def test_the_worst_slice_is_one_with_enough_rows(reviews: Reviews) -> None:
    predicted = TRUTH.copy()
    predicted[110:116] = 1 - predicted[110:116]  # all of the six books
    predicted[60:70] = 1 - predicted[60:70]
    worst = make_evaluation(reviews, predicting(predicted)).worst_slice
    assert worst is not None
    assert worst.title == "category: 식품"


def test_rare_categories_are_one_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentiment.evaluation.evaluate.MOST_SLICES", 2)
    categories = ["a"] * 10 + ["b"] * 9 + ["c"] * 2 + ["d"]
    truth = [row % 2 for row in range(22)]
    evaluation = make_evaluation(make_reviews(truth, category=categories), predicting(truth))
    parts = [(part.value, part.rows) for part in evaluation.slices if part.column == "category"]
    assert parts == [("a", 10), ("b", 9), ("(other)", 3)]


def test_reviews_without_language_and_category_have_length_slices_only() -> None:
    nothing = [None] * 4
    evaluation = make_evaluation(
        make_reviews([0, 1, 0, 1], language=nothing, category=nothing), predicting([0, 1, 1, 1])
    )
    assert [part.column for part in evaluation.slices] == ["length"]


def test_a_slice_with_one_label_is_not_punished_for_the_other() -> None:
    truth = [1] * 50 + [0, 1] * 30
    predicted = [0, *truth[1:]]
    categories = ["호평"] * 50 + ["섞임"] * 60
    evaluation = make_evaluation(make_reviews(truth, category=categories), predicting(predicted))
    praise = next(part for part in evaluation.slices if part.value == "호평")
    assert praise.macro_f1.value == pytest.approx(2 * 49 / (49 + 50))


def test_a_test_set_with_one_label_has_no_auc() -> None:
    evaluation = make_evaluation(make_reviews([1] * 60), predicting([1] * 50 + [0] * 10))
    assert evaluation.auc is None
    assert evaluation.classes[0].f1 is None
    assert evaluation.accuracy.value == pytest.approx(50 / 60)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation
    assert "ROC AUC" in page_of(evaluation)


def test_four_labels() -> None:
    truth = np.arange(200) % 4
    reviews = make_reviews(truth.tolist(), labels=("기쁨", "분노", "슬픔", "중립"))
    evaluation = make_evaluation(reviews, random_probabilities(truth, 4, 2.0, 0))
    assert evaluation.auc is not None
    assert evaluation.auc.value > 0.8
    assert len(evaluation.confusion) == 4


def test_same_seed_same_result(reviews: Reviews, evaluation: Evaluation) -> None:
    again = make_evaluation(reviews, random_probabilities(TRUTH, 2, 1.5, 0))
    assert again.model_dump(exclude={"performance"}) == evaluation.model_dump(exclude={"performance"})


def test_given_probabilities_are_used_instead_of_scoring(reviews: Reviews) -> None:
    classifier = Scripted(LABELS, reviews.texts, predicting(1 - TRUTH))
    evaluation = evaluate(classifier, reviews, QUICK, name="given", seed=0, probabilities=predicting(TRUTH))
    assert evaluation.accuracy.value == 1


def test_mistakes_are_the_most_confident_and_masked() -> None:
    texts = ["좋아요", "문의 hong@example.com 010-1234-5678", "별로", "a" * 500]
    probabilities = np.array([[0.1, 0.9], [0.02, 0.98], [0.8, 0.2], [0.4, 0.6]], dtype=np.float32)
    evaluation = make_evaluation(make_reviews([1, 0, 0, 0], text=texts), probabilities)
    assert [(m.id, m.label, m.predicted) for m in evaluation.mistakes] == [
        ("r1", "negative", "positive"),
        ("r3", "negative", "positive"),
    ]
    assert evaluation.mistakes[0].confidence == pytest.approx(0.98)
    assert len(evaluation.mistakes[1].text) == 200
    for shown in (evaluation.model_dump_json(), page_of(evaluation)):
        assert "hong@example.com" not in shown
        assert "1234-5678" not in shown


def test_a_number_at_the_cut_is_masked_whole() -> None:
    text = "가" * 192 + " 010-1234-5678"
    evaluation = make_evaluation(make_reviews([0, 1], text=[text, "좋다"]), predicting([1, 1]))
    assert "010" not in evaluation.mistakes[0].text


def test_html_escapes_what_reviews_say() -> None:
    hostile = "<script>alert('x')</script>"
    reviews = make_reviews([0, 1], labels=("<b>no", "yes"), text=[hostile, "ok"], category=["<img src=x>", "b"])
    page = page_of(make_evaluation(reviews, predicting([1, 1]), name="<i>model"))
    for markup in ("<script", "<img src=x", "<b>no", "<i>model"):
        assert markup not in page
    assert "&lt;script&gt;" in page


def test_json_round_trip(evaluation: Evaluation) -> None:
    text = evaluation.model_dump_json()
    assert Evaluation.model_validate_json(text) == evaluation
    assert "NaN" not in text
    assert json.loads(text)["macro_f1"].keys() == {"value", "low", "high"}


def test_the_page_shows_the_numbers_and_the_pictures(evaluation: Evaluation) -> None:
    page = page_of(evaluation)
    assert f"{evaluation.macro_f1.value:.3f}" in page
    assert '<details><summary><span lang="en">Too few rows to be judged: ' in page
    assert page.count("<svg ") == len(figures_of(evaluation)) == 3


@pytest.mark.parametrize(
    ("truth", "message"), [([], "no rows"), ([0, None, 1], "1 of 3 rows"), ([None, None], "2 of 2 rows")]
)
def test_rows_without_a_label_are_refused(truth: list[int | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_evaluation(make_reviews(truth), predicting([0] * len(truth)))


def test_other_labels_are_refused() -> None:
    reviews = make_reviews([0, 1])
    classifier = Scripted(("bad", "good"), reviews.texts, predicting([0, 1]))
    with pytest.raises(DataError, match="negative, positive, but m knows bad, good"):
        evaluate(classifier, reviews, QUICK, name="m", seed=0)


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        ([[0.5, 0.5]], "shape"),
        ([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], "shape"),
        ([[0.5, 0.5], [np.nan, 0.5]], "1 of 2 texts"),
        ([[3.0, -2.0], [0.5, 0.5]], "1 of 2 texts"),
        ([[0.5, 0.5], [0.5, 0.6]], "1 of 2 texts"),
    ],
)
def test_outputs_that_are_no_probabilities_are_refused(probabilities: list[list[float]], message: str) -> None:
    reviews = make_reviews([0, 1])
    classifier = Scripted(LABELS, reviews.texts, predicting([0, 1]))
    given = np.array(probabilities, dtype=np.float32)
    with pytest.raises(SentimentError, match=message):
        evaluate(classifier, reviews, QUICK, name="m", seed=0, probabilities=given)


def test_unknown_gate_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="registerthreshold"):
        GateConfig.model_validate({"registerthreshold": 0.9})
