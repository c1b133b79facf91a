"""The table `scores`, and the keys of its rows: many rows in, without those that are there; rows out by their keys.

SQLite takes many rows in one statement. PostgreSQL takes them through COPY into a temporary table
and `INSERT ... SELECT ... ON CONFLICT DO NOTHING`, because COPY itself stops at the first row that is there.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import polars as pl
import psycopg
from sqlalchemy import Connection, String, Text, cast, exists, select

from sentiment.errors import StackError
from sentiment.store.database import StoreError, open_database, reason_of
from sentiment.store.tables import scores

COLUMNS = tuple(column.name for column in scores.columns)
# What both databases read as a time in UTC, and what SQLAlchemy writes to SQLite.
TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.6f"
# Conversions of many rows are cheaper in columns than one by one: times and JSON come as text.
_READ = [
    cast(column, String).label(column.name) if not isinstance(column.type, String | Text) else column
    for column in scores.columns
    if column.name != "confidence"
] + [scores.c.confidence]
# SQLite takes 32,766 parameters in one statement.
SQLITE_ROWS = 1_000
# Keys are random, so every transaction touches pages all over the index; with the usual 2 MB they are read again and
# again.
SQLITE_CACHE_KIB = 16_384
SECONDS_PER_STATEMENT = 120


@dataclass(frozen=True)
class Target:
    """The rows of one batch from one version of a model."""

    model_name: str
    model_version: str
    batch: str

    def keys(self, review_ids: pl.Series) -> pl.Series:
        """The primary key of each review's row: 32 hexadecimal digits (BLAKE2b, 128 bits)."""
        start = "\x1f".join((self.model_name, self.batch, self.model_version, ""))
        common = hashlib.blake2b(start.encode(), digest_size=16)

        def key(review_id: str) -> str:
            digest = common.copy()
            digest.update(review_id.encode())
            return digest.hexdigest()

        return pl.Series([key(each) for each in review_ids.to_list()], dtype=pl.String)


class ScoreStore:
    """One database. Every method raises StackError when it is out of reach, full or refuses a row."""

    def __init__(self, database_url: str) -> None:
        with _resumable():
            self._database = open_database(database_url)

    def has_begun(self, target: Target) -> bool:
        """Whether the table has a row of the target."""
        of_target = (
            scores.c.model_name == target.model_name,
            scores.c.batch == target.batch,
            scores.c.model_version == target.model_version,
        )
        with self._transaction() as connection:
            return bool(connection.scalar(select(exists().where(*of_target))))

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that are there; at most 30,000 at once."""
        with self._transaction() as connection:
            return set(connection.scalars(select(scores.c.id).where(scores.c.id.in_(keys))))

    def insert(self, rows: pl.DataFrame) -> None:
        """Write `rows` (`COLUMNS`; times as `TIME_FORMAT`, JSON as text) in one transaction; what is there stays."""
        with self._transaction() as connection:
            _INSERTS[self._database.dialect](connection, rows.select(COLUMNS))

    def fetch(self, keys: Sequence[str]) -> pl.DataFrame:
        """The rows with these keys (at most 30,000 at once), in no order: `COLUMNS`, times as naive UTC."""
        with self._transaction() as connection:
            # The driver's own tuples: SQLAlchemy's rows would double the time.
            found = connection.execute(select(*_READ).where(scores.c.id.in_(keys))).cursor.fetchall()
        columns = zip(*found, strict=True) if found else [()] * len(_READ)
        types = [pl.Float64() if column.name == "confidence" else pl.String() for column in _READ]
        frame = pl.DataFrame(
            [
                pl.Series(column.name, values, dtype=kind)
                for column, values, kind in zip(_READ, columns, types, strict=True)
            ]
        )
        times = pl.col("time", "created_at").str.replace(r"\+00$", "").str.to_datetime("%Y-%m-%d %H:%M:%S%.f")
        return frame.with_columns(times.cast(pl.Datetime("us"))).select(COLUMNS)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        # Shards that write at once wait for one another.
        with _resumable(), self._database.begin(SECONDS_PER_STATEMENT) as connection:
            if self._database.dialect == "sqlite":
                connection.exec_driver_sql(f"PRAGMA cache_size = -{SQLITE_CACHE_KIB}")
            yield connection


def _insert_sqlite(connection: Connection, rows: pl.DataFrame) -> None:
    # Many rows a statement: the interpreter's lock is free while one runs, and the model goes on predicting.
    marks = f"({', '.join('?' * len(COLUMNS))})"
    for part in rows.iter_slices(SQLITE_ROWS):
        values = ", ".join([marks] * len(part))
        statement = f"INSERT INTO scores ({', '.join(COLUMNS)}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(part.rows())))


def _insert_postgresql(connection: Connection, rows: pl.DataFrame) -> None:
    names = ", ".join(COLUMNS)
    content = rows.write_csv(include_header=False, quote_style="non_numeric").encode()
    driver = connection.connection.driver_connection
    with driver.cursor() as cursor:  # type: ignore[union-attr]
        cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming (LIKE scores INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        )
        with cursor.copy(f"COPY incoming ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (text))") as copy:
            copy.write(content)
        # In one order, so that of two runs of the same batch one waits for the other, and not both.
        cursor.execute(
            f"INSERT INTO scores ({names}) SELECT {names} FROM incoming ORDER BY id ON CONFLICT DO NOTHING"  # noqa: S608
        )


_INSERTS = {"sqlite": _insert_sqlite, "postgresql": _insert_postgresql}


@contextmanager
def _resumable() -> Iterator[None]:
    try:
        yield
    except (StoreError, psycopg.Error) as error:
        raise StackError(
            f"The prediction database does not answer as it should: {reason_of(error).rstrip('.')[:200]}.",
            "Start it again, or free its disk, and run the same command again: no row is scored twice.",
        ) from error
