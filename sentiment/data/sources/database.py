"""The rows of a database query as raw frames, through a cursor of the server's so that they are never all in memory.

The URL stands in an environment variable, and only the variable's name in a config: a URL may hold a password.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import URL, Connection, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from sentiment.config.dataset import DatasetConfig
from sentiment.data.names import listed
from sentiment.data.sources import Found, Source, opened
from sentiment.errors import OR, ConfigError, DataError, option
from sentiment.text.pii import mask

PREFIX = "database://"
_EXAMPLE = (
    "Name a SQLite file: export {variable}=sqlite:////folder/reviews.db"
    f"{OR}Name a PostgreSQL database: export {{variable}}=postgresql://user@host/database"
)
_ROWS = 1 << 16
_VARIABLE = re.compile(rf"{PREFIX}[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = (str, bool, int, float, datetime, date, type(None))
# What `sqlalchemy.text` would take for a parameter, such as the :mm of a time format.
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


class Database(Source):
    """What `dataset.query` gives from the database whose URL is in an environment variable."""

    schemes = ("database",)
    queried = f"{PREFIX}VARIABLE"
    ordered = False

    def frames(self, config: DatasetConfig, path: str, checksum: str | None, rows: int) -> Iterator[Found]:
        """The rows of the query."""
        for frame in query_batches(opened(path), str(config.query), rows):
            yield Found(path, None, frame)

    def digest(self, config: DatasetConfig, path: str, checksum: str | None) -> bytes:
        """A digest of the rows that the query gives now."""
        return query_digest(opened(path), str(config.query), _ROWS).encode()

    def check(self, config: DatasetConfig) -> None:
        """One query, so one database; its URL is never in the config."""
        if any(path and opened(path).startswith(PREFIX) for path in (config.validation_path, config.test_path)):
            raise ConfigError(
                "dataset: only path may be a database; a column of the query gives its splits.",
                f"{option('dataset.validation_path', None)} {option('dataset.test_path', None)} "
                "--set dataset.split_column=NAME",
            )
        super().check(config)
        if not _VARIABLE.fullmatch(opened(config.path)):
            raise ConfigError(
                "dataset: path must name the environment variable that holds the database's URL, not the URL itself.",
                f"For example: {option('dataset.path', f'{PREFIX}REVIEWS_DATABASE_URL')}",
            )


SOURCE = Database()


def query_batches(path: str, query: str, rows: int) -> Iterator[pl.DataFrame]:
    """Run `query` on the database that `path` (`database://VARIABLE`) names, in frames of at most `rows` rows.

    Nothing is ever committed. Raises ConfigError for a variable that is not set or holds no usable URL, DataError for
    a database out of reach, a query it refuses, one that gives two columns of one name, and one that gives no rows.
    """
    variable = path.removeprefix(PREFIX)
    url = _url(variable)
    try:
        engine = create_engine(url, hide_parameters=True)
    except (ImportError, ArgumentError) as error:
        raise ConfigError(
            f"The database of {variable} needs a driver that is not there ({type(error).__name__}).",
            f"{_EXAMPLE.format(variable=variable)}{OR}Install the driver of the other one with pip",
        ) from None
    found = False
    try:
        with engine.connect().execution_options(stream_results=True, max_row_buffer=rows) as connection:
            _only_read(connection)
            result = connection.execute(text(_PARAMETER.sub(r"\\:\1", query)))
            names = list(result.keys())
            if twice := {name for name in names if names.count(name) > 1}:
                raise DataError(
                    f"The query on {path} gives two columns of one name: {listed(twice)}.",
                    "Rename one with AS in dataset.query, as in SELECT a.id, b.id AS other_id",
                )
            for part in result.partitions(rows):
                found = True
                yield _frame(names, part)
    except SQLAlchemyError as error:
        raise DataError(
            f"The query on {path} failed: {_sentence(error)}.",
            "Correct the query, or start the database: --set 'dataset.query=SELECT ...'",
        ) from None
    finally:
        engine.dispose()
    if not found:
        raise DataError(
            f"The query on {path} gives no rows.", "Write one that gives some: --set 'dataset.query=SELECT ...'"
        )


def query_digest(path: str, query: str, rows: int) -> str:
    """A digest of the rows that the query gives now, whatever their order."""
    total = 0
    for frame in query_batches(path, query, rows):
        for line in frame.cast(pl.String).write_ndjson().encode().splitlines():
            total += int.from_bytes(hashlib.blake2b(line, digest_size=32).digest(), "big")
    return f"{total % (1 << 256):064x}"


def _url(variable: str) -> URL:
    value = os.environ.get(variable)
    if not value:
        raise ConfigError(
            f"dataset.path names the environment variable {variable}, which is not set.",
            _EXAMPLE.format(variable=variable),
        )
    try:
        url = make_url(value)
    except ArgumentError:
        raise ConfigError(
            f"The environment variable {variable} holds no database URL.",
            _EXAMPLE.format(variable=variable),
        ) from None
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        raise DataError(  # connecting would create it
            f"The SQLite file that {variable} names does not exist.",
            f"Name one that is there: export {variable}=sqlite:////folder/reviews.db",
        )
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgres", "postgresql"} else url


def _only_read(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET TRANSACTION READ ONLY"))
    elif connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA query_only = ON"))


def _frame(names: Sequence[str], rows: Sequence[Any]) -> pl.DataFrame:
    columns = zip(*rows, strict=True)
    return pl.DataFrame([_series(name, values) for name, values in zip(names, columns, strict=True)])


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    """A column; what is no text, number, date or truth value (a UUID, a Decimal) becomes text."""
    kinds = {type(value) for value in values} - {type(None)}
    if len(kinds) <= 1 and kinds <= set(_PLAIN):
        return pl.Series(name, values)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _sentence(error: SQLAlchemyError) -> str:
    """The driver's own words, without the statement and its parameters."""
    cause = getattr(error, "orig", None) or error
    return mask((str(cause).strip() or type(cause).__name__).splitlines()[0].rstrip("."))[:80]
