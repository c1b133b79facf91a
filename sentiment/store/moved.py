"""SQLite databases whose folder was moved or copied: the absolute paths in them still name the old place.

MLflow and ZenML keep where every file of theirs lies, as an absolute path.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

TEXT = ("CHAR", "TEXT")  # in the declared type of a column that may hold a path


def values_of(database: Path, table: str, column: str) -> list[str]:
    """The values of a column; none where there is no such table, or the database does not open."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(f'SELECT "{column}" FROM "{table}"').fetchall()  # noqa: S608 - names of ours
    except sqlite3.Error:
        return []
    return [value for (value,) in rows if isinstance(value, str)]


def rename_folder(database: Path, before: Path, after: Path) -> int:
    """Write `after` in the place of `before` in every path that lies in it; returns how many values were changed.

    All or none: one transaction. Paths inside JSON are found, too. Raises sqlite3.Error when it cannot be written.
    """
    old, new = f"{before}/", f"{after}/"
    changed = 0
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in list(_text_columns(connection)):
            for start in ("", "file://"):
                changed += connection.execute(
                    f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '  # noqa: S608 - names of the schema
                    f'WHERE substr("{column}", 1, ?) = ?',
                    (start + new, len(start + old) + 1, len(start + old), start + old),
                ).rowcount
            changed += connection.execute(
                f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)',  # noqa: S608
                (_in_json(old), _in_json(new), _in_json(old)),
            ).rowcount
    return changed


def _in_json(path: str) -> str:
    """How a string that begins with `path` is written in JSON, up to there."""
    return json.dumps(path)[:-1]


def _text_columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for _, column, declared, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            if any(kind in declared.upper() for kind in TEXT):
                yield table, column
