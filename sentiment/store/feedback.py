"""Labels from users with what they are about, for retraining."""

from datetime import UTC, datetime, time
from typing import Any, Final

import polars as pl
from sqlalchemy import Connection, Select, and_, func, or_, select

from sentiment.store.database import reading
from sentiment.store.queries import counted
from sentiment.store.tables import feedback, predictions, scores
from sentiment.store.window import TIME, traffic_by_day

# A row a label. `text` and what follows are null when the prediction is not there (any more). `coverage` is the share
# of the predictions of that day, whoever asked, that have a label.
SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
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

MOST_ROWS = 200_000  # of texts, all in memory at once


def read_feedback(database_url: str, model_name: str, *, max_rows: int = MOST_ROWS) -> pl.DataFrame:
    """The newest `max_rows` labels for one model, oldest first, with the columns of `SCHEMA`.

    Labels on what a deployment's smoke test asked are left out. Raises StoreError when the database is out of reach.
    """
    columns = {name: kind for name, kind in SCHEMA.items() if name != "coverage"}
    with reading(database_url) as connection:
        found = connection.execute(_query(model_name, max_rows), execution_options={"stream_results": True})
        frame = pl.DataFrame([tuple(row) for row in found], schema=columns, orient="row").reverse()
        return _with_coverage(frame, connection, model_name)


def _with_coverage(frame: pl.DataFrame, connection: Connection, model_name: str) -> pl.DataFrame:
    first = frame["predicted_at"].min()
    if not isinstance(first, datetime):
        return frame.with_columns(coverage=pl.lit(None, dtype=pl.Float64))
    traffic = traffic_by_day(connection, model_name, datetime.combine(first, time.min, UTC))
    predicted = traffic.group_by("day").agg(pl.col("rows").sum())
    dated = frame.with_columns(day=pl.col("predicted_at").dt.date()).join(predicted, on="day", how="left")
    coverage = (pl.col("prediction_id").n_unique().over("day") / pl.col("rows")).alias("coverage")
    return dated.with_columns(coverage).select(list(SCHEMA))


def _query(model_name: str, max_rows: int) -> Select[Any]:
    """Both joins are by primary key, after the newest labels were chosen by the index on their model and time."""
    ours = select(feedback).where(feedback.c.model_name == model_name)
    newest = ours.order_by(feedback.c.time.desc(), feedback.c.id).limit(max_rows).subquery()
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
    # Whoever writes labels without the model's name may label another model's prediction: its labels are not ours.
    about_ours = or_(
        and_(asked.id.is_(None), scored.id.is_(None)),
        and_(*counted(predictions, model_name)),
        and_(*counted(scores, model_name)),
    )
    return answers.select_from(joined).where(about_ours).order_by(newest.c.time.desc(), newest.c.id)
