"""Whatever a text is made of, all that reads it takes a time that grows as the text does, and no faster."""

import re
from collections.abc import Callable

import polars as pl
import pytest

from sentiment import errors
from sentiment.data import encoding, labels, near_duplicates
from sentiment.data.read import detect_language
from sentiment.models.ngrams import count_ngrams
from sentiment.text import normalise, pii
from sentiment.text.normalise import TextNormaliser
from tests.code.hostile_texts import FACTOR, LENGTH, MOST_GROWTH, Shape, growth, seconds, shapes

SHAPES = 99
GROUPS = (
    [*(value for value in vars(normalise).values() if isinstance(value, re.Pattern)), normalise._repeats(3)],
    [rule.pattern for rule in pii._RULES],
    [value for module in (pii, labels, encoding) for value in vars(module).values() if isinstance(value, re.Pattern)],
)
# Found by an attack: each took its length squared.
FOUND = [
    Shape("<!--", "", "-->"),
    Shape("<b", "", ">"),
    Shape("&#", "&#53;", "3;"),
    Shape("&am", "", "\u200bp;"),
    Shape("\u0301\u0323"),
    Shape("e" + "\u0301\u0323" * 40),
    Shape("\u0f73"),
]


def attacks(count: int, seed: int = 0) -> list[Shape]:
    """Those that were found, and as many of every group of patterns as make `count`."""
    each, rest = divmod(count - len(FOUND), len(GROUPS))
    derived = [shapes(group, each + (number < rest), seed) for number, group in enumerate(GROUPS)]
    return [*FOUND, *(shape for group in derived for shape in group)]


READERS: dict[str, Callable[[str], object]] = {
    "normaliser": lambda text: TextNormaliser().normalise([text]),
    "normaliser that keeps one": lambda text: TextNormaliser(max_repeat=1).normalise([text]),
    "says nothing": normalise.says_nothing,
    "mask": pii.mask,
    "label": labels._canonical,
    "setting": lambda text: errors.setting("name", text),
    "western letters": encoding._reads_as_western,
    "words": lambda text: re.findall(r"\S+", text),
    "n-grams": lambda text: count_ngrams([text], 3),
    "normalised column": lambda text: TextNormaliser().series(pl.Series([text])),
    "masked column": lambda text: pii.mask_series(pl.Series([text])),
    "language": lambda text: detect_language(pl.Series([text])),
    "letters": lambda text: near_duplicates._letters(pl.Series([text])),
}


@pytest.mark.parametrize("reader", READERS)
def test_the_time_grows_as_the_text_does(reader: str) -> None:
    grown = {shape: growth(READERS[reader], shape) for shape in attacks(SHAPES)}
    assert {shape: ratio for shape, ratio in grown.items() if ratio >= MOST_GROWTH} == {}


def test_the_attacks_find_what_takes_a_text_squared() -> None:
    """The measurement is no rubber stamp: what is known to be quadratic shows as that."""
    trailing_space = re.compile(r"\s+$")

    def is_found(shape: Shape) -> bool:
        return growth(lambda text: trailing_space.sub("", text), shape, length=1_500) >= MOST_GROWTH

    assert is_found(Shape(" ", "a"))
    assert any(map(is_found, shapes([trailing_space], 20)))


def test_a_pass_of_markup_in_markup_is_bounded_and_leaves_what_stays() -> None:
    once = TextNormaliser().normalise([shape.text(LENGTH) for shape in FOUND])
    assert TextNormaliser().normalise(once) == once
    assert not any("<!--" in text for text in once)
    assert seconds(lambda text: TextNormaliser().normalise([text]), FOUND[0].text(FACTOR * LENGTH)) < 1
