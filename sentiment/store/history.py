"""`History`: what the prediction database tells about a period, counted: traffic, answers of people, the journal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Select, Table, and_, extract, func, or_, select

from sentiment.store.caller import SMOKE_TEST_CALLER
from sentiment.store.database import make_engine
from sentiment.store.journal import Entry, Journal, Kind
from sentiment.store.tables import feedback, predictions, scores

Step = Literal["hour", "day"]
Origin = Literal["endpoint", "batch"]
PARTS: dict[Step, tuple[str, ...]] = {"day": ("year", "month", "day"), "hour": ("year", "month", "day", "hour")}


@dataclass(frozen=True)
class TrafficCount:
    """Rows of the hour or day (UTC) that begins at `time`."""

    time: datetime
    origin: Origin
    model_version: str
    label: str
    rows: int


@dataclass(frozen=True)
class AnswerCount:
    """What people said about the predictions of the day (UTC) that begins at `time`; their latest answers count."""

    time: datetime
    model_version: str
    confirmed: int
    corrected: int


class History:
    """Reads one model's past. Neither the shadow's predictions nor those of smoke tests count.

    The constructor and every method raise SQLAlchemyError when the database is out of reach.
    """

    def __init__(self, database_url: str, model_name: str) -> None:
        self._journal = Journal(database_url, model_name)
        self._engine = make_engine(database_url)

    def entries(self, kinds: Sequence[Kind], *, since: datetime | None, limit: int) -> list[Entry]:
        """The journal's, newest first."""
        return self._journal.entries(kinds, since=since, limit=limit)

    def traffic(self, since: datetime, step: Step) -> list[TrafficCount]:
        """Counts by time, model version and label, oldest first."""
        counted = [
            ("endpoint", _counted(predictions, since, step).where(*_seen())),
            ("batch", _counted(scores, since, step)),
        ]
        found: list[TrafficCount] = []
        with self._engine.connect() as connection:
            for origin, query in counted:
                found += [
                    TrafficCount(_begin(row, step), origin, row.model_version, row.label, row.rows)  # type: ignore[arg-type]
                    for row in connection.execute(query)
                ]
        return sorted(found, key=lambda each: (each.time, each.origin, each.model_version, each.label))

    def answers(self, since: datetime) -> list[AnswerCount]:
        """Counts by day of the prediction and model version, oldest first."""
        # Two answers of the same microsecond: any one of them, but always the same.
        rank = func.row_number().over(
            partition_by=feedback.c.prediction_id, order_by=(feedback.c.time.desc(), feedback.c.id)
        )
        ranked = select(feedback.c.prediction_id, feedback.c.label, rank.label("rank")).subquery()
        right = (ranked.c.label == predictions.c.label).label("right")
        parts = _parts(predictions, "day")
        query = (
            select(*parts, predictions.c.model_version, right, func.count().label("rows"))
            .select_from(predictions)
            .join(ranked, and_(ranked.c.prediction_id == predictions.c.id, ranked.c.rank == 1))
            .where(predictions.c.time >= since, *_seen())
            .group_by(*parts, predictions.c.model_version, right)
        )
        counts: dict[tuple[datetime, str], dict[bool, int]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                counts.setdefault((_begin(row, "day"), row.model_version), {})[bool(row.right)] = row.rows
        return [
            AnswerCount(time, version, count.get(True, 0), count.get(False, 0))
            for (time, version), count in sorted(counts.items())
        ]

    def close(self) -> None:
        """Close every connection."""
        self._journal.close()
        self._engine.dispose()


def _seen() -> tuple[Any, ...]:
    caller = predictions.c.caller
    return predictions.c.role != "shadow", or_(caller.is_(None), caller != SMOKE_TEST_CALLER)


def _parts(table: Table, step: Step) -> list[Any]:
    return [extract(part, table.c.time).label(part) for part in PARTS[step]]


def _counted(table: Table, since: datetime, step: Step) -> Select[Any]:
    groups = [*_parts(table, step), table.c.model_version, table.c.label]
    return select(*groups, func.count().label("rows")).where(table.c.time >= since).group_by(*groups)


def _begin(row: Any, step: Step) -> datetime:
    return datetime(*(int(getattr(row, part)) for part in PARTS[step]), tzinfo=UTC)  # type: ignore[arg-type,misc]
