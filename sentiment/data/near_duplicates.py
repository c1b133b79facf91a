"""Texts that are almost a training text: what an exact comparison between splits cannot see.

MinHash signatures with banding (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3)
propose pairs; the Jaccard similarity of their sets of character 4-grams decides. Only letters are compared, in lower
case, so texts that differ in spaces, digits, punctuation, emoji or ㅋㅋㅋ alone count as equal.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.text.hashing import BATCH

MIN_LETTERS = 12
_GRAM = 4
_BANDS, _ROWS = 8, 3
_PAIRS_PER_KEY = 3
_NOT_COMPARED = r"[^\p{L}]+|[ㄱ-ㅣ]+"


def near_duplicates(texts: pl.Series, reference: pl.Series, similarity: float) -> pl.DataFrame:
    """Pairs of positions (`row` in `texts`, `reference_row` in `reference`), one for each text that has a near copy.

    Texts of fewer than `MIN_LETTERS` letters are left out: short reviews are alike without being copies. A copy of
    similarity 0.8 is found with a probability of 0.997, one of 0.5 with 0.66; the result is the same in every run.
    """
    left, right = _letters(texts), _letters(reference)
    pairs = _candidates(left, right)
    near = [_jaccard(one, other) >= similarity for one, other in pairs.select("text", "text_right").iter_rows()]
    found = pairs.filter(pl.Series(near, dtype=pl.Boolean)).unique("row", keep="first", maintain_order=True)
    return found.select("row", reference_row="row_right")


def _letters(texts: pl.Series) -> pl.DataFrame:
    letters = texts.str.replace_all(_NOT_COMPARED, "").str.to_lowercase()
    return pl.DataFrame({"text": letters}).with_row_index("row").filter(pl.col("text").str.len_chars() >= MIN_LETTERS)


def _candidates(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    left_keys, right_keys = _band_keys(left["text"]), _band_keys(right["text"])
    matches = []
    for band in range(_BANDS):
        ours = left.with_columns(key=pl.Series(left_keys[:, band], dtype=pl.UInt64))
        theirs = right.with_columns(key=pl.Series(right_keys[:, band], dtype=pl.UInt64))
        theirs = theirs.filter(theirs["key"].is_in(ours["key"].unique().implode()))
        theirs = theirs.group_by("key", maintain_order=True).head(_PAIRS_PER_KEY)
        matches.append(ours.join(theirs, on="key", maintain_order="left").drop("key"))
    return pl.concat(matches).unique(["row", "row_right"], keep="first", maintain_order=True).sort("row", "row_right")


def _band_keys(texts: pl.Series) -> NDArray[np.uint64]:
    """One key per text and band, shape (len(texts), _BANDS): equal keys where _ROWS minima of gram hashes are equal."""
    random = np.random.default_rng(0)
    factors = random.integers(1, 2**63, size=_BANDS * _ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    pieces = [_minima(texts.slice(start, BATCH), factors) for start in range(0, len(texts), BATCH)]
    minima = np.concatenate(pieces) if pieces else np.empty((0, _BANDS * _ROWS), dtype=np.uint64)
    weights = random.integers(1, 2**63, size=_ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys: NDArray[np.uint64] = (minima.reshape(-1, _BANDS, _ROWS) * weights).sum(axis=2, dtype=np.uint64)
    return keys


def _minima(texts: pl.Series, factors: NDArray[np.uint64]) -> NDArray[np.uint64]:
    lengths = texts.str.len_chars().to_numpy().astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    characters = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    grams = np.zeros(len(characters), dtype=np.uint64)
    for place in range(_GRAM):
        grams[: len(characters) - place] = (grams[: len(characters) - place] << np.uint64(16)) ^ characters[place:]
    grams ^= grams >> np.uint64(29)
    ends = starts + lengths
    outside = (ends[:, None] - np.arange(1, _GRAM)).ravel()  # grams that would run into the next text
    minima = np.empty((len(texts), len(factors)), dtype=np.uint64)
    for index, factor in enumerate(factors):
        hashes = grams * factor
        hashes ^= hashes >> np.uint64(32)
        hashes *= factor
        hashes[outside] = np.iinfo(np.uint64).max
        minima[:, index] = np.minimum.reduceat(hashes, starts)
    return minima


def _jaccard(one: str, other: str) -> float:
    grams, others = ({text[i : i + _GRAM] for i in range(len(text) - _GRAM + 1)} for text in (one, other))
    return len(grams & others) / len(grams | others)
