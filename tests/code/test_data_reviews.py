import polars as pl
import pytest

from sentiment.data.reviews import COLUMNS, Reviews, Splits, features

LABELS = ["negative", "positive"]


def frame(texts: list[str], label: int | None = 1) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"r{n}" for n in range(len(texts))], "text": texts}).with_columns(
        pl.lit(label, dtype=pl.Int64).alias("label"),
        *(pl.lit(None).alias(name) for name in COLUMNS if name not in {"id", "text", "label"}),
    )


def test_every_frame_becomes_the_one_schema() -> None:
    reviews = Reviews.from_frame(frame(["가", "나"], None), LABELS)
    assert reviews.dataset.features == features(LABELS)
    assert reviews.labels == ("negative", "positive")
    assert reviews.frame().columns == list(COLUMNS)
    assert reviews.texts == ["가", "나"]


def test_a_selection_is_followed_by_frame_and_digest() -> None:
    reviews = Reviews.from_frame(frame(["가", "나", "다"]), LABELS)
    chosen = Reviews(reviews.dataset.select([2, 0]))
    assert chosen.texts == ["다", "가"]
    assert chosen.digest() != reviews.digest()


def test_the_digest_is_of_the_rows_their_order_and_the_labels() -> None:
    digest = Reviews.from_frame(frame(["가", "나"]), LABELS).digest()
    assert Reviews.from_frame(frame(["가", "나"]), LABELS).digest() == digest
    others = [
        Reviews.from_frame(frame(["나", "가"]), LABELS),
        Reviews.from_frame(frame(["가", "나"]), ["bad", "good"]),
        Reviews.from_frame(frame(["가", "나"], None), LABELS),
        Reviews.from_frame(frame(["가", ""]), LABELS),
    ]
    assert len({digest, *(other.digest() for other in others)}) == 5


def test_the_digest_does_not_depend_on_how_rows_are_chunked() -> None:
    whole = frame([str(n) for n in range(10)])
    pieces = pl.concat([whole[:3], whole[3:]], rechunk=False)
    assert Reviews.from_frame(pieces, LABELS).digest() == Reviews.from_frame(whole, LABELS).digest()


def test_splits_are_cut_by_name_and_joined_again() -> None:
    rows = frame(["가", "나", "다"]).with_columns(split=pl.Series(["test", "train", "train"]))
    splits = Splits.from_frame(rows, LABELS)
    assert [len(reviews) for _, reviews in splits.named()] == [2, 0, 1]
    assert splits.frame()["split"].to_list() == ["train", "train", "test"]
    assert splits.labels == ("negative", "positive")


def test_a_missing_column_is_not_filled_in() -> None:
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        Reviews.from_frame(frame(["가"]).drop("rating"), LABELS)
