"""Functions of each text of a column: run only on the rows that need it; a hash that is equal on every machine."""

import hashlib
from collections.abc import Callable

import numpy as np
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


def fractions(texts: pl.Series, salt: str) -> pl.Series:
    """A number in [0, 1) per text, uniform over texts and decided by text and salt alone (BLAKE2b, 64 bits).

    polars' own `hash` is faster, but promised only within one version.
    """
    key = salt.encode()
    pieces = []
    for start in range(0, len(texts), BATCH):
        rows = texts.slice(start, BATCH).to_list()
        digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8, key=key).digest() for text in rows)
        pieces.append((np.frombuffer(digests, dtype="<u8") >> 11) * 2.0**-53)
    return pl.Series(np.concatenate(pieces) if pieces else [], dtype=pl.Float64)
