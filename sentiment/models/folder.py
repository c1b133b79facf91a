"""Model folders: loading the right kind of classifier. The one address of all that is done with them."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment import tasks
from sentiment.errors import ConfigError, SentimentError
from sentiment.kinds import kind_of, load
from sentiment.models.manifest import (
    IDENTITY,
    MANIFEST,
    MLMODEL,
    SavedFolder,
    folder_digest,
    folder_size,
    read_identity,
    verify_manifest,
    write_manifest,
)
from sentiment.stored import UPDATE, require_known_format

if TYPE_CHECKING:
    from sentiment.models.base import TextClassifier

__all__ = [
    "IDENTITY",
    "MANIFEST",
    "MLMODEL",
    "SavedFolder",
    "folder_digest",
    "folder_size",
    "load_classifier",
    "read_identity",
    "saved_folder",
    "verify_manifest",
    "write_manifest",
]

# Of `classifier.json`. It is written there from 2 on: a further key would change the digest of every model.
FORMAT = 1


def saved_folder(classifier: "TextClassifier") -> SavedFolder:
    """What saving `classifier` gives. It is written only when no load and no save has told yet."""
    if classifier.saved is None:
        with tempfile.TemporaryDirectory() as temporary:
            return classifier.save(Path(temporary) / "model")
    return classifier.saved


def load_classifier(folder: Path) -> "TextClassifier":
    """Verify a model folder and load the classifier it holds."""
    digest = verify_manifest(folder)
    identity = json.loads((folder / IDENTITY).read_text(encoding="utf-8"))
    require_known_format(identity, FORMAT, f"The model in {folder}")
    kind, task = identity["kind"], identity.get("task", tasks.FIRST)
    try:
        cls: type[TextClassifier] = load(kind_of(kind).classifier)
    except ConfigError as error:
        raise SentimentError(
            f"{folder} holds a classifier of the unknown kind {kind!r}: {error.cause}", error.fix
        ) from error
    if task not in tasks.names():
        raise SentimentError(f"{folder} holds a classifier of the unknown task {task!r}.", UPDATE)
    classifier = cls.load(folder)
    classifier.task = task
    classifier.saved = SavedFolder(digest, folder_size(folder), folder.absolute())
    return classifier
