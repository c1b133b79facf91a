"""How a column is distributed in the reference and in the window, small enough to be stored with a report."""

from itertools import pairwise
from typing import Self

import numpy as np
import polars as pl

from sentiment.frozen import Frozen

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
