"""What makes a folder a model folder: its identity, and the manifest over every other file."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sentiment.digests import file_digest
from sentiment.errors import OR, SentimentError
from sentiment.stored import ROLL_BACK
from sentiment.tasks import FIRST
from sentiment.text.normalise import TextNormaliser

IDENTITY = "classifier.json"
MANIFEST = "manifest.json"
# MLflow reads it where the registry keeps a model folder, to show what goes in and out. It decides no prediction.
MLMODEL = "MLmodel"


class SavedFolder(NamedTuple):
    """A model folder that was written, or verified: its digest, its bytes, and where it is to be copied from."""

    digest: str
    size: int
    folder: Path | None = None


def write_identity(folder: Path, kind: str, task: str, labels: Sequence[str], normaliser: TextNormaliser) -> None:
    """Write `classifier.json`: kind, labels in class order, and the normaliser's settings.

    The first task is not written: a further key would change the digest of every model.
    """
    other = {} if task == FIRST else {"task": task}
    identity = {"kind": kind, **other, "labels": list(labels), "normaliser": normaliser.model_dump()}
    (folder / IDENTITY).write_text(json.dumps(identity, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_identity(folder: Path) -> tuple[list[str], TextNormaliser]:
    """Read back what `write_identity` wrote: labels and normaliser."""
    identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    return identity["labels"], TextNormaliser.model_validate(identity["normaliser"])


def write_manifest(folder: Path) -> str:
    """Write `manifest.json` over every other file of the folder; returns the folder's digest."""
    files = {name: file_digest(folder / name) for name in _files(folder)}
    text = json.dumps({"files": files}, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return folder_digest(folder)


def folder_digest(folder: Path) -> str:
    """SHA-256 of the manifest: one value that stands for every byte of the model."""
    return file_digest(folder / MANIFEST)


def folder_size(folder: Path) -> int:
    """Bytes of all files that the model consists of."""
    return sum((folder / name).stat().st_size for name in (*_files(folder), MANIFEST))


def verify_manifest(folder: Path) -> str:
    """Check every file against the manifest and return the folder's digest.

    Raises SentimentError when the manifest is missing, or a file was added, lost or altered.
    """
    if not (folder / MANIFEST).is_file():
        raise SentimentError(
            f"{folder} is not a model folder: it has no {MANIFEST}.",
            "Name the folder that `save` of a classifier wrote, or that a download of a version made.",
        )
    expected: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    actual = {name: file_digest(folder / name) for name in _files(folder)}
    altered = sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))
    if altered:
        raise SentimentError(
            f"The model folder {folder} does not match its manifest: {', '.join(altered[:5])}.",
            f"Delete the folder, so that it is fetched again: rm -r {shlex.quote(str(folder))}{OR}{ROLL_BACK}",
        )
    return folder_digest(folder)


def _files(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in paths if name not in {MANIFEST, MLMODEL})
