"""Python functions over a string column, run only on the rows that need it and never on all rows at once."""

from collections.abc import Callable

import polars as pl

BATCH = 1 << 16


def map_rows(texts: pl.Series, needs: Callable[[pl.Series], pl.Series], function: Callable[[str], str]) -> pl.Series:
    """Replace the rows for which `needs` (a fast, vectorised over-estimate) holds by `function` of them."""
    pieces = []
    for start in range(0, len(texts), BATCH):
        piece = texts.slice(start, BATCH)
        rows = needs(piece).fill_null(False).arg_true()
        if len(rows):
            changed = pl.Series([function(text) for text in piece.gather(rows)], dtype=pl.String)
            piece = piece.scatter(rows, changed)
        pieces.append(piece)
    return pl.concat(pieces) if pieces else texts
