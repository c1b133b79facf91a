"""The parts of a test set that are judged on their own: sources, languages, categories, lengths."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.config.evaluation import EvaluationConfig
from sentiment.data.reviews import Reviews
from sentiment.stats.metrics import Counts, count_cells

OTHER = "(other)"


@dataclass(frozen=True)
class SliceCounts:
    """One slice and the cross-tabulated codes of its rows."""

    column: str
    value: str
    counts: Counts

    @property
    def rows(self) -> int:
        """How many rows the slice has."""
        return int(self.counts.sum())


def slice_counts(
    reviews: Reviews, config: EvaluationConfig, shape: tuple[int, ...], *codes: NDArray[np.int64]
) -> Iterator[SliceCounts]:
    """Cross-tabulate `codes` (one array a dimension of `shape`, one entry a row) within every slice.

    Sources, languages and categories come largest first, lengths rising. Rows without a value are in no slice; a single
    source is no slice: it would be the whole set again.
    """
    frame = reviews.frame()
    several_sources = frame["source"].drop_nulls().n_unique() > 1
    columns = {
        **({"source": _frequent(frame["source"], config.max_slices)} if several_sources else {}),
        "language": _frequent(frame["language"], config.max_slices),
        "category": _frequent(frame["category"], config.max_slices),
        "length": _lengths(frame["text"], config.length_edges),
    }
    for column, (names, group) in columns.items():
        kept = group >= 0
        counts = count_cells((len(names), *shape), group[kept], *(code[kept] for code in codes))
        yield from (SliceCounts(column, name, part) for name, part in zip(names, counts, strict=True) if part.any())


def _frequent(values: pl.Series, most: int) -> tuple[list[str], NDArray[np.int64]]:
    """The most frequent values by falling count, then the others as one; and each row's position, -1 for null."""
    ranked = values.drop_nulls().value_counts().sort("count", values.name, descending=[True, False])[values.name]
    names = ranked.head(most).to_list()
    group = values.replace_strict(names, range(len(names)), default=len(names), return_dtype=pl.Int64)
    codes = pl.select(pl.when(values.is_null()).then(-1).otherwise(group)).to_series().to_numpy()
    return [*names, OTHER], codes


def _lengths(texts: pl.Series, edges: tuple[int, ...]) -> tuple[list[str], NDArray[np.int64]]:
    """Length buckets in characters, and each row's position."""
    starts = (1, *edges)
    names = [f"{low}–{high - 1} characters" for low, high in zip(starts, edges, strict=False)]
    names.append(f"{starts[-1]} or more characters")
    return names, np.searchsorted(np.array(edges), texts.str.len_chars().to_numpy(), side="right")
