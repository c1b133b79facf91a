"""Brings a prediction database to the tables of this code, with Alembic and without an ini file.

New migration: add a module to versions/ whose `down_revision` is the latest one. Take nothing away that the version
before writes to or reads: during a switch of versions, its server still uses the same database. A new column has a
default.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Connection, Engine, text

_logger = logging.getLogger(__name__)
# Any constant that no other user of the same PostgreSQL server picks for its advisory locks.
_ADVISORY_LOCK = 0x53454E54


def upgrade(engine: Engine) -> None:
    """Apply the migrations that are missing; processes that start together wait for one another.

    A database that a newer version has migrated is left alone: its changes only add, so this version can use it.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    with _locked(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == scripts.get_current_head():
            return
        if current is not None and current not in known:
            _logger.warning(
                "The prediction database has the tables of a newer version (%s): used as they are.", current
            )
            return
        if engine.dialect.name == "sqlite":
            # Its driver begins no transaction for DDL: a process killed half-way would leave half a migration.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _locked(engine: Engine) -> Iterator[Connection]:
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.lock"), engine.connect() as connection:
            # A property of the file, once and for all: readers never wait for the writer.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            yield connection
            connection.commit()
    else:
        with engine.begin() as connection:
            # An index on a large table takes longer than the engine's limit, and so may the process before this one.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield connection
