from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.config.dataset import SplitConfig
from sentiment.data.reviews import COLUMNS, Splits
from sentiment.data.split import split
from sentiment.errors import DataError
from sentiment.text.hashing import fractions

LABELS = ["negative", "positive"]


def numbered(rows: int, *, test_rows: int = 0, start: int = 0) -> Splits:
    """Alternating labels, one row a day, texts `리뷰 0`, `리뷰 1` ...; the last `test_rows` are a given test set."""
    numbers = range(start, start + rows)
    frame = pl.DataFrame(
        {
            "id": [f"r{number}" for number in numbers],
            "text": [f"리뷰 {number}" for number in numbers],
            "label": [number % 2 for number in numbers],
            "created_at": [datetime(2024, 1, 1) + timedelta(days=number) for number in numbers],
            "split": ["train"] * (rows - test_rows) + ["test"] * test_rows,
        }
    ).with_columns(*(pl.lit(None).alias(name) for name in COLUMNS if name not in {"id", "text", "label", "created_at"}))
    return Splits.from_frame(frame, LABELS)


def place(splits: Splits) -> dict[str, str]:
    return {text: name for name, reviews in splits.named() for text in reviews.texts}


def test_hash_divides_by_the_shares_and_loses_nothing() -> None:
    result = split(numbered(5000), SplitConfig(validation=0.2, test=0.1))
    sizes = {name: len(reviews) for name, reviews in result.named()}
    assert sum(sizes.values()) == 5000
    assert sizes["test"] == pytest.approx(500, abs=80)
    assert sizes["validation"] == pytest.approx(1000, abs=110)


def test_a_text_keeps_its_split_when_the_data_grows() -> None:
    before = place(split(numbered(600), SplitConfig()))
    after = place(split(numbered(1500), SplitConfig()))
    assert {text: after[text] for text in before} == before


def test_another_salt_divides_differently() -> None:
    assert place(split(numbered(600), SplitConfig())) != place(split(numbered(600), SplitConfig(salt="other")))


def test_the_hash_is_the_same_everywhere() -> None:
    assert fractions(pl.Series(["최고", "별로"]), "sentiment").to_list() == pytest.approx(
        [0.034724423690855044, 0.7956912986622287]
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=20), max_size=30))
def test_fractions_depend_on_the_text_alone(texts: list[str]) -> None:
    values = fractions(pl.Series(texts, dtype=pl.String), "salt").to_list()
    assert all(0 <= value < 1 for value in values)
    assert values == [fractions(pl.Series([text]), "salt")[0] for text in texts]


def test_time_puts_the_newest_rows_into_test() -> None:
    result = split(numbered(100), SplitConfig(method="time", validation=0.2, test=0.1))
    assert result.train.texts == [f"리뷰 {number}" for number in range(70)]
    assert result.validation.texts == [f"리뷰 {number}" for number in range(70, 90)]
    assert result.test.texts == [f"리뷰 {number}" for number in range(90, 100)]


def test_time_never_cuts_within_a_moment() -> None:
    frame = numbered(100).train.frame().with_columns(pl.col("created_at").dt.truncate("7d"), split=pl.lit("train"))
    result = split(Splits.from_frame(frame, LABELS), SplitConfig(method="time"))
    moments = [set(reviews.frame()["created_at"]) for _, reviews in result.named()]
    assert max(moments[0]) < min(moments[1]) <= max(moments[1]) < min(moments[2])


def test_time_needs_times() -> None:
    frame = numbered(100).train.frame().with_columns(split=pl.lit("train"))
    undated = frame.with_columns(created_at=pl.when(pl.col("id") != "r7").then("created_at"))
    with pytest.raises(DataError, match=r"1 row of \d+ have no created_at \(first ids r7\)"):
        split(Splits.from_frame(undated, LABELS), SplitConfig(method="time"))


@pytest.mark.parametrize("method", ["hash", "time", "given"])
def test_a_given_test_set_is_kept(method: str) -> None:
    cleaned = numbered(400, test_rows=100)
    result = split(cleaned, SplitConfig.model_validate({"method": method}))
    assert result.test.texts == cleaned.test.texts
    assert len(result.train) + len(result.validation) == 300
    assert len(result.validation) > 10


def test_given_insists_on_a_given_test_set() -> None:
    with pytest.raises(DataError, match="gives no test set"):
        split(numbered(100), SplitConfig(method="given"))


def test_a_split_without_a_class_is_refused() -> None:
    with pytest.raises(DataError, match="split has no row of the label"):
        split(numbered(4), SplitConfig())
    one_sided = (
        numbered(200)
        .train.frame()
        .sort("label")
        .with_columns(
            created_at=pl.datetime(2024, 1, 1) + pl.duration(days=pl.int_range(pl.len())), split=pl.lit("train")
        )
    )
    with pytest.raises(DataError, match=r"validation split has no row of the label negative: the file has "):
        split(Splits.from_frame(one_sided, LABELS), SplitConfig(method="time"))


def test_shares_must_leave_rows_to_train_on() -> None:
    with pytest.raises(ValueError, match="leave no rows for train"):
        SplitConfig(validation=0.6, test=0.4)
