"""What can be said about a text without a model: numbers that move when the traffic changes, for many texts at once.

All texts are one array of code points; a descriptor is a count per text, so no loop touches a text.
"""

import base64
import unicodedata
import zlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.models.ngrams import ngrams
from sentiment.stored import Frozen

# A longer text is described by its beginning, so that one text cannot take all the time.
MOST_CHARACTERS = 2000
VOCABULARY_BITS = 18
# With more entries than this, chance hits in the bit set would hide texts whose n-grams are new.
MOST_ENTRIES = 40_000
NGRAM = 3

_KINDS = ("space", "hangul", "jamo", "latin", "digits", "emoji", "punctuation", "odd")
_SPACE, _HANGUL, _JAMO, _LATIN, _DIGITS, _EMOJI, _PUNCTUATION, _ODD = range(len(_KINDS))
_RANGES = (
    (0xAC00, 0xD7A3, _HANGUL),
    (0x1100, 0x11FF, _JAMO),
    (0x3131, 0x318E, _JAMO),
    (0x200D, 0x200D, _EMOJI),  # joiner, variation selector and skin tones are parts of an emoji
    (0xFE0F, 0xFE0F, _EMOJI),
    (0x1F3FB, 0x1F3FF, _EMOJI),
    (0xFFFD, 0xFFFD, _ODD),
)
_BY_CATEGORY = {"So": _EMOJI} | dict.fromkeys(
    ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk"), _PUNCTUATION
)


class Descriptor(NamedTuple):
    """`spread`: the least that counts as one standard deviation. `trait`: a text has it or not, 1 or 0.

    Where hardly a text of the reference has a trait, its standard deviation there is an accident.
    """

    name: str
    title: str
    spread: float
    trait: bool = False


# A share's spread: one text in a hundred with three such characters in ten. A yes or no: yes for one text in a hundred.
_SHARE, _TRAIT = 0.03, 0.1
DESCRIPTORS = (
    Descriptor("length", "length in characters", 1.0),
    Descriptor("words", "words", 1.0),
    Descriptor("jamo", "share of single jamo", _SHARE),
    Descriptor("laughs", "texts with ㅋ", _TRAIT, trait=True),
    Descriptor("laughter", "longest run of ㅋ, in doublings", 0.5),
    Descriptor("cries", "texts with ㅠ or ㅜ", _TRAIT, trait=True),
    Descriptor("latin", "share of Latin letters", _SHARE),
    Descriptor("digits", "share of digits", _SHARE),
    Descriptor("emoji", "share of emoji", _SHARE),
    Descriptor("punctuation", "share of punctuation", _SHARE),
    Descriptor("odd", "share of odd characters", _SHARE),
    Descriptor("unseen", "unseen character n-grams, share", _SHARE),
)


