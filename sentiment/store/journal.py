"""`Journal`: what happened to a model, in order; what monitoring, alerts and retraining leave behind. `History`: a
period of it, and of the other tables, counted.

The history of champions is the registry's own; the journal holds what the registry cannot know.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from pydantic import ValidationError
from sqlalchemy import func, select

from sentiment.messages import Message
from sentiment.store.database import open_database
from sentiment.store.queries import SOURCES, Origin, Step, begin_of, begins, counted, insert_new, right_and_wrong
from sentiment.store.tables import events, predictions

Kind = Literal["score", "monitor", "decision", "alert", "promotion", "rollback", "deployment", "paused", "resumed"]
KINDS: tuple[Kind, ...] = get_args(Kind)


# Two machines that write at the same moment may take the same number; then their clocks decide.
_NEXT = select(func.coalesce(func.max(events.c.position), 0) + 1).scalar_subquery()
_NEWEST_FIRST = (events.c.position.desc(), events.c.time.desc(), events.c.id)


@dataclass(frozen=True)
class Entry:
    """One event. `summary` is a sentence for people; `detail` is JSON for programs. Neither holds an unmasked text."""

    kind: Kind
    summary: str
    model_version: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Journal:
    """The events of one model in the prediction database.

    The constructor and every method raise StoreError when the database is out of reach.
    """

    def __init__(self, database_url: str, model_name: str) -> None:
        self.model_name = model_name
        self._database = open_database(database_url)

    def record(self, entry: Entry) -> Entry:
        """Keep `entry`, once: of two with the same id the first stays."""
        row = {
            "id": entry.id,
            "time": entry.time,
            "kind": entry.kind,
            "model_name": self.model_name,
            "model_version": entry.model_version,
            "summary": entry.summary,
            "detail": entry.detail,
        }
        with self._database.begin() as connection:
            connection.execute(insert_new(self._database.dialect, events).values({**row, "position": _NEXT}))
        return entry

    def entries(self, kinds: Sequence[Kind] = KINDS, *, since: datetime | None = None, limit: int = 200) -> list[Entry]:
        """The latest events of these kinds, newest first: in the order they were written, whatever clocks said."""
        wanted = select(events).where(events.c.model_name == self.model_name, events.c.kind.in_(kinds))
        if since:
            wanted = wanted.where(events.c.time >= since)
        with self._database.begin() as connection:
            rows = connection.execute(wanted.order_by(*_NEWEST_FIRST).limit(limit)).all()
        return [Entry(row.kind, row.summary, row.model_version, row.detail, row.time, row.id) for row in rows]

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


def message_of(entry: Entry) -> Message | str:
    """What the entry says: its message, or the sentence of an entry that has none."""
    try:
        return Message.model_validate(entry.detail.get("message"))
    except ValidationError:
        return entry.summary


@contextmanager
def journal_of(database_url: str, model_name: str) -> Iterator[Journal]:
    """The journal of `model_name`, closed afterwards. Raises StoreError when the database is out of reach."""
    with closing(Journal(database_url, model_name)) as journal:
        yield journal


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


class History(Journal):
    """One model's past: its journal, and its traffic with what people said about it.

    Neither the shadow's predictions nor those of smoke tests count.
    """

    def traffic(self, since: datetime, step: Step) -> list[TrafficCount]:
        """Counts by time, model version and label, oldest first."""
        found: list[TrafficCount] = []
        with self._database.begin() as connection:
            for table, origin in SOURCES:
                groups = [*begins(table.c, step), table.c.model_version, table.c.label]
                ours = (*counted(table, self.model_name), table.c.time >= since)
                rows = connection.execute(select(*groups, func.count().label("rows")).where(*ours).group_by(*groups))
                found += [
                    TrafficCount(begin_of(row, step), origin, row.model_version, row.label, row.rows) for row in rows
                ]
        return sorted(found, key=lambda each: (each.time, each.origin, each.model_version, each.label))

    def answers(self, since: datetime) -> list[AnswerCount]:
        """Counts by day of the prediction and model version, oldest first."""
        shown = select(
            predictions.c.id, predictions.c.label, predictions.c.model_version, *begins(predictions.c, "day")
        ).where(*counted(predictions, self.model_name), predictions.c.time >= since)
        counts: dict[tuple[datetime, str], dict[bool, int]] = {}
        with self._database.begin() as connection:
            for row in connection.execute(right_and_wrong(shown.subquery())):
                counts.setdefault((begin_of(row, "day"), row.model_version), {})[bool(row.right)] = row.rows
        return [
            AnswerCount(time, version, count.get(True, 0), count.get(False, 0))
            for (time, version), count in sorted(counts.items())
        ]
