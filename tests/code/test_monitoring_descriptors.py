"""Descriptors: known texts give known numbers, and the vocabulary knows what it was shown."""

import polars as pl
import pytest

from sentiment.monitoring.data_quality import data_quality
from sentiment.monitoring.descriptors import DESCRIPTORS, MOST_CHARACTERS, Vocabulary, describe, odd_characters
from sentiment.text.normalise import TextNormaliser

NOTHING_SEEN = Vocabulary.of([])


def described(text: str, vocabulary: Vocabulary = NOTHING_SEEN) -> dict[str, object]:
    return describe(pl.Series([text]), vocabulary).row(0, named=True)


def test_shares_are_of_the_characters_that_are_not_white_space() -> None:
    row = described("재밌다 ㅋㅋㅋㅋ ok 10! 🎬")
    visible = 3 + 4 + 2 + 2 + 1 + 1
    assert row["length"] == 17
    assert row["words"] == 5
    assert row["jamo"] == pytest.approx(4 / visible)
    assert row["latin"] == pytest.approx(2 / visible)
    assert row["digits"] == pytest.approx(2 / visible)
    assert row["emoji"] == pytest.approx(1 / visible)
    assert row["punctuation"] == pytest.approx(1 / visible)
    assert row["odd"] == 0
    assert (row["laughs"], row["laughter"], row["cries"]) == (1, 2, 0)


def test_laughter_is_compared_among_those_who_laugh() -> None:
    rows = describe(pl.Series(["좋아요", "ㅋ", "ㅋㅋ 그리고 ㅋㅋㅋㅋㅋㅋㅋㅋ", "ㅠㅠ"]), NOTHING_SEEN)
    assert rows["laughter"].to_list() == [None, 0, 3, None]
    assert rows["cries"].to_list() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("정말 좋아요", "ko"),
        ("iPhone 케이스 샀어요", "ko"),
        ("ㅋㅋㅋ", "ko"),
        ("worth every penny", "en"),
        ("watched it twice, 최고", "en"),
        ("10/10 👍", "other"),
        ("", "other"),
        ("素晴らしい", "other"),
    ],
)
def test_language_follows_the_letters(text: str, language: str) -> None:
    assert described(text)["language"] == language


@pytest.mark.parametrize("text", ["\ufffd", "\x07", "é", "漢", "\ue000", "ж"])
def test_what_broken_encoding_leaves_is_odd(text: str) -> None:
    assert described(f"좋아{text}")["odd"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("emoji", ["🎬", "👍🏽", "👨\u200d👩\u200d👧", "❤\ufe0f", "★"])
def test_an_emoji_is_an_emoji_with_all_its_parts(emoji: str) -> None:
    assert described(emoji)["emoji"] == 1


def test_a_text_of_nothing_has_numbers_too() -> None:
    assert {name: described("")[name] for name in ("jamo", "odd", "unseen")} == {"jamo": 0, "odd": 0, "unseen": 0}
    assert described(" ")["jamo"] == 0


def test_every_descriptor_is_made() -> None:
    assert {each.name for each in DESCRIPTORS} == set(described("글")) - {"language"}


def test_a_long_text_is_described_by_its_beginning() -> None:
    text = "가" * MOST_CHARACTERS + "a" * 100_000
    assert (described(text)["length"], described(text)["latin"]) == (MOST_CHARACTERS, 0)


def test_broken_encodings_are_seen_in_real_sentences() -> None:
    text = "배우들의 연기가 정말 좋았어요"
    readings = [
        text.encode().decode("latin-1"),
        text.encode().decode("cp949", errors="replace"),
        text.encode("cp949").decode(errors="replace"),
    ]
    assert (odd_characters(pl.Series(readings)) >= 5).all()
    assert odd_characters(pl.Series([text])).to_list() == [0]


def test_the_vocabulary_knows_what_it_was_shown_and_little_else() -> None:
    texts = ["배우들의 연기가 정말 좋았어요", "the plot was thin"]
    vocabulary = Vocabulary.of(texts)
    again = Vocabulary.model_validate_json(vocabulary.model_dump_json())
    assert again.unseen_share([*texts, "", "콜드브루 텀블러 배송"]).tolist() == [0, 0, 0, pytest.approx(1, abs=0.1)]


def test_a_vocabulary_of_many_texts_stays_small_and_still_tells_new_from_old() -> None:
    syllables = [chr(0xAC00 + number) for number in range(11_172)]
    seen = ["".join(syllables[start : start + 40]) for start in range(0, 11_000, 11)]
    new = ["".join(reversed(text)) for text in seen]
    vocabulary = Vocabulary.of(seen)
    assert len(vocabulary.bits) < 60_000
    assert vocabulary.unseen_share(seen).mean() < 0.1
    assert vocabulary.unseen_share(new).mean() > 0.8


def test_data_quality_counts_rows_by_what_is_wrong_with_them() -> None:
    texts = ["좋아요", "좋아요", " 좋아요\u200b", "", "\u200b", "ê°\x80", "가" * 2001]
    found = data_quality(pl.Series(texts), TextNormaliser())
    assert (found.rows, found.empty, found.repeated, found.odd, found.too_long) == (7, 2, 3, 3, 1)
