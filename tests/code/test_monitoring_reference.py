"""The reference: held-out rows only, masked, small, the same after storing."""

import numpy as np
import polars as pl
import pytest

from sentiment.data.reviews import Reviews, Splits
from sentiment.errors import DataError
from sentiment.monitoring.descriptors import MOST_CHARACTERS
from sentiment.monitoring.reference import Reference, as_read
from sentiment.pages import page_of
from tests.code.evaluation_factories import LABELS, Scripted, make_reviews
from tests.code.monitoring_worlds import World, make_world


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def scripted(texts: list[str], **columns: list[str | None]) -> tuple[Scripted, Splits]:
    """All rows are test rows; the first label, and more confidence the later a text."""
    confidence = np.linspace(0.6, 0.9, len(texts), dtype=np.float32)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    reviews = make_reviews([0] * len(texts), text=texts, **columns)
    nothing = Reviews.from_frame(reviews.frame().clear(), LABELS)
    return Scripted(LABELS, texts, probabilities), Splits(make_reviews([0, 1]), nothing, reviews)


def build(classifier: Scripted, splits: Splits) -> Reference:
    return Reference.build(classifier, splits, 0, accuracy=0.8, macro_f1=0.79)


def test_it_holds_the_held_out_rows_with_the_models_own_answers(world: World) -> None:
    held_out = pl.concat([world.splits.validation.frame(), world.splits.test.frame()])
    frame = world.reference.frame()
    assert frame.columns == ["text", "label", "confidence", "truth", "category"]
    assert frame.height == held_out.height
    assert not set(frame["text"]) & set(world.splits.train.texts)
    unmasked = frame.filter(pl.col("text").is_in(held_out["text"].implode()))
    probabilities = world.classifier.predict_proba(unmasked["text"].to_list())
    assert unmasked["confidence"].to_list() == pytest.approx(probabilities.max(axis=1).tolist(), abs=1e-3)
    assert unmasked["label"].to_list() == [world.reference.labels[index] for index in probabilities.argmax(axis=1)]
    truth = held_out.select("text", was=pl.col("label").replace_strict(dict(enumerate(world.reference.labels))))
    joined = frame.join(truth, on="text")
    assert joined.height > 0.9 * frame.height
    assert (joined["truth"] == joined["was"]).all()


def test_stored_and_read_back_it_is_the_same(world: World) -> None:
    assert Reference.model_validate_json(world.reference.model_dump_json(indent=2)) == world.reference


def test_it_masks_what_people_wrote_and_the_page_has_no_text_at_all() -> None:
    texts = ["전화 주세요 010-1234-5678", "메일은 kim@example.com 입니다", "그냥 좋아요"]
    reference = build(*scripted(texts))
    assert sorted(reference.texts) == ["그냥 좋아요", "메일은 [EMAIL] 입니다", "전화 주세요 [PHONE]"]
    assert "좋아요" not in page_of(reference)


def test_the_model_answers_the_text_as_it_was_and_each_text_counts_once() -> None:
    texts = ["전화 010-1234-5678", "좋아요", "좋아요 ", "별로"]
    reference = build(*scripted(texts))
    assert dict(zip(reference.texts, reference.confidence, strict=True)) == pytest.approx(
        {"전화 [PHONE]": 0.6, "좋아요": 0.7, "별로": 0.9}, abs=1e-3
    )


@pytest.mark.parametrize("length", [60, 140, 5000])
def test_it_stays_under_a_megabyte(length: int) -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, rng.integers(0xAC00, 0xD7A3, length))) for _ in range(2100)]
    reference = build(*scripted(texts, category=["아주 긴 이름의 상품 분류"] * len(texts)))
    assert len(reference.model_dump_json(indent=2).encode()) < 1_000_000
    assert len(reference.texts) == {60: 2000, 140: 1666, 5000: 116}[length]
    assert max(map(len, reference.texts)) == min(length, MOST_CHARACTERS)


def test_no_held_out_row_is_an_error() -> None:
    classifier, splits = scripted(["좋아요"])
    with pytest.raises(DataError, match="no labelled validation or test rows"):
        build(classifier, Splits(splits.train, splits.validation, splits.validation))


def test_texts_are_as_they_were_read_where_their_id_says_which() -> None:
    cleaned = make_reviews([0, 1, 1], text=["웃겨 ㅋㅋㅋ", "좋아요", "별로"], id=["a", "b", "c"])
    raw = make_reviews(
        [0, 1, 1, 1], text=["웃겨  ㅋㅋㅋㅋㅋㅋ", "<b>좋아요</b>", "별로!", "별로?"], id=["a", "b", "c", "c"]
    )
    nothing = Reviews.from_frame(cleaned.frame().clear(), LABELS)
    restored = as_read(Splits(nothing, nothing, cleaned), Splits(raw, nothing, nothing))
    assert restored.test.texts == ["웃겨  ㅋㅋㅋㅋㅋㅋ", "<b>좋아요</b>", "별로"]
    assert restored.test.frame().drop("text").equals(cleaned.frame().drop("text"))
    assert len(restored.train) == 0
