"""The three questions that every reader asks, each written once: which rows count, the latest answer, the newest rows.

Predictions of the endpoint (`predictions`) and of batches (`scores`) are the same to a reader.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Insert,
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
from sqlalchemy.dialects import postgresql, sqlite

from sentiment.store.records import SMOKE_TEST_CALLER, TRYOUT_CALLER
from sentiment.store.tables import feedback, predictions, scores

Origin = Literal["endpoint", "batch", "page"]
Step = Literal["hour", "day"]
SOURCES: Final[tuple[tuple[Table, Origin], ...]] = ((predictions, "endpoint"), (scores, "batch"))
# What people try on the page is nobody's traffic: it is looked at by itself, and counts nowhere.
PAGE: Final[tuple[Table, Origin]] = (predictions, "page")
PARTS: Final[dict[Step, tuple[str, ...]]] = {
    "day": ("year", "month", "day"),
    "hour": ("year", "month", "day", "hour"),
}


def asked(table: Table, model_name: str, *, tryouts: bool = False) -> list[ColumnElement[bool]]:
    """The rows of one model, without those of smoke tests and (unless asked for) try-outs, which are no customer's."""
    ours = table.c.model_name == model_name
    if table is scores:
        return [ours]
    caller, others = table.c.caller, (SMOKE_TEST_CALLER, *(() if tryouts else (TRYOUT_CALLER,)))
    return [ours, or_(caller.is_(None), caller.not_in(others))]


def counted(table: Table, model_name: str) -> list[ColumnElement[bool]]:
    """The rows of one model that count: of those asked not the shadow's, which no caller has seen."""
    rows = asked(table, model_name)
    return rows if table is scores else [*rows, table.c.role != "shadow"]


def tried(model_name: str) -> list[ColumnElement[bool]]:
    """The try-outs of one model, which are not among the rows that count."""
    ours = predictions.c.model_name == model_name
    return [ours, predictions.c.caller == TRYOUT_CALLER, predictions.c.role != "shadow"]


def rows_of(table: Table, origin: Origin, model_name: str, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Of the rows of a source what both tables have, and where they come from."""
    columns = [table.c[name] for name in ("id", "time", "model_version", "text", "label", "confidence")]
    where = (*(tried(model_name) if origin == "page" else counted(table, model_name)), *conditions)
    return select(*columns, cast(literal(origin), String).label("origin")).where(*where)


def latest_answers(rows: FromClause) -> Subquery:
    """Of several answers to one of `rows` the latest: `prediction_id`, `truth`, `source` and `caller`.

    Of two answers at one time it is always the same one.
    """
    rank = func.row_number().over(
        partition_by=feedback.c.prediction_id, order_by=(feedback.c.time.desc(), feedback.c.id)
    )
    answer = feedback.c
    columns = (answer.prediction_id, answer.label.label("truth"), answer.source, answer.caller, rank.label("rank"))
    ranked = select(*columns).where(feedback.c.prediction_id.in_(select(rows.c.id))).subquery()
    return select(ranked).where(ranked.c.rank == 1).subquery()


def right_and_wrong(rows: FromClause) -> Select[Any]:
    """How many of `rows` the latest answer called `right` (with their label) and how many not, by their other columns.

    `rows` has `id` and `label`.
    """
    answers = latest_answers(rows)
    right = (answers.c.truth == rows.c.label).label("right")
    groups = [column for column in rows.c if column.name not in {"id", "label"}]
    joined = rows.join(answers, answers.c.prediction_id == rows.c.id)
    return select(*groups, right, func.count().label("rows")).select_from(joined).group_by(*groups, right)


def newest(arms: Sequence[Select[Any]], limit: int) -> Select[Any]:
    """The newest rows of all arms together."""
    return _head(newest_of_each(arms, limit).subquery(), limit)


def newest_of_each(arms: Sequence[Select[Any]], limit: int) -> CompoundSelect[Any]:
    """The newest rows of every arm: of each a walk along its index, whatever the database makes of a union."""
    parts = [_head(arm.subquery(), limit).subquery() for arm in arms]
    return union_all(*(select(part) for part in parts))


def begins(columns: Any, step: Step) -> list[ColumnElement[int]]:
    """The parts of `time` that tell one hour or day (UTC) from another; `columns` are those of a table or query."""
    return [extract(part, columns.time).label(part) for part in PARTS[step]]


def begin_of(row: Any, step: Step) -> datetime:
    """When the hour or day of a row with the columns of `begins` begins."""
    year, month, day, *hour = (int(getattr(row, part)) for part in PARTS[step])
    return datetime(year, month, day, hour[0] if hour else 0, tzinfo=UTC)


def _head(rows: Subquery, limit: int) -> Select[Any]:
    return select(rows).order_by(rows.c.time.desc(), rows.c.id).limit(limit)


def insert_new(dialect: str, table: Table) -> Insert:
    """An insert of rows that leaves those alone whose key is there."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing()
