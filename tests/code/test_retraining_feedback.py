"""Labels from users: what is kept out and under which reason, and where the rest goes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from sentiment.config.dataset import SplitConfig
from sentiment.config.retrain import FeedbackConfig
from sentiment.data.clean import clean
from sentiment.data.reviews import Splits
from sentiment.data.split import split
from sentiment.pages import page_of
from sentiment.retraining.feedback import (
    REASONS,
    FeedbackReport,
    add_feedback,
    check_feedback,
    known_texts,
    to_splits,
)
from sentiment.store.feedback import SCHEMA
from sentiment.text.normalise import TextNormaliser
from tests.code.evaluation_factories import LABELS, make_reviews

START = datetime(2026, 1, 5, tzinfo=UTC)
CONFIG = FeedbackConfig(random_sources=("panel",))  # whose labels are trusted, not exempt
SPLIT = SplitConfig(validation=0.15, test=0.2)
NORMALISER = TextNormaliser()


def rows(count: int, *, first: int = 0, **changes: Any) -> pl.DataFrame:
    """`count` labels a minute apart, each on a text and a prediction of its own, confirming a confident "positive"."""
    numbers = range(first, first + count)
    values: dict[str, Any] = {
        "id": [f"f{number}" for number in numbers],
        "prediction_id": [f"p{number}" for number in numbers],
        "time": [START + timedelta(minutes=number) for number in numbers],
        "label": "positive",
        "caller": None,
        "source": "panel",
        "text": [f"리뷰 {number}" for number in numbers],
        "predicted": "positive",
        "confidence": 0.9,
        "predicted_at": START,
        "category": None,
        "language": None,
        "coverage": 1.0,
        **changes,
    }
    columns = {name: value if isinstance(value, list) else [value] * count for name, value in values.items()}
    return pl.DataFrame(columns, schema=SCHEMA)


def check(frame: pl.DataFrame, config: FeedbackConfig = CONFIG, **options: Any) -> tuple[pl.DataFrame, FeedbackReport]:
    accepted, report = check_feedback(
        frame, config, labels=LABELS, normaliser=NORMALISER, split=options.pop("split", SPLIT), **options
    )
    assert report.rows == len(frame) == report.accepted + sum(report.quarantined.values())
    assert len(accepted) == report.accepted
    return accepted, report


def callers(wrong: dict[str | None, int], count: int = 40) -> pl.DataFrame:
    """Labels of callers, the first so many of each contradicting the prediction."""
    return pl.concat(
        rows(
            count,
            first=place * count,
            caller=caller,
            time=START,
            label=["negative"] * against + ["positive"] * (count - against),
        )
        for place, (caller, against) in enumerate(wrong.items())
    )


def test_good_labels_pass() -> None:
    accepted, report = check(rows(20))
    assert report.quarantined == {}
    assert report.labels == {"negative": 0, "positive": 20}
    assert report.corrected == 0
    assert accepted["text"].to_list() == [f"리뷰 {number}" for number in range(20)]


def test_no_labels_are_no_error() -> None:
    accepted, report = check(rows(0))
    assert (len(accepted), report.rows, report.since, report.callers) == (0, 0, None, ())
    assert "0 of 0" in page_of(report)
    assert len(to_splits(accepted, LABELS).train) == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": None, "predicted": None, "confidence": None}, "unknown_prediction"),
        ({"label": "neutral"}, "unknown_label"),
        ({"text": "\u200b <br> "}, "empty"),
    ],
)
def test_rows_that_teach_nothing_are_quarantined(change: dict[str, Any], reason: str) -> None:
    accepted, report = check(pl.concat([rows(3), rows(1, first=3, **change)]))
    assert report.quarantined == {reason: 1}
    assert len(accepted) == 3


def test_a_caller_may_change_the_label() -> None:
    accepted, report = check(rows(3, prediction_id="p", text="한 리뷰", caller="a", label=[*LABELS, "negative"]))
    assert report.quarantined == {"superseded": 2}
    assert accepted["label"].to_list() == ["negative"]


def test_callers_who_disagree_on_a_prediction_are_a_conflict() -> None:
    frame = rows(2, prediction_id="p", text="한 리뷰", caller=["a", "b"], label=list(LABELS))
    accepted, report = check(pl.concat([frame, rows(2, first=2)]))
    assert report.quarantined == {"conflict": 2}
    assert accepted["prediction_id"].to_list() == ["p2", "p3"]


def test_the_same_text_in_other_spelling_is_a_conflict_or_a_duplicate() -> None:
    same = ["좋아요ㅋㅋㅋㅋㅋ", "좋아요ㅋㅋㅋ", " 좋아요ㅋㅋㅋㅋ "]
    accepted, report = check(rows(3, text=same))
    assert report.quarantined == {"duplicate": 2}
    assert accepted["id"].to_list() == ["f0"]
    assert check(rows(3, text=same, label=["positive", "positive", "negative"]))[1].quarantined == {"conflict": 3}


def test_a_flood_from_one_caller_stays_out_and_the_other_days_of_the_caller_do_not() -> None:
    config = CONFIG.model_copy(update={"max_caller_rows": 50})
    flood = rows(51, caller="a", time=START)
    later = rows(20, first=51, caller="a", time=START + timedelta(days=1))
    accepted, report = check(pl.concat([flood, later]), config)
    assert report.quarantined == {"flood": 51}
    assert len(accepted) == 20
    assert check(flood.with_columns(caller=pl.lit(None, pl.String)), config)[1].quarantined == {"flood": 51}
    trusted = config.model_copy(update={"trusted_callers": ("a",)})
    assert check(flood, trusted)[1].quarantined == {}


def test_a_share_is_a_flood_only_among_several_callers_with_a_key() -> None:
    many, few = rows(60, caller="a", time=START), rows(10, first=60, caller="b", time=START)
    third = rows(10, first=70, caller="c", time=START)
    assert check(pl.concat([many, few]))[1].quarantined == {}
    assert check(pl.concat([many, few, third]))[1].quarantined == {"flood": 60}
    assert check(pl.concat([many.with_columns(caller=pl.lit(None, pl.String)), few, third]))[1].quarantined == {}


def test_a_flood_cannot_make_conflicts() -> None:
    config = CONFIG.model_copy(update={"max_caller_rows": 50})
    honest = rows(40)
    attack = rows(51, first=100, caller="a", time=START, label="negative", text=[f"리뷰 {i}" for i in range(51)])
    accepted, report = check(pl.concat([honest, attack]), config)
    assert report.quarantined == {"flood": 51}
    assert len(accepted) == 40


def test_a_caller_who_flips_labels_stays_out() -> None:
    frame = callers({"flipper": 36, "a": 4, "b": 6, "c": 5})
    accepted, report = check(frame)
    assert report.quarantined == {"label_flip": 40}
    assert "flipper" not in accepted["caller"].to_list()
    counted = next(each for each in report.callers if each.caller == "flipper")
    assert (counted.confident, counted.contradicted, counted.accepted) == (40, 36, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"a": 18, "b": 20, "c": 22},  # all see a drop: that is drift, not a flip
        {"a": 14, "b": 4, "c": 5},  # more than the others, but the interval does not exclude chance
        {"a": 20},  # alone, and no more than half
    ],
)
def test_honest_callers_stay_in(wrong: dict[str | None, int]) -> None:
    assert check(callers(wrong))[1].quarantined == {}


def test_a_flipper_needs_confident_predictions_and_enough_rows() -> None:
    assert check(callers({"a": 29}, count=29))[1].quarantined == {}
    assert check(callers({"a": 40}).with_columns(confidence=pl.lit(0.6)))[1].quarantined == {}
    assert check(callers({"a": 40}))[1].quarantined == {"label_flip": 40}
    assert check(callers({None: 40}))[1].quarantined == {"label_flip": 40}
    trusting = CONFIG.model_copy(update={"trusted_callers": ("a",)})
    assert check(callers({"a": 40}), trusting)[1].quarantined == {}


def test_two_flippers_do_not_hide_behind_each_other() -> None:
    wrong = {"x": 38, "y": 38, "a": 3, "b": 2, "c": 4}
    assert check(callers(wrong))[1].quarantined == {"label_flip": 80}


def test_honest_callers_are_rarely_taken_for_flippers() -> None:
    rng = np.random.default_rng(7)
    taken = 0
    for _ in range(60):
        wrong: dict[str | None, int] = {str(place): int(rng.binomial(40, 0.2)) for place in range(5)}
        taken += check(callers(wrong))[1].quarantined.get("label_flip", 0) // 40
    assert taken <= 3  # of 300


def test_feedback_on_known_texts_changes_nothing() -> None:
    base = pl.Series(["전화 010-1234-5678 주세요", "좋아요ㅋㅋㅋ"])
    frame = rows(3, text=["전화 [PHONE] 주세요", "좋아요ㅋㅋㅋㅋㅋ", "새 리뷰"], label="negative")
    accepted, report = check(frame, known=known_texts(base, NORMALISER))
    assert report.quarantined == {"known_text": 2}
    assert accepted["text"].to_list() == ["새 리뷰"]


def test_the_normaliser_keeps_the_tokens_of_masking() -> None:
    masked = "[PHONE] [EMAIL] [CARD] [RRN] 문의"
    assert check(rows(1, text=masked))[0]["text"].to_list() == [masked]


@pytest.mark.parametrize("method", ["hash", "time", "given"])
def test_new_rows_are_split_by_the_hash_of_their_text_whatever_the_method(method: Any) -> None:
    accepted, report = check(rows(500), split=SplitConfig(method=method, validation=0.15, test=0.2))
    assert report.splits == {name: int((accepted["split"] == name).sum()) for name in ("train", "validation", "test")}
    assert 70 < report.splits["test"] < 130
    known = make_reviews([0, 1] * 250, text=accepted["text"].to_list())
    nothing = make_reviews([])
    cleaned, _ = clean(Splits(known, nothing, nothing), NORMALISER)
    alone = split(cleaned, SPLIT)
    for name, part in alone.named():
        assert set(part.texts) == set(accepted.filter(pl.col("split") == name)["text"])


def test_more_feedback_moves_no_row_to_another_split() -> None:
    before, after = check(rows(200))[0], check(rows(400))[0]
    places = dict(after.select("text", "split").iter_rows())
    assert all(places[text] == place for text, place in before.select("text", "split").iter_rows())


def test_labels_that_are_no_fair_sample_are_not_tested_on() -> None:
    complete = check(rows(300))[0]
    api = FeedbackConfig(trusted_callers=("app",))
    accepted, report = check(rows(300, coverage=0.05, source="api", caller="app"), api)
    assert report.quarantined == {"biased_test": complete.filter(pl.col("split") != "train").height}
    assert set(accepted["split"]) == {"train"}
    assert check(rows(300, coverage=0.05))[1].quarantined == {}
    free = api.model_copy(update={"min_coverage": 0.0})
    assert check(rows(300, coverage=0.05, source="api", caller="app"), free)[1].quarantined == {}


def customers(count: int, labels: int, days: int, **changes: Any) -> pl.DataFrame:
    """Labels through the endpoint of `count` callers with the API key, each on its days one after the other."""
    total = count * labels
    return rows(
        total,
        **{
            "source": "api",
            "caller": [f"key:{number % count}" for number in range(total)],
            "time": [START + timedelta(days=number // count % days) for number in range(total)],
            **changes,
        },
    )


ENDPOINT = FeedbackConfig(trust_keyless=False)


@pytest.mark.parametrize("caller", [None, "open", "0123456789abcdef", "key:0"])
def test_a_first_day_teaches_nothing_whoever_sends_it(caller: str | None) -> None:
    accepted, report = check(rows(100, source="api", caller=caller, time=START), ENDPOINT)
    assert report.quarantined == {"untrusted": 100}
    assert accepted.is_empty()


def test_an_endpoint_without_a_key_is_for_its_own_machine_unless_the_config_says_otherwise() -> None:
    accepted, report = check(rows(100, source="api", caller="open", time=START), FeedbackConfig())
    assert (len(accepted), report.quarantined) == (100, {})


def test_trust_is_earned_by_age_and_agreement_and_covers_what_came_before() -> None:
    assert check(customers(5, 20, 20), ENDPOINT)[1].quarantined == {}
    assert check(customers(5, 20, 10), ENDPOINT)[1].quarantined == {"untrusted": 100}
    assert check(customers(5, 20, 20, caller="open"), ENDPOINT)[1].quarantined == {"untrusted": 100}
    two_days = [START + timedelta(days=number // 5 % 2 * 30) for number in range(100)]
    assert check(customers(5, 20, 20, time=two_days), ENDPOINT)[1].quarantined == {"untrusted": 100}


def test_who_contradicts_earns_no_trust_and_many_with_few_labels_are_tested_together() -> None:
    frame = customers(5, 20, 20, label=["negative"] * 75 + ["positive"] * 25)
    assert check(frame, ENDPOINT)[1].quarantined == {"pool_flip": 100}
    assert check(customers(200, 2, 1, label="negative"), ENDPOINT)[1].quarantined == {"pool_flip": 400}


def test_callers_without_trust_add_their_share_to_training_and_take_no_row_away() -> None:
    honest = customers(5, 40, 20)
    copies = rows(
        50, source="api", caller=[f"open{number % 9}" for number in range(50)], label="negative", confidence=0.5
    )
    copies = copies.with_columns(
        pl.format("x{}", "id").alias("id"), pl.format("x{}", "prediction_id").alias("prediction_id")
    )
    others = rows(50, first=1000, source="api", caller=[f"open{number % 9}" for number in range(50)], time=START)
    some = ENDPOINT.model_copy(update={"max_untrusted_share": 0.1})
    accepted, report = check(pl.concat([honest, copies]), ENDPOINT)
    assert (len(accepted), report.quarantined) == (200, {"pool_flip": 50})
    accepted, report = check(pl.concat([honest, others]), some)
    added = accepted.filter(pl.col("caller").str.starts_with("open"))
    assert (len(accepted), report.quarantined) == (220, {"untrusted": 30})
    assert set(added["split"]) == {"train"}
    accepted, report = check(pl.concat([honest, copies]), some)
    assert set(accepted["caller"]) == set(honest["caller"])


def test_a_caller_with_most_of_a_day_decides_nothing_that_is_tested() -> None:
    alone = check(customers(1, 300, 20), ENDPOINT)[1]
    assert set(alone.quarantined) == {"biased_test"}
    assert check(customers(1, 300, 20, source="job", caller=None), ENDPOINT)[1].quarantined == {}
    assert check(customers(1, 300, 20), FeedbackConfig(trusted_callers=("key:*",)))[1].quarantined == {}


def test_his_own_predictions_are_no_coverage() -> None:
    honest = customers(5, 40, 20, coverage=1.0, predicted_at=START)
    hostile = rows(800, first=1000, source="api", caller="open", predicted_at=START, time=START)
    filled = pl.concat([honest.with_columns(coverage=pl.lit(0.9)), hostile.with_columns(coverage=pl.lit(0.9))])
    # 1,111 predictions were made, 800 of them by him: 200 labels of 311 are no fair sample.
    assert check(filled, ENDPOINT)[1].quarantined.keys() == {"flood", "biased_test"}
    exact = pl.concat([honest, hostile])
    assert check(exact, ENDPOINT)[1].quarantined == {"flood": 800}


def test_a_word_that_is_hardly_known_is_not_turned_by_a_few() -> None:
    known = pl.Series([f"옛 리뷰 {number}" for number in range(400)])
    honest = customers(5, 60, 20)
    flips = customers(5, 2, 20, first=1000, label="negative", text=[f"제트폰 {number} 만족" for number in range(10)])
    blame = {"label": "negative", "predicted": "negative"}
    clean = customers(5, 8, 20, first=1000, text=[f"제트폰 {number}호" for number in range(40)], **blame)
    assert check(pl.concat([honest, flips]), ENDPOINT, known=known)[1].quarantined == {"topic_flip": 10}
    assert check(pl.concat([honest, clean]), ENDPOINT, known=known)[1].quarantined == {"topic_one_sided": 40}
    phones = pl.concat([known, pl.Series([f"제트폰 {number}번" for number in range(60)])])
    assert check(pl.concat([honest, clean]), ENDPOINT, known=phones)[1].quarantined == {}


def test_feedback_joins_the_reviews_and_leaves_them_where_they_are() -> None:
    base = make_reviews([0, 1] * 150, text=[f"옛 리뷰 {i}" for i in range(300)])
    nothing = make_reviews([])
    before = split(clean(Splits(base, nothing, nothing), NORMALISER)[0], SPLIT)
    frame = rows(200, category=["배달", None] * 100, label=["negative", "positive"] * 100)
    feedback = to_splits(check(frame)[0], LABELS)
    after = add_feedback(before, feedback)
    for (name, old), (_, new), (_, both) in zip(before.named(), feedback.named(), after.named(), strict=True):
        assert both.texts == old.texts + new.texts, name
    added = after.frame().filter(pl.col("source") == "feedback")
    assert len(added) == 200
    assert set(added["category"]) == {"배달", "feedback"}
    assert set(added["language"]) == {"ko"}
    assert added["label"].null_count() == 0
    assert added["created_at"].dtype == pl.Datetime("us")
    assert added["id"].n_unique() == 200


def test_the_page_explains_every_reason_and_masks_texts() -> None:
    text = "연락처 010-9876-5432"
    _, report = check(pl.concat([rows(1, text=text, label="<b>other"), rows(5, first=1)]))
    page = page_of(report)
    assert REASONS["unknown_label"] in page
    assert "5432" not in page
    assert "<b>other" not in page
    assert FeedbackReport.model_validate_json(report.model_dump_json()) == report
