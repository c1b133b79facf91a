"""Bootstrap intervals without touching the rows a thousand times.

The percentile bootstrap (Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13) draws n of n rows with
replacement and takes quantiles of the statistic. A statistic of hard labels depends on the rows through the counts of
a few cells only (truth x prediction), and n draws with replacement make those counts multinomial: `resample_cells`
draws them directly, which is the same distribution at a cost that does not grow with n. A statistic of scores needs the
rows: `resample_rows` draws how often each occurs, so that the scores are sorted once and only weighted afterwards.
"""

from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import FiniteFloat

from sentiment.stored import Frozen

SIGNIFICANCE = 0.05


class Metric(Frozen):
    """A value with its interval, 95% unless said otherwise; never NaN: a metric that is not defined is None instead."""

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat

    @classmethod
    def from_samples(
        cls, value: float | NDArray[np.float64], samples: NDArray[np.float64], significance: float = SIGNIFICANCE
    ) -> Self:
        """The value with the percentile interval of its resamples; those where it is undefined (NaN) do not count."""
        low, high = np.nanquantile(samples, [significance / 2, 1 - significance / 2])
        return cls(value=float(value), low=float(low), high=float(high))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def resample_cells(counts: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Bootstrap a table of counts of any shape: (resamples, *counts.shape), each summing to counts.sum()."""
    total = counts.sum()
    draws = rng.multinomial(total, counts.ravel() / total, size=resamples)
    return draws.reshape(resamples, *counts.shape)


def resample_rows(rows: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Bootstrap rows: per resample, how often each row was drawn, shape (rows,)."""
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, rows, rows, dtype=np.int32), minlength=rows)


def wilson(hits: int, rows: int) -> Metric:
    """A proportion with its 95% score interval (Wilson 1927), which stays sensible at 0, at 1 and for few rows."""
    z = 1.959964
    share = hits / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * float(np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)))
    return Metric(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))
