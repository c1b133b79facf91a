"""The database of the prediction log: SQLite or PostgreSQL through SQLAlchemy.

Every row carries the id it was made with and is inserted with ON CONFLICT DO NOTHING, so writing a batch again after
a connection was lost in the middle of a commit changes nothing.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Insert,
    Table,
    and_,
    create_engine,
    delete,
    exists,
    extract,
    func,
    make_url,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError, StatementError

from sentiment.errors import ConfigError, StackError
from sentiment.home import home
from sentiment.store.migrations import upgrade
from sentiment.store.records import Event, FeedbackRecord, HourCount, PredictionRecord, Summary, to_row
from sentiment.store.tables import feedback, predictions, scores

DATABASE_VARIABLE = "SENTIMENT_DATABASE_URL"
SECONDS_TO_CONNECT = 3
SECONDS_PER_STATEMENT = 10
ROWS_PER_DELETE = 1000


class PredictionDatabase:
    """Reads and writes the prediction tables.

    Methods raise SQLAlchemyError when the database is out of reach.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = make_engine(database_url)
        self._upgraded = False

    def connect(self) -> None:
        """See that the database answers; the first time, bring its tables up to date."""
        if self._upgraded:
            with self._engine.connect() as connection:
                connection.execute(select(1))
        else:
            upgrade(self._engine)
            self._upgraded = True

    def insert(self, events: Sequence[Event]) -> list[Event]:
        """Write `events` in one transaction; returns those the database refuses for what is in them."""
        try:
            with self._engine.begin() as connection:
                self._insert(connection, events)
        except (StatementError, ValueError, OverflowError) as error:
            if not _is_refusal(error):
                raise
            return self._insert_one_by_one(events)
        return []

    def label_of(self, prediction_id: str) -> str | None:
        """The label that was predicted, for a request or in a batch; None for an unknown id."""
        found = (select(table.c.label).where(table.c.id == prediction_id) for table in (predictions, scores))
        with self._engine.connect() as connection:
            label: str | None = connection.scalar(union_all(*found))
            return label

    def recent(self, limit: int) -> list[PredictionRecord]:
        """The latest predictions, newest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(predictions).order_by(predictions.c.time.desc()).limit(limit))
            return [PredictionRecord(**row._mapping) for row in rows]

    def summary(self, since: datetime) -> Summary:
        """Counts of the predictions since then."""
        time = predictions.c.time
        hour = [extract(part, time).label(part) for part in ("year", "month", "day", "hour")]
        groups = [*hour, predictions.c.label, predictions.c.model_version, predictions.c.role]
        counted = select(*groups, func.count().label("rows"), func.sum(predictions.c.confidence).label("confidence"))
        with self._engine.connect() as connection:
            rows = connection.execute(counted.where(time >= since).group_by(*groups)).all()
            answers = connection.execute(_latest_answers(since)).all()
        return _summarise(since, rows, {bool(right): count for right, count in answers})

    def delete_before(self, cutoff: datetime, labelled_cutoff: datetime) -> bool:
        """Delete one small batch of what is older; predictions with labels go by a cut-off of their own, with them.

        False when nothing is left.
        """
        unlabelled = ~exists().where(feedback.c.prediction_id == predictions.c.id)
        outdated = (
            select(predictions.c.id)
            .where(predictions.c.time < cutoff, or_(unlabelled, predictions.c.time < labelled_cutoff))
            .order_by(predictions.c.time)
        )
        orphaned = select(feedback.c.id).where(
            feedback.c.time < cutoff,
            ~exists().where(predictions.c.id == feedback.c.prediction_id),
            ~exists().where(scores.c.id == feedback.c.prediction_id),
        )
        with self._engine.begin() as connection:
            ids = connection.scalars(outdated.limit(ROWS_PER_DELETE)).all()
            connection.execute(delete(feedback).where(feedback.c.prediction_id.in_(ids)))
            connection.execute(delete(predictions).where(predictions.c.id.in_(ids)))
            orphans = connection.scalars(orphaned.limit(ROWS_PER_DELETE)).all()
            connection.execute(delete(feedback).where(feedback.c.id.in_(orphans)))
        return len(ids) == ROWS_PER_DELETE or len(orphans) == ROWS_PER_DELETE

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _insert_one_by_one(self, events: Sequence[Event]) -> list[Event]:
        refused = []
        for event in events:
            try:
                with self._engine.begin() as connection:
                    self._insert(connection, [event])
            except (StatementError, ValueError, OverflowError) as error:
                if not _is_refusal(error):
                    raise
                refused.append(event)
        return refused

    def _insert(self, connection: Connection, events: Sequence[Event]) -> None:
        rows: dict[Table, list[dict[str, Any]]] = {predictions: [], feedback: []}
        for event in events:
            rows[feedback if isinstance(event, FeedbackRecord) else predictions].append(to_row(event))
        for table, values in rows.items():
            if values:
                connection.execute(self._insert_into(table), values)

    def _insert_into(self, table: Table) -> Insert:
        if self._engine.dialect.name == "sqlite":
            return sqlite.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()


@contextmanager
def database_errors() -> Iterator[None]:
    """For code that cannot go on without the database: its failures as StackError."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StackError(
            f"The prediction database cannot be used ({type(error).__name__}).",
            f"See that it runs and that {DATABASE_VARIABLE} names it.",
        ) from error


