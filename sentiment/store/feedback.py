"""Labels from users with what they are about: read from the prediction database."""

from datetime import UTC, datetime, time
from typing import Any

import polars as pl
from sqlalchemy import Select, func, select

from sentiment.monitoring.window import read_labelled
from sentiment.store.caller import SMOKE_TEST_CALLER
from sentiment.store.database import database_errors, make_engine
from sentiment.store.migrations import upgrade
from sentiment.store.tables import feedback, predictions, scores

TIME = pl.Datetime("us", "UTC")
# A row a label. `text` and what follows are null when the prediction is not there (any more). `coverage` is the share
# of the predictions of that day, whoever asked, that have a label.
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String,
    "prediction_id": pl.String,
    "time": TIME,
    "label": pl.String,
    "caller": pl.String,
    "source": pl.String,
    "text": pl.String,
    "predicted": pl.String,
    "confidence": pl.Float64,
    "predicted_at": TIME,
    "category": pl.String,
    "language": pl.String,
    "coverage": pl.Float64,
}


def read_feedback(database_url: str, *, max_rows: int) -> pl.DataFrame:
    """The newest `max_rows` labels, oldest first, with the columns of `SCHEMA`.

    Labels on what a deployment's smoke test asked are left out. Raises StackError when the database cannot be used.
    """
    with database_errors():
        engine = make_engine(database_url)
        try:
            upgrade(engine)
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    # All labels take longer than a request may take.
                    connection.exec_driver_sql("SET LOCAL statement_timeout = '5min'")
                rows = connection.execution_options(stream_results=True).execute(_query(max_rows))
                columns = {name: kind for name, kind in SCHEMA.items() if name != "coverage"}
                frame = pl.DataFrame([tuple(row) for row in rows], schema=columns, orient="row")
        finally:
            engine.dispose()
    return _with_coverage(frame.reverse(), database_url)


def _with_coverage(frame: pl.DataFrame, database_url: str) -> pl.DataFrame:
    first = frame["predicted_at"].min()
    if not isinstance(first, datetime):
        return frame.with_columns(coverage=pl.lit(None, dtype=pl.Float64))
    traffic = read_labelled(database_url, datetime.combine(first, time.min, UTC), limit=1).traffic
    predicted = traffic.group_by("day").agg(pl.col("rows").sum())
    dated = frame.with_columns(day=pl.col("predicted_at").dt.date()).join(predicted, on="day", how="left")
    coverage = (pl.col("prediction_id").n_unique().over("day") / pl.col("rows")).alias("coverage")
    return dated.with_columns(coverage).select(list(SCHEMA))


def _query(max_rows: int) -> Select[Any]:
    """Both joins are by primary key, after the newest labels were chosen by the index on their time."""
    newest = select(feedback).order_by(feedback.c.time.desc(), feedback.c.id).limit(max_rows).subquery()
    asked, scored = predictions.c, scores.c
    from_either = [
        (asked.text, scored.text, "text"),
        (asked.label, scored.label, "predicted"),
        (asked.confidence, scored.confidence, "confidence"),
        (asked.time, scored.time, "predicted_at"),
    ]
    about = [func.coalesce(one, other).label(name) for one, other, name in from_either]
    answers = select(
        newest.c.id,
        newest.c.prediction_id,
        newest.c.time,
        newest.c.label,
        newest.c.caller,
        newest.c.source,
        *about,
        scored.category,
        scored.language,
    )
    joined = newest.outerjoin(predictions, asked.id == newest.c.prediction_id).outerjoin(
        scores, scored.id == newest.c.prediction_id
    )
    real = asked.caller.is_distinct_from(SMOKE_TEST_CALLER)
    return answers.select_from(joined).where(real).order_by(newest.c.time.desc(), newest.c.id)
