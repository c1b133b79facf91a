"""The tables of the prediction log: rows in, the latest and their counts out, old rows away.

Every row carries the id it was made with and is inserted with ON CONFLICT DO NOTHING, so writing a batch again after
a connection was lost in the middle of a commit changes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, func, or_, select, union_all
from sqlalchemy.exc import DataError, IntegrityError, StatementError

from sentiment.store.database import Database, StoreError, open_database
from sentiment.store.queries import Origin, asked, begin_of, begins, counted, insert_new, right_and_wrong
from sentiment.store.records import TRYOUT_CALLER, Event, FeedbackRecord, HourCount, PredictionRecord, Summary, to_row
from sentiment.store.tables import feedback, predictions, scores

ROWS_PER_DELETE: Final = 1000


@dataclass(frozen=True)
class Answered:
    """A label that somebody said is right."""

    label: str
    time: datetime
    source: str


@dataclass(frozen=True)
class Traced:
    """One prediction of any model, where it was asked and `how`; `feedback`, the newest first."""

    id: str
    time: datetime
    how: str
    model_name: str
    model_version: str
    text: str
    label: str
    confidence: float
    feedback: tuple[Answered, ...]
    origin: Origin = "endpoint"
    batch: str | None = None


def trace(database_url: str, prediction_id: str) -> Traced | None:
    """The prediction with this id, of a request or of a batch; None when there is none.

    Raises StoreError when the database is out of reach.
    """
    with closing(open_database(database_url)) as database, database.begin() as connection:
        found = None
        for table in (predictions, scores):
            found = found or connection.execute(select(table).where(table.c.id == prediction_id)).one_or_none()
        if found is None:
            return None
        newest = select(feedback).where(feedback.c.prediction_id == prediction_id).order_by(feedback.c.time.desc())
        answers = tuple(Answered(row.label, row.time, row.source) for row in connection.execute(newest))
    batch = getattr(found, "batch", None)
    return Traced(
        id=found.id,
        time=found.time,
        how=f"in the batch {batch}" if batch else f"by a request to the {found.role}",
        model_name=found.model_name,
        model_version=found.model_version,
        text=found.text,
        label=found.label,
        confidence=found.confidence,
        feedback=answers,
        origin="batch" if batch else "page" if found.caller == TRYOUT_CALLER else "endpoint",
        batch=batch,
    )


class PredictionDatabase:
    """Writes predictions and feedback of any model; reads, counts and deletes those of `model_name`.

    Methods raise StoreError when the database is out of reach.
    """

    def __init__(self, database_url: str, model_name: str) -> None:
        self._database = Database(database_url)
        self._model_name = model_name

    def connect(self) -> None:
        """See that the database answers; the first time, bring its tables up to date."""
        self._database.connect()

    def insert(self, events: Sequence[Event]) -> list[Event]:
        """Write `events` in one transaction; returns those the database refuses for what is in them."""
        if not self._refuses(events):
            return []
        return [event for event in events if self._refuses([event])]

    def label_of(self, prediction_id: str) -> str | None:
        """The label that was predicted, for a request or in a batch; None for an id that is not the model's."""
        found = (
            select(table.c.label).where(table.c.id == prediction_id, table.c.model_name == self._model_name)
            for table in (predictions, scores)
        )
        with self._database.begin() as connection:
            label: str | None = connection.scalar(union_all(*found))
            return label

    def recent(self, limit: int, *, tryouts: bool = False) -> list[PredictionRecord]:
        """The latest predictions, newest first, without those of smoke tests and, unless asked for, try-outs."""
        columns = [predictions.c[name] for name in PredictionRecord.__slots__]
        ours = select(*columns).where(*asked(predictions, self._model_name, tryouts=tryouts))
        with self._database.begin() as connection:
            rows = connection.execute(ours.order_by(predictions.c.time.desc()).limit(limit))
            return [PredictionRecord(*row) for row in rows]

    def summary(self, since: datetime) -> Summary:
        """Counts of the predictions since then."""
        groups = [
            *begins(predictions.c, "hour"),
            predictions.c.label,
            predictions.c.model_version,
            predictions.c.role,
        ]
        figures = [func.count().label("rows"), func.sum(predictions.c.confidence).label("confidence")]
        recent = predictions.c.time >= since
        by_group = select(*groups, *figures).where(*asked(predictions, self._model_name), recent).group_by(*groups)
        shown = select(predictions.c.id, predictions.c.label).where(*counted(predictions, self._model_name), recent)
        with self._database.begin() as connection:
            rows = connection.execute(by_group).all()
            answers = connection.execute(right_and_wrong(shown.subquery())).all()
        return _summarise(since, rows, {bool(row.right): row.rows for row in answers})

    def delete_before(self, cutoff: datetime, labelled_cutoff: datetime) -> bool:
        """Delete one small batch of what is older; predictions with labels go by a cut-off of their own, with them.

        False when nothing is left.
        """
        unlabelled = ~exists().where(feedback.c.prediction_id == predictions.c.id)
        outdated = (
            select(predictions.c.id)
            .where(
                predictions.c.model_name == self._model_name,
                predictions.c.time < cutoff,
                or_(unlabelled, predictions.c.time < labelled_cutoff),
            )
            .order_by(predictions.c.time)
        )
        orphaned = select(feedback.c.id).where(
            feedback.c.model_name == self._model_name,
            feedback.c.time < cutoff,
            ~exists().where(predictions.c.id == feedback.c.prediction_id),
            ~exists().where(scores.c.id == feedback.c.prediction_id),
        )
        with self._database.begin() as connection:
            ids = connection.scalars(outdated.limit(ROWS_PER_DELETE)).all()
            connection.execute(delete(feedback).where(feedback.c.prediction_id.in_(ids)))
            connection.execute(delete(predictions).where(predictions.c.id.in_(ids)))
            orphans = connection.scalars(orphaned.limit(ROWS_PER_DELETE)).all()
            connection.execute(delete(feedback).where(feedback.c.id.in_(orphans)))
        return len(ids) == ROWS_PER_DELETE or len(orphans) == ROWS_PER_DELETE

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def _refuses(self, events: Sequence[Event]) -> bool:
        """Write `events`, or none of them when one is at fault."""
        try:
            with self._database.begin() as connection:
                self._insert(connection, events)
        except (StoreError, ValueError, OverflowError) as error:
            if not _is_refusal(error):
                raise
            return True
        return False

    def _insert(self, connection: Connection, events: Sequence[Event]) -> None:
        rows: dict[Table, list[dict[str, Any]]] = {predictions: [], feedback: []}
        for event in events:
            rows[feedback if isinstance(event, FeedbackRecord) else predictions].append(to_row(event))
        for table, values in rows.items():
            if values:
                connection.execute(insert_new(self._database.dialect, table), values)


def _is_refusal(error: Exception) -> bool:
    """Whether the row is at fault. A StatementError itself (no subclass) is a value that could not be converted."""
    cause = error.__cause__ if isinstance(error, StoreError) else error
    return isinstance(cause, DataError | IntegrityError | ValueError | OverflowError) or type(cause) is StatementError


def _summarise(since: datetime, rows: Sequence[Any], answers: dict[bool, int]) -> Summary:
    labels, versions, roles = Counter[str](), Counter[str](), Counter[str]()
    hours: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    confidence = 0.0
    for row in rows:
        versions[row.model_version] += row.rows
        roles[row.role] += row.rows
        if row.role != "shadow":
            labels[row.label] += row.rows
            hours[begin_of(row, "hour")][row.label] += row.rows
            confidence += row.confidence
    total = labels.total()
    return Summary(
        since=since,
        complete=True,
        total=total,
        labels=dict(labels),
        model_versions=dict(versions),
        roles=dict(roles),
        mean_confidence=confidence / total if total else None,
        hours=tuple(HourCount(hour, dict(hours[hour])) for hour in sorted(hours)),
        confirmed=answers.get(True, 0),
        corrected=answers.get(False, 0),
    )