def default_database_url() -> str:
    """SENTIMENT_DATABASE_URL, else SQLite in SENTIMENT_HOME.

    From the environment where it is used, never from a config: it may hold a password.
    """
    return os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{home() / 'predictions.db'}"


def make_engine(database_url: str) -> Engine:
    """An engine for a SQLite file or a PostgreSQL server; nothing is connected yet.

    Raises ConfigError for any other URL.
    """
    url = _checked(database_url)
    arguments: dict[str, Any]
    if url.get_backend_name() == "sqlite":
        arguments = {"timeout": SECONDS_PER_STATEMENT}
    else:
        arguments = {
            "connect_timeout": SECONDS_TO_CONNECT,
            # A server that vanished without a word is noticed after this long, and not after TCP's quarter of an hour.
            "tcp_user_timeout": SECONDS_PER_STATEMENT * 1000,
            "options": f"-c statement_timeout={SECONDS_PER_STATEMENT}s -c timezone=UTC",
        }
    # Parameters hold the texts: they have no place in an error message.
    return create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)


def _checked(database_url: str) -> URL:
    fix = "Use sqlite:////folder/predictions.db or postgresql://user@host/database."
    try:
        url = make_url(database_url)
    except ArgumentError as error:
        raise ConfigError("The prediction log's database URL cannot be read.", fix) from error
    if url.drivername in {"postgres", "postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite":
        raise ConfigError(f"The prediction log does not work with {url.drivername}.", fix)
    if not url.database or url.database == ":memory:":
        raise ConfigError("The prediction log needs a SQLite file.", fix)
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return url


def _is_refusal(error: Exception) -> bool:
    """Whether the row is at fault. A StatementError itself (no subclass) is a value that could not be converted."""
    return isinstance(error, DataError | IntegrityError | ValueError | OverflowError) or type(error) is StatementError


def _latest_answers(since: datetime) -> Any:
    ranked = select(
        feedback.c.prediction_id,
        feedback.c.label,
        func.row_number()
        .over(partition_by=feedback.c.prediction_id, order_by=(feedback.c.time.desc(), feedback.c.id))
        .label("rank"),
    ).subquery()
    right = (ranked.c.label == predictions.c.label).label("right")
    joined = predictions.join(ranked, and_(ranked.c.prediction_id == predictions.c.id, ranked.c.rank == 1))
    return select(right, func.count()).select_from(joined).where(predictions.c.time >= since).group_by(right)


def _summarise(since: datetime, rows: Sequence[Any], answers: dict[bool, int]) -> Summary:
    labels, versions, roles = Counter[str](), Counter[str](), Counter[str]()
    hours: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    confidence = 0.0
    for row in rows:
        versions[row.model_version] += row.rows
        roles[row.role] += row.rows
        if row.role != "shadow":
            labels[row.label] += row.rows
            hours[datetime(int(row.year), int(row.month), int(row.day), int(row.hour), tzinfo=UTC)][row.label] += (
                row.rows
            )
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
