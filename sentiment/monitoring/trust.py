"""Whose labels are believed: callers who are known, and callers who gave labels for long enough and mostly agreed.

An identity that its bearer chooses proves nothing: one person may have hundreds ("The Sybil Attack", Douceur 2002).
Only callers who came with the server's API key can earn trust; everyone without it is one caller, who never does. An
endpoint without a key is for its own machine, unless somebody says otherwise: its one caller is believed by default.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment.store.records import KEYED_CALLER, OPEN_CALLER

SIGNIFICANCE = 0.01  # every caller is judged in every run: 0.05 would accuse too many honest ones
LABEL_DAYS = 3  # on which a caller must have given labels: waiting alone earns nothing


def named(callers: tuple[str, ...]) -> pl.Expr:
    """Rows of `caller`s that the config names. A name that ends in * stands for all that begin so."""
    exact = pl.col("caller").is_in([each for each in callers if not each.endswith("*")])
    begun = [pl.col("caller").str.starts_with(each.removesuffix("*")) for each in callers if each.endswith("*")]
    return pl.any_horizontal(exact, *begun).fill_null(False)


def keyless(*, trusted: bool) -> pl.Expr:
    """Rows of the one caller of an endpoint without a key, where its callers are `trusted`."""
    return ((pl.col("caller") == OPEN_CALLER) & trusted).fill_null(value=False)


def earned(rows: pl.DataFrame, *, days: int, margin: float) -> pl.Series:
    """Which of `rows` (caller, time, label, predicted, confidence) are of callers who earned trust.

    Such a caller came with the API key, gave labels on `LABEL_DAYS` days over at least `days` days, and is not shown to
    contradict predictions by more than `margin` above what their confidence leaves. That needs no other caller to
    compare with, so no crowd can move it.
    """
    callers = rows.group_by("caller").agg(
        age=pl.col("time").max() - pl.col("time").min(),
        days=pl.col("time").dt.date().n_unique(),
        count=pl.len(),
        contradicted=(pl.col("label") != pl.col("predicted")).sum(),
        expected=1 - pl.col("confidence").mean(),
    )
    old = (pl.col("age") >= pl.duration(days=days)) & (pl.col("days") >= LABEL_DAYS)
    older = callers.filter(pl.col("caller").str.starts_with(KEYED_CALLER), old)
    low = lower_bound(older["contradicted"].to_numpy(), older["count"].to_numpy())
    found = older.filter(low <= older["expected"].to_numpy() + margin)["caller"]
    return rows["caller"].is_in(found.implode()).fill_null(False)


def lower_bound(counts: NDArray[np.integer], rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """The lower ends of one-sided Clopper-Pearson intervals (1934) of the shares `counts` / `rows`."""
    from scipy.stats import beta

    return np.where(counts > 0, beta.ppf(SIGNIFICANCE, np.maximum(counts, 1), rows - counts + 1), 0.0)
