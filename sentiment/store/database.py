"""The database itself: SQLite or PostgreSQL through SQLAlchemy. Opened here, by whoever reads or writes.

What goes wrong leaves this package as one exception, `StoreError`, so nobody else needs to know SQLAlchemy.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, make_url, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from sentiment.errors import OR, ConfigError, StackError
from sentiment.home import home
from sentiment.store.migrations import upgrade
from sentiment.text.pii import mask

DATABASE_VARIABLE: Final = "SENTIMENT_DATABASE_URL"
SECONDS_TO_CONNECT: Final = 3
SECONDS_PER_STATEMENT: Final = 10
# A month of traffic takes longer to count than a request may take.
SECONDS_TO_COUNT: Final = 300


class StoreError(StackError):
    """The database is out of reach, or refuses what it was asked.

    `kind` is the name of the driver's exception; `reason` what it said, masked. Only the first is sure to hold neither
    an address nor a value.
    """

    def __init__(self, error: Exception) -> None:
        self.kind = type(error).__name__
        self.reason = reason_of(error)
        super().__init__(
            f"The prediction database cannot be used ({self.kind}).",
            f"Start it{OR}Name another: export {DATABASE_VARIABLE}=sqlite:////folder/predictions.db",
        )


class Database:
    """One database and its connections. Methods raise StoreError when it is out of reach.

    Nothing is connected before `connect`. Raises ConfigError for a URL that is neither SQLite's nor PostgreSQL's.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = make_engine(database_url)
        self._upgraded = False

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def connect(self) -> None:
        """See that the database answers; the first time, bring its tables up to date."""
        with _store_errors():
            if self._upgraded:
                with self._engine.connect() as connection:
                    connection.execute(select(1))
            else:
                upgrade(self._engine)
                self._upgraded = True

    @contextmanager
    def begin(self, seconds: int = SECONDS_PER_STATEMENT) -> Iterator[Connection]:
        """A transaction; one statement may take, or wait for other writers, this long."""
        with _store_errors(), self._engine.begin() as connection:
            if seconds != SECONDS_PER_STATEMENT:
                limit = (
                    f"PRAGMA busy_timeout = {seconds * 1000}"
                    if self.dialect == "sqlite"
                    else f"SET LOCAL statement_timeout = '{seconds}s'"
                )
                connection.exec_driver_sql(limit)
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(database_url: str) -> Database:
    """The database with its tables up to date. Raises StoreError when it is out of reach."""
    with _store_errors():
        database = Database(database_url)
    try:
        database.connect()
    except StoreError:
        database.close()
        raise
    return database


@contextmanager
def reading(database_url: str) -> Iterator[Connection]:
    """A connection for one long look at many rows. Raises StoreError when the database is out of reach."""
    with closing(open_database(database_url)) as database, database.begin(SECONDS_TO_COUNT) as connection:
        yield connection


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


def reason_of(error: Exception) -> str:
    """The first line of what the driver said, masked: SQLAlchemy adds the statement below it."""
    if isinstance(error, StoreError):
        return error.reason
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    return mask(said.splitlines()[0])


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, CommandError, OSError) as error:
        raise StoreError(error) from error


def _checked(database_url: str) -> URL:
    fix = (
        f"Name a SQLite file: export {DATABASE_VARIABLE}=sqlite:////folder/predictions.db"
        f"{OR}Name a PostgreSQL database: export {DATABASE_VARIABLE}=postgresql://user@host/database"
    )
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
