"""A registry in SQLite, read without MLflow, whose import alone costs more than a second.

Knows five of MLflow's tables; a test holds it against the real client. A database it does not understand is no
error here: the caller asks MLflow instead.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

_QUERY = """
SELECT v.version, v.source, t.value
FROM registered_model_aliases a
JOIN model_versions v ON v.name = a.name AND v.version = a.version
JOIN model_version_tags t ON t.name = a.name AND t.version = a.version AND t.key = 'digest'
WHERE a.name = ? AND a.alias = 'champion' AND a.workspace = 'default'
"""


_OURS = "name = ? AND workspace = 'default'"
_DELETED = "Deleted_Internal"  # the stage by which MLflow's store marks a deleted version


class VersionRow(Protocol):
    """What both MLflow's client and its database say of a version."""

    @property
    def version(self) -> int | str:
        """Its number."""

    @property
    def run_id(self) -> str | None:
        """The run that has its files."""

    @property
    def source(self) -> str:
        """Where its model folder lies."""

    @property
    def creation_timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def tags(self) -> dict[str, str]:
        """Everything else."""


class LocalVersion(NamedTuple):
    """A version as the database has it."""

    version: int
    run_id: str | None
    source: str
    creation_timestamp: int
    tags: dict[str, str]


class RegisteredModel(NamedTuple):
    """A registered model: its tags, the versions that its aliases point at, and all versions."""

    tags: dict[str, str]
    aliases: dict[str, int]
    versions: Sequence[VersionRow]


class LocalChampion(NamedTuple):
    """A champion whose model folder lies on this machine. `digest` is the one it was registered with."""

    version: int
    folder: Path
    digest: str


def local_model(database: Path, model_name: str) -> RegisteredModel | None:
    """Everything that the registry says of `model_name`; None when it has to be asked of MLflow."""
    if not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:

            def rows(columns: str, table: str) -> list[Any]:
                return connection.execute(f"SELECT {columns} FROM {table} WHERE {_OURS}", (model_name,)).fetchall()  # noqa: S608

            if not rows("name", "registered_models"):
                return None
            tags: dict[int, dict[str, str]] = {}
            for version, key, value in rows("version, key, value", "model_version_tags"):
                tags.setdefault(int(version), {})[key] = value
            return RegisteredModel(
                dict(rows("key, value", "registered_model_tags")),
                {alias: int(version) for alias, version in rows("alias, version", "registered_model_aliases")},
                [
                    LocalVersion(int(version), run_id, source, int(created), tags.get(int(version), {}))
                    for version, run_id, source, created, stage in rows(
                        "version, run_id, source, creation_time, current_stage", "model_versions"
                    )
                    if stage != _DELETED
                ],
            )
    except sqlite3.DatabaseError:
        return None


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
