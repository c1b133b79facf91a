"""The champion of a registry in SQLite, read without MLflow, whose import alone costs seconds.

Knows three of MLflow's tables; a test holds it against the real client. A database it does not understand is no
error here: the caller asks MLflow instead.
"""

import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_QUERY = """
SELECT v.version, v.source, t.value
FROM registered_model_aliases a
JOIN model_versions v ON v.name = a.name AND v.version = a.version
JOIN model_version_tags t ON t.name = a.name AND t.version = a.version AND t.key = 'digest'
WHERE a.name = ? AND a.alias = 'champion' AND a.workspace = 'default'
"""


class LocalChampion(NamedTuple):
    """A champion whose model folder lies on this machine. `digest` is the one it was registered with."""

    version: int
    folder: Path
    digest: str


def local_champion(database: Path, model_name: str) -> LocalChampion | None:
    """The champion of `model_name`; None when there is none, or it cannot be had without MLflow."""
    if not database.is_file():
        return None
    connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    try:
        row = connection.execute(_QUERY, (model_name,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    finally:
        connection.close()
    if row is None:
        return None
    version, source, digest = row
    address = urlsplit(source)
    folder = Path(unquote(address.path) if address.scheme == "file" else source)
    return LocalChampion(version, folder, digest) if folder.is_dir() else None
