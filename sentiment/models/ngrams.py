"""Character n-grams of a batch of texts, hashed and counted in a few array operations instead of a loop over strings.

An n-gram is known by a 40-bit hash. Among five million distinct n-grams, about a dozen pairs share one; such a pair
shares a weight. In return a vocabulary is one sorted array that loads at once and holds nobody's words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentiment.errors import DataError

ROW_BITS = 24

# Marks where a text starts and ends, so that "재미" as the first word is a different n-gram from "재미" inside one.
_BOUNDARY = "\0"
# Odd constants of well-mixing multiplicative hashes (Steele and others 2014, SplitMix64).
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class NGramCounts:
    """How often each n-gram stands in each text: parallel arrays, sorted by hash and then by row."""

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    texts: int


def count_ngrams(texts: Sequence[str], longest: int) -> NGramCounts:
    """Count the n-grams of 1 to `longest` characters, a text's boundaries included as a character of n-grams above 1.

    Raises DataError for more than 16,777,216 texts: a hash and a row number share 64 bits, so that one sort of plain
    integers groups them.
    """
    if len(texts) > 1 << ROW_BITS:
        raise DataError(
            f"{len(texts):,} texts are too many for one batch.", f"Pass at most {1 << ROW_BITS:,} at a time."
        )
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    row_of = np.repeat(np.arange(len(texts), dtype=np.uint64), lengths + 1)
    keys = np.concatenate([hashes << np.uint64(ROW_BITS) | row_of[starts] for starts, hashes in ngrams(texts, longest)])
    keys.sort()
    first = _run_starts(keys)
    counts = np.diff(first, append=len(keys))
    keys = keys[first]
    rows = (keys & np.uint64((1 << ROW_BITS) - 1)).astype(np.int64)
    return NGramCounts(keys >> np.uint64(ROW_BITS), rows, counts, len(texts))


def ngrams(texts: Sequence[str], longest: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """For n = 1 to `longest`: where each n-gram starts, and its hash.

    Starts count characters of the texts joined with one boundary in front of each, so the first text starts at 1.
    """
    joined = _BOUNDARY + "".join([text + _BOUNDARY for text in texts])
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    spans = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    ends = np.cumsum(spans)
    room = np.repeat(ends, spans) - np.arange(spans.sum()) + 1
    inside = np.ones(len(room), dtype=bool)
    inside[ends - spans] = False

    characters = (codes + np.uint64(1)) * _MIX
    characters ^= characters >> np.uint64(32)
    rolling = characters
    for n in range(1, longest + 1):
        if n > 1:
            rolling = rolling[:-1] * _STEP + characters[n - 1 :]
        starts = np.flatnonzero(inside if n == 1 else room >= n)
        hashes = rolling[starts]
        hashes ^= hashes >> np.uint64(29)
        yield starts, hashes * _MIX >> np.uint64(ROW_BITS)


def _run_starts(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), dtype=bool), ordered[1:] != ordered[:-1]]))
