"""`Journal`: what happened to a model, in the order it happened; what monitoring, alerts and retraining leave behind.

The history of champions is the registry's own; the journal holds what the registry cannot know.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import select

from sentiment.store.database import open_database
from sentiment.store.queries import insert_new
from sentiment.store.tables import events

Kind = Literal["score", "monitor", "decision", "alert", "promotion", "rollback", "deployment", "paused", "resumed"]
KINDS: tuple[Kind, ...] = get_args(Kind)


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
            connection.execute(insert_new(self._database.dialect, events), row)
        return entry

    def entries(self, kinds: Sequence[Kind] = KINDS, *, since: datetime | None = None, limit: int = 200) -> list[Entry]:
        """The latest events of these kinds, newest first."""
        wanted = select(events).where(events.c.model_name == self.model_name, events.c.kind.in_(kinds))
        if since:
            wanted = wanted.where(events.c.time >= since)
        with self._database.begin() as connection:
            rows = connection.execute(wanted.order_by(events.c.time.desc(), events.c.id).limit(limit)).all()
        return [Entry(row.kind, row.summary, row.model_version, row.detail, row.time, row.id) for row in rows]

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


@contextmanager
def journal_of(database_url: str, model_name: str) -> Iterator[Journal]:
    """The journal of `model_name`, closed afterwards. Raises StoreError when the database is out of reach."""
    with closing(Journal(database_url, model_name)) as journal:
        yield journal
