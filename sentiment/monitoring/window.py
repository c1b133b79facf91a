"""The rows that monitoring looks at: the newest predictions, and the labels that came for them.

Predictions of the endpoint (`predictions`) and of batches (`scores`) are the same to monitoring. Left out are the
shadow's, which no caller has seen, and those of the smoke test, which no customer wrote. Of several answers to one
prediction the latest counts.

All that is read is bounded: the newest rows up to a number, and counts by day.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    String,
    Subquery,
    Table,
    cast,
    extract,
    func,
    literal,
    or_,
    select,
    union_all,
)

from sentiment.frozen import Frozen
from sentiment.report import Report
from sentiment.store.caller import SMOKE_TEST_CALLER
from sentiment.store.database import database_errors, make_engine
from sentiment.store.migrations import upgrade
from sentiment.store.tables import feedback, predictions, scores

Origin = Literal["endpoint", "batch"]
TIME = pl.Datetime("us", "UTC")
LABELLED_SCHEMA = {
    "id": pl.String(),
    "time": TIME,
    "model_version": pl.String(),
    "label": pl.String(),
    "confidence": pl.Float64(),
    "origin": pl.String(),
    "truth": pl.String(),
    "source": pl.String(),
}
TRAFFIC_SCHEMA = {
    "day": pl.Date(),
    "model_version": pl.String(),
    "rows": pl.Int64(),
    "confidence": pl.Float64(),
}
MOST_LABELS = 100_000
SOURCES: tuple[tuple[Table, Origin], ...] = ((predictions, "endpoint"), (scores, "batch"))


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
    """The newest rows of one model version, oldest first."""

    model_name: str
    model_version: str
    wanted: int
    rows: tuple[WindowRow, ...]

    def frame(self) -> pl.DataFrame:
        """The rows with the columns of `WindowRow`; `time` is Datetime(us, UTC)."""
        schema = {"text": pl.String(), **LABELLED_SCHEMA}
        return pl.DataFrame([row.model_dump() for row in self.rows], schema=schema)

    @cached_property
    def summary(self) -> str:
        """The window in one sentence."""
        name = f"{self.model_name} version {self.model_version}"
        if not self.rows:
            return f"{name} has answered nothing yet."
        since, until = (f"{row.time:%Y-%m-%d %H:%M}" for row in (self.rows[0], self.rows[-1]))
        return f"{len(self.rows):,} rows of {name}, {since} to {until} UTC."


class Labelled(BaseModel):
    """What quality is measured on.

    `labels`: the newest labelled rows with the columns of `LABELLED_SCHEMA`, oldest first; `traffic`: for every UTC day
    and model version the number of rows, labelled or not, and their mean confidence (`TRAFFIC_SCHEMA`).
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    labels: pl.DataFrame
    traffic: pl.DataFrame


def read_window(database_url: str, model_name: str, model_version: str, rows: int) -> Window:
    """The newest `rows` rows of the version.

    Raises StackError when the database is out of reach.
    """
    arms = [_rows(table, origin, table.c.model_version == model_version) for table, origin in SOURCES]
    newest = _newest(arms, rows).cte("newest")
    answers = _latest_answers(newest)
    joined = newest.outerjoin(answers, answers.c.prediction_id == newest.c.id)
    query = select(newest, answers.c.truth, answers.c.source).select_from(joined)
    with _reading(database_url) as connection:
        found = connection.execute(query.order_by(newest.c.time, newest.c.id)).all()
    return Window(
        model_name=model_name,
        model_version=model_version,
        wanted=rows,
        rows=tuple(WindowRow(**row._mapping) for row in found),
    )


def read_labelled(database_url: str, since: datetime, limit: int = MOST_LABELS) -> Labelled:
    """The newest `limit` labelled rows of those predicted since then, of every version, and the traffic around them.

    Raises StackError when the database is out of reach.
    """
    labelled = _newest([_labelled(table, origin, since) for table, origin in SOURCES], limit).cte("labelled")
    ordered = select(*(labelled.c[name] for name in LABELLED_SCHEMA)).order_by(labelled.c.time, labelled.c.id)
    with _reading(database_url) as connection:
        rows = connection.execute(ordered).all()
        traffic = connection.execute(union_all(*(_traffic(table, since) for table, _ in SOURCES))).all()
    return Labelled(
        labels=pl.DataFrame([tuple(row) for row in rows], schema=LABELLED_SCHEMA, orient="row"),
        traffic=_by_day(traffic),
    )


@contextmanager
def _reading(database_url: str) -> Iterator[Connection]:
    engine = make_engine(database_url)
    try:
        with database_errors():
            upgrade(engine)
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    # A month of traffic takes longer to count than a request may take.
                    connection.exec_driver_sql("SET LOCAL statement_timeout = '5min'")
                yield connection
    finally:
        engine.dispose()


def _rows(table: Table, origin: Origin, condition: ColumnElement[bool]) -> Select[Any]:
    columns = [table.c[name] for name in ("id", "time", "model_version", "text", "label", "confidence")]
    return select(*columns, cast(literal(origin), String).label("origin")).where(*_monitored(table), condition)


def _monitored(table: Table) -> list[ColumnElement[bool]]:
    if table is scores:
        return []
    caller = table.c.caller
    return [table.c.role.in_(("champion", "canary")), or_(caller.is_(None), caller != SMOKE_TEST_CALLER)]


def _labelled(table: Table, origin: Origin, since: datetime) -> Select[Any]:
    rows = _rows(table, origin, table.c.time >= since).subquery()
    answers = _latest_answers(rows)
    return select(rows, answers.c.truth, answers.c.source).join(answers, answers.c.prediction_id == rows.c.id)


def _latest_answers(rows: FromClause) -> Subquery:
    rank = func.row_number().over(
        partition_by=feedback.c.prediction_id, order_by=(feedback.c.time.desc(), feedback.c.id)
    )
    ranked = (
        select(feedback.c.prediction_id, feedback.c.label.label("truth"), feedback.c.source, rank.label("rank"))
        .where(feedback.c.prediction_id.in_(select(rows.c.id)))
        .subquery()
    )
    return select(ranked).where(ranked.c.rank == 1).subquery()


def _newest(arms: Sequence[Select[Any]], limit: int) -> Select[Any]:
    # The newest of each table first: a walk along its index, whatever the database makes of a union.
    parts = [_head(arm.subquery(), limit).subquery() for arm in arms]
    return _head(union_all(*(select(part) for part in parts)).subquery(), limit)


def _head(rows: Subquery, limit: int) -> Select[Any]:
    return select(rows).order_by(rows.c.time.desc(), rows.c.id).limit(limit)


def _traffic(table: Table, since: datetime) -> Select[Any]:
    day = [extract(part, table.c.time).label(part) for part in ("year", "month", "day")]
    groups = [*day, table.c.model_version]
    counts = [func.count().label("rows"), func.sum(table.c.confidence).label("confidence")]
    return select(*groups, *counts).where(*_monitored(table), table.c.time >= since).group_by(*groups)


def _by_day(counts: Sequence[Row[Any]]) -> pl.DataFrame:
    rows = [(date(int(r.year), int(r.month), int(r.day)), r.model_version, r.rows, r.confidence) for r in counts]
    groups = pl.DataFrame(rows, schema=TRAFFIC_SCHEMA, orient="row").group_by("day", "model_version")
    summed = groups.agg(pl.col("rows").sum(), confidence=pl.col("confidence").sum() / pl.col("rows").sum())
    return summed.sort("day", "model_version")
