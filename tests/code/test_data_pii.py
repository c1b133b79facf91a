import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.text import pii


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("문의 a.b+c@naver.co.kr로", "문의 [EMAIL]로"),
        ("010-1234-5678", "[PHONE]"),
        ("01012345678입니다", "[PHONE]입니다"),
        ("010.1234.5678 / 010 1234 5678", "[PHONE] / [PHONE]"),
        ("011-123-4567", "[PHONE]"),
        ("02-123-4567", "[PHONE]"),
        ("(02) 123-4567", "[PHONE]"),
        ("031-1234-5678", "[PHONE]"),
        ("070-1234-5678", "[PHONE]"),
        ("+82 10 1234 5678", "[PHONE]"),
        ("+82-10-1234-5678, +821012345678", "[PHONE], [PHONE]"),
        ("1588-1234로 전화", "[PHONE]로 전화"),
        ("900101-1234567", "[RRN]"),
        ("9001011234567", "[RRN]"),
        ("900101 - 8234567", "[RRN]"),
        ("4111 1111 1111 1111", "[CARD]"),
        ("4111-1111-1111-1111.", "[CARD]."),
        ("5555555555554444", "[CARD]"),
        ("378282246310005", "[CARD]"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert pii.mask(text) == masked
    assert pii.mask_series(pl.Series([text])).to_list() == [masked]


@pytest.mark.parametrize(
    "text",
    [
        "1,234,000원",
        "10000000원",
        "2024-01-01 12:34",
        "2014.05.06",
        "주문번호 20240101123456",
        "주문 2024010112345678",
        "4111-1111-1111-1112",
        "1592-1598년 전쟁",
        "1588-1598년",
        "900132-1234567",
        "900101-9234567",
        "별점 10점 만점에 9.5",
        "0.12345678",
        "@멘션 a@b",
        "007 시리즈",
        "12345-010-1234-5678-99",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert pii.mask(text) == text


@given(st.lists(st.text(alphabet="0123456789-. @ab.com+()한", max_size=30), max_size=5))
def test_a_column_and_single_texts_give_the_same(texts: list[str]) -> None:
    assert pii.mask_series(pl.Series(texts, dtype=pl.String)).to_list() == [pii.mask(text) for text in texts]


@given(st.integers(0, 9999), st.integers(0, 9999), st.sampled_from(["-", " ", ".", ""]))
def test_every_mobile_number_is_masked(first: int, second: int, separator: str) -> None:
    number = f"010{separator}{first:04}{separator}{second:04}"
    assert pii.mask(f"전화 {number} 주세요") == "전화 [PHONE] 주세요"


EXAMPLES = [line.split("\t") for line in Path(__file__).with_name("personal_data.tsv").read_text("utf-8").splitlines()]


def test_written_examples_are_masked_and_what_only_looks_like_them_is_not() -> None:
    """`kind, text` with the personal data in braces; `-` for a text that holds none."""
    held = [(re.sub("[{}]", "", text), re.sub("{.*?}", f"[{kind}]", text)) for kind, text in EXAMPLES if kind != "-"]
    others = [text for kind, text in EXAMPLES if kind == "-"]
    missed = {text: pii.mask(text) for text, masked in held if pii.mask(text) != masked}
    wrong = {text: pii.mask(text) for text in others if pii.mask(text) != text}
    assert len(held) > 250
    assert len(others) > 250
    assert missed == {}
    # Thirteen digits that begin as a date of birth does: a time in milliseconds.
    assert wrong == {"1701234567890": "[RRN]"}
    assert {kind for kind, _ in EXAMPLES} == {*pii.KINDS, "-"}


def test_the_examples_are_masked_alike_in_a_column() -> None:
    texts = [re.sub("[{}]", "", text) for _, text in EXAMPLES]
    assert pii.mask_series(pl.Series(texts)).to_list() == [pii.mask(text) for text in texts]


PIECES = st.sampled_from(
    [*"0123456789０９-–.@ ()ab한ㅡ\u200b\ufe0f㎡①", "010-1234-5678", "900101-1234567", "서울 강남구 역삼동 "]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_what_is_not_masked_stays_as_it_was_written(text: str) -> None:
    masked = pii.mask(text)
    kept = re.split("|".join(rf"\[{kind}\]" for kind in pii.KINDS), masked)
    assert re.fullmatch("(?s:.+)".join(map(re.escape, kept)), text) or (masked == text)


def test_a_long_text_without_an_address_takes_no_time() -> None:
    text = "a" * 50_000 + " " + "1 " * 20_000
    assert pii.mask(text) == text
