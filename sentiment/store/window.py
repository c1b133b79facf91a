"""The rows that monitoring looks at: the newest predictions of a model, and the labels that came for them.

All that is read is bounded: the newest rows up to a number, and counts by day.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import polars as pl
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row, Select, func, select, union_all

from sentiment.store.database import reading
from sentiment.store.queries import (
    PAGE,
    SOURCES,
    begin_of,
    begins,
    counted,
    latest_answers,
    newest,
    newest_of_each,
    rows_of,
)
from sentiment.store.tables import predictions, scores

TIME: Final = pl.Datetime("us", "UTC")
_ANSWERED_SCHEMA: Final = {
    "id": pl.String(),
    "time": TIME,
    "model_version": pl.String(),
    "label": pl.String(),
    "confidence": pl.Float64(),
    "origin": pl.String(),
    "truth": pl.String(),
    "source": pl.String(),
}
WINDOW_SCHEMA: Final = {"text": pl.String(), **_ANSWERED_SCHEMA}
LABELLED_SCHEMA: Final = {**_ANSWERED_SCHEMA, "caller": pl.String()}
TRAFFIC_SCHEMA: Final = {
    "day": pl.Date(),
    "model_version": pl.String(),
    "rows": pl.Int64(),
    "confidence": pl.Float64(),
}
MOST_LABELS: Final = 100_000


class Labelled(BaseModel):
    """What quality is measured on.

    `labels`: the newest labelled rows with the columns of `LABELLED_SCHEMA`, oldest first; `traffic`: for every UTC day
    and model version the number of rows, labelled or not, and their mean confidence (`TRAFFIC_SCHEMA`).
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    labels: pl.DataFrame
    traffic: pl.DataFrame


def read_newest(database_url: str, model_name: str, model_version: str, rows: int) -> pl.DataFrame:
    """The newest `rows` rows of the version of each source, oldest first, with the columns of `WINDOW_SCHEMA`.

    `truth` is the latest label that came for a row, `source` where that came from. Raises StoreError when the database
    is out of reach.
    """
    arms = [
        rows_of(table, origin, model_name, table.c.model_version == model_version) for table, origin in (*SOURCES, PAGE)
    ]
    found = newest_of_each(arms, rows).cte("newest")
    answers = latest_answers(found)
    joined = found.outerjoin(answers, answers.c.prediction_id == found.c.id)
    chosen = select(found, answers.c.truth, answers.c.source).select_from(joined).subquery()
    ordered = select(*(chosen.c[name] for name in WINDOW_SCHEMA)).order_by(chosen.c.time, chosen.c.id)
    with reading(database_url) as connection:
        return _frame(connection.execute(ordered).all(), WINDOW_SCHEMA)


def read_labelled(database_url: str, model_name: str, since: datetime, limit: int = MOST_LABELS) -> Labelled:
    """The newest `limit` labelled rows of those predicted since then, of every version, and the traffic around them.

    Raises StoreError when the database is out of reach.
    """
    arms = []
    for table, origin in SOURCES:
        rows = rows_of(table, origin, model_name, table.c.time >= since).subquery()
        answers = latest_answers(rows)
        joined = select(rows, answers.c.truth, answers.c.source, answers.c.caller).join(
            answers, answers.c.prediction_id == rows.c.id
        )
        arms.append(joined)
    labelled = newest(arms, limit).cte("labelled")
    ordered = select(*(labelled.c[name] for name in LABELLED_SCHEMA)).order_by(labelled.c.time, labelled.c.id)
    with reading(database_url) as connection:
        labels = _frame(connection.execute(ordered).all(), LABELLED_SCHEMA)
        return Labelled(labels=labels, traffic=traffic_by_day(connection, model_name, since))


def traffic_by_day(connection: Connection, model_name: str, since: datetime) -> pl.DataFrame:
    """The rows that count by day and version, with their mean confidence: `TRAFFIC_SCHEMA`."""

    def counts(table: Any) -> Select[Any]:
        groups = [*begins(table.c, "day"), table.c.model_version]
        figures = [func.count().label("rows"), func.sum(table.c.confidence).label("confidence")]
        return select(*groups, *figures).where(*counted(table, model_name), table.c.time >= since).group_by(*groups)

    found = connection.execute(union_all(counts(predictions), counts(scores)))
    rows = [(begin_of(row, "day").date(), row.model_version, row.rows, row.confidence) for row in found]
    groups = pl.DataFrame(rows, schema=TRAFFIC_SCHEMA, orient="row").group_by("day", "model_version")
    summed = groups.agg(pl.col("rows").sum(), confidence=pl.col("confidence").sum() / pl.col("rows").sum())
    return summed.sort("day", "model_version")


def _frame(rows: Sequence[Row[Any]], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
