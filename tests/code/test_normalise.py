import re
import sys

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sentiment.text import normalise
from sentiment.text.normalise import TextNormaliser

NORMALISER = TextNormaliser()

# Pieces in which the rules meet: markup, entities, links, repeats, emoji sequences, jamo, blanks of all kinds.
PIECES = st.one_of(
    st.sampled_from(
        "ㅋㅠ!.~?어aw10<>&;/:#[]()3❤😡👍 \xa0\u3000\u3164\t\n\x00\xad\u200b\u200d\u202e\ufe0f\U0001f3fb\u0301\u0958"
    ),
    st.sampled_from(
        ["ㅋㅋㅋㅋㅋ", "  ", "e\u0301", "\u1112\u1161\u11ab", "&lt;", "&gt;", "&amp;", "&nbsp;", "&#38;", "&#x1F600;"]
    ),
    st.sampled_from(["<br />", "<b>", "</p>", "<!-- x -->", "http://a.b/c", "https://", "www.", "www.naver.com"]),
)
TEXTS = st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40))


def one(text: str) -> str:
    return NORMALISER.normalise([text])[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("ㅋㅋㅋㅋㅋㅋ 최고", "ㅋㅋㅋ 최고"),
        ("ㅠㅠ", "ㅠㅠ"),
        ("재밌어ㅓㅓㅓㅓㅓ!!!!!!", "재밌어ㅓㅓㅓ!!!"),
        ("soooooo good", "sooo good"),
        ("ㅋㅎㅋㅎㅋㅎㅋㅎ", "ㅋㅎㅋㅎㅋㅎㅋㅎ"),
        ("10000000원, 2000년", "10000000원, 2000년"),
        ("😡😡😡😡😡", "😡😡😡"),
        ("❤️❤️❤️❤️❤️", "❤️❤️❤️"),
        ("👍🏻👍🏻👍🏻👍🏻", "👍🏻👍🏻👍🏻"),
        ("👨‍👩‍👧‍👦 가족", "👨‍👩‍👧‍👦 가족"),
        ("가\u200d나\u200b다", "가나다"),
        ("<b>최고</b><br/>예요", "최고 예요"),
        ('<a href="http://x.y/z">링크</a>', "링크"),
        ("Q&amp;A &amp;amp;lt;3 &hearts;", "Q&A <3 ♥"),
        ("R&D AT&T &unknown; &copy", "R&D AT&T &unknown; &copy"),
        (":( :) >_< ^^ <3 3 < 5 > 2 T_T -_-", ":( :) >_< ^^ <3 3 < 5 > 2 T_T -_-"),
        ("<기생충> <Parasite> 둘 다", "<기생충> <Parasite> 둘 다"),
        ("http://naver.com/a?b=c에서 봄", "[URL]에서 봄"),
        ("(www.naver.com).", "([URL])."),
        ("  앞\t뒤\xa0\u3000끝\r\n", "앞 뒤 끝"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("\x00\x07", ""),
        ("", ""),
        ("\ud800깨짐", "깨짐"),
    ],
)
def test_rules(raw: str, expected: str) -> None:
    assert one(raw) == expected


@settings(max_examples=400, deadline=None)
@example("wwwww.naver.com")
@example("&am\u200bp;lt;b&gt;")
@example("<b<i>>")
@given(TEXTS)
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert one(one(text)) == one(text)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=6), st.integers(1, 4))
def test_a_column_and_single_texts_give_the_same(texts: list[str], max_repeat: int) -> None:
    normaliser = TextNormaliser(max_repeat=max_repeat)
    column = pl.Series(texts, dtype=pl.String)
    assert normaliser.series(column).to_list() == normaliser.normalise(texts)


def test_a_column_of_real_reviews_and_single_texts_give_the_same() -> None:
    texts = pl.read_csv("data/sample/reviews.csv")["text"]
    assert NORMALISER.series(texts).to_list() == NORMALISER.normalise(texts.to_list())


def test_no_rule_touches_the_characters_that_columns_skip() -> None:
    skipped = re.compile(f"[{normalise._UNTOUCHED}]")
    characters = [chr(code) for code in range(sys.maxunicode + 1) if skipped.fullmatch(chr(code)) and code != ord(" ")]
    assert len(characters) > 30_000
    assert NORMALISER.normalise(characters) == characters


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_squeezing_never_removes_a_character_altogether(text: str) -> None:
    squeezed = normalise._rules(3)["repeats"](text)
    assert set(squeezed) == set(text)
    assert not re.search(r"(\D)\1{3}", squeezed)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_what_says_nothing_is_what_nothing_is_left_of(texts: list[str]) -> None:
    nothing = [not one(text) for text in texts]
    assert [normalise.says_nothing(text) for text in texts] == nothing
    assert normalise.rows_that_say_nothing(pl.Series(texts, dtype=pl.String)).to_list() == nothing


def test_nulls_and_batches_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentiment.text.hashing.BATCH", 3)
    texts = pl.Series(["가  나", None, "ㅋㅋㅋㅋㅋ", "그대로", None, "!!!!!", "끝 "])
    assert NORMALISER.series(texts).to_list() == ["가 나", None, "ㅋㅋㅋ", "그대로", None, "!!!", "끝"]
    assert NORMALISER.series(texts.slice(2, 2)).to_list() == ["ㅋㅋㅋ", "그대로"]
    assert NORMALISER.series(pl.Series([], dtype=pl.String)).to_list() == []


def test_counts_are_rows_changed_by_each_rule() -> None:
    texts = pl.Series(["<b>굿</b>", "ㅋㅋㅋㅋ http://a.com", "그대로", "ㅎㅎㅎㅎ  ㅎ", None])
    assert NORMALISER.counts(texts) == {
        "markup": 1,
        "invisible": 0,
        "unicode": 0,
        "links": 1,
        "repeats": 2,
        "space": 2,
    }


def test_more_marks_than_any_language_writes_are_dropped() -> None:
    assert one("e" + "\u0301\u0323" * 40) == one("e" + "\u0301\u0323" * 15)
    tall = "\u0e01\u0e34\u0e48\u0e4d"  # Thai: three marks on one letter
    assert one(tall) == tall
    assert one("한\u302e글\u302f") == "한\u302e글\u302f"  # tone marks of Middle Korean


def test_another_version_is_refused() -> None:
    with pytest.raises(ValidationError):
        TextNormaliser.model_validate({"version": "2"})