class Vocabulary(Frozen):
    """The most frequent character n-grams of the training texts, as a hashed bit set: it holds nobody's words.

    `bits`: the set as zlib and base64. An n-gram that was never seen is taken for seen as often as bits are set, at
    most about one time in seven.
    """

    bits: str

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Learn from `texts`."""
        slots, counts = np.unique(_slots(texts)[1], return_counts=True)
        frequent = slots[np.argsort(-counts, kind="stable")[:MOST_ENTRIES]]
        members = np.zeros(1 << VOCABULARY_BITS, dtype=bool)
        members[frequent] = True
        return cls(bits=base64.b64encode(zlib.compress(np.packbits(members).tobytes(), 9)).decode())

    def unseen_share(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """For each text the share of its n-grams that are not in the set; 0 for a text without any."""
        members = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(self.bits)), dtype=np.uint8))
        rows, slots = _slots(texts)
        total = np.bincount(rows, minlength=len(texts))
        unseen = np.bincount(rows, weights=members[slots] == 0, minlength=len(texts))
        return np.asarray(unseen / np.maximum(total, 1))


def describe(texts: pl.Series, vocabulary: Vocabulary) -> pl.DataFrame:
    """One row a text: the numbers of `DESCRIPTORS`, shares being of the characters that are not white space.

    `laughter` is null for a text without ㅋ: how long people laugh is compared among those who do.
    `language` is "ko" from a third of the letters in Hangul upwards, "en" for other letters of the Latin alphabet, and
    "other".
    """
    beginnings = texts.str.head(MOST_CHARACTERS)
    lengths = beginnings.str.len_chars().cast(pl.Int64).to_numpy()
    counts = _count_kinds(beginnings, lengths)
    visible = np.maximum(lengths - counts[:, _SPACE], 1)
    shares = {name: counts[:, kind] / visible for kind, name in enumerate(_KINDS) if kind > _HANGUL}
    korean, latin = counts[:, _HANGUL] + counts[:, _JAMO], counts[:, _LATIN]
    letters = korean + latin
    return pl.DataFrame(
        {
            "length": lengths.astype(np.float64),
            "words": beginnings.str.count_matches(r"\S+").cast(pl.Float64),
            **shares,
            "laughs": beginnings.str.contains("ㅋ").cast(pl.Float64),
            "laughter": beginnings.str.extract_all("ㅋ+").list.eval(pl.element().str.len_chars()).list.max().log(2),
            "cries": beginnings.str.contains("[ㅠㅜ]").cast(pl.Float64),
            "unseen": vocabulary.unseen_share(beginnings.to_list()),
            "language": np.select([(letters > 0) & (3 * korean >= letters), latin > 0], ["ko", "en"], "other"),
        }
    )


def odd_characters(texts: pl.Series) -> pl.Series:
    """How many odd characters stand at the beginning of each text: see `_kind`."""
    beginnings = texts.str.head(MOST_CHARACTERS)
    return pl.Series(_count_kinds(beginnings, beginnings.str.len_chars().cast(pl.Int64).to_numpy())[:, _ODD])


def _count_kinds(texts: pl.Series, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(texts, kinds): how many characters of each kind."""
    codes = np.frombuffer("".join(texts.to_list()).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    distinct, places = np.unique(codes, return_inverse=True)
    kinds = np.array([_kind(code) for code in distinct.tolist()], dtype=np.int64)[places]
    rows = np.repeat(np.arange(len(texts)), lengths)
    cells = np.bincount(rows * len(_KINDS) + kinds, minlength=len(texts) * len(_KINDS))
    return cells.reshape(len(texts), len(_KINDS))


@cache
def _kind(code: int) -> int:
    """Odd is what Korean or English text that was read with the right encoding hardly holds.

    Replacement and control characters, private use, and letters of every other script: Hanja and accented Latin
    letters are what Hangul becomes when UTF-8 is read as cp949 or Latin-1.
    """
    character = chr(code)
    if character.isascii() and character.isalnum():
        return _DIGITS if character.isdigit() else _LATIN
    for first, last, kind in _RANGES:
        if first <= code <= last:
            return kind
    if character.isspace():
        return _SPACE
    return _BY_CATEGORY.get(unicodedata.category(character), _ODD)


def _slots(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row and the place in the bit set of every n-gram of `NGRAM` characters."""
    *_, (starts, hashes) = ngrams(texts, NGRAM)
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1)
    rows = np.searchsorted(ends, starts, side="right")
    return rows, (hashes & np.uint64((1 << VOCABULARY_BITS) - 1)).astype(np.int64)


BINS = 12
MOST_VALUES = 12


class Distribution(Frozen):
    """Shares of the rows by place: a value or a range of values. The places are the same for both sides."""

    places: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]

    @classmethod
    def of_values(cls, reference: pl.Series, window: pl.Series) -> Self:
        """One place a value, the most frequent ones; nulls are left out."""
        values = pl.concat([reference, window]).drop_nulls().value_counts(sort=True)[reference.name].head(MOST_VALUES)
        places = sorted(values.to_list())
        return cls(
            places=tuple(_written(value) for value in places),
            reference=_shares(reference, places),
            window=_shares(window, places),
        )

    @classmethod
    def of_numbers(cls, reference: pl.Series, window: pl.Series) -> Self:
        """Ranges of equal width up to the 99th percentile, the last one open; a place a value where values are few."""
        both = pl.concat([reference, window]).drop_nulls()
        if both.n_unique() <= MOST_VALUES:
            return cls.of_values(reference, window)
        low, high = np.quantile(both.to_numpy(), [0, 0.99])
        edges = np.linspace(low, high, BINS + 1) if high > low else np.array([low, both.to_numpy().max()])
        places = [f"{_written(left)} to {_written(right)}" for left, right in pairwise(edges)]
        return cls(
            places=(*places[:-1], f"from {_written(edges[-2])}"),
            reference=_histogram(reference, edges),
            window=_histogram(window, edges),
        )


def _shares(column: pl.Series, places: list[object]) -> tuple[float, ...]:
    rows = max(1, column.count())
    return tuple(int((column == place).sum()) / rows for place in places)


def _histogram(column: pl.Series, edges: np.ndarray) -> tuple[float, ...]:
    values = np.clip(column.drop_nulls().to_numpy(), edges[0], edges[-1])
    return tuple((np.histogram(values, edges)[0] / max(1, len(values))).tolist())


def _written(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, int | float) else str(value)
