"""`Window`: the rows that monitoring looks at, as they were when it looked.

Predictions of the endpoint and of batches are the same to monitoring. Left out are the shadow's, which no caller has
seen, and those of the smoke test, which no customer wrote. What people try on the page is there to be looked at, and
does not count.
"""

from datetime import datetime
from functools import cached_property

import polars as pl

from sentiment.store.queries import Origin
from sentiment.store.window import WINDOW_SCHEMA, read_newest
from sentiment.stored import Frozen, Report


class WindowRow(Frozen):
    """One prediction. `text` is masked; `truth` is the latest label that came for it, `source` where that came from."""

    id: str
    time: datetime
    model_version: str
    text: str
    label: str
    confidence: float
    origin: Origin
    truth: str | None
    source: str | None


class Window(Report):
    """The newest rows of one model version, up to `wanted` of each source, oldest first."""

    model_name: str
    model_version: str
    wanted: int
    rows: tuple[WindowRow, ...]

    def frame(self) -> pl.DataFrame:
        """The rows with the columns of `WindowRow`; `time` is Datetime(us, UTC)."""
        return pl.DataFrame([row.model_dump() for row in self.rows], schema=WINDOW_SCHEMA)

    @cached_property
    def summary(self) -> str:
        """The window in one sentence."""
        name = f"{self.model_name} version {self.model_version}"
        if not self.rows:
            return f"{name} has answered nothing yet."
        since, until = (f"{row.time:%Y-%m-%d %H:%M}" for row in (self.rows[0], self.rows[-1]))
        return f"{len(self.rows):,} rows of {name}, {since} to {until} UTC."


def read_window(database_url: str, model_name: str, model_version: str, rows: int) -> Window:
    """The newest `rows` rows of the version of each source.

    Raises StoreError when the database is out of reach.
    """
    found = read_newest(database_url, model_name, model_version, rows)
    return Window(
        model_name=model_name,
        model_version=model_version,
        wanted=rows,
        rows=tuple(WindowRow(**row) for row in found.iter_rows(named=True)),
    )
