"""`TextClassifier`: the one shape of a model, and the folder it is saved in.

A model folder holds everything that decides a prediction: weights, tokenizer or vocabulary, labels and the text
normaliser. `classifier.json` names the kind; `manifest.json` lists the SHA-256 of every other file, and `load` refuses
a folder that does not match it.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from sentiment.models.manifest import SavedFolder, folder_size, write_identity, write_manifest
from sentiment.stats import Probabilities
from sentiment.tasks import FIRST
from sentiment.text.normalise import TextNormaliser


class Model(Protocol):
    """What predicting takes: a classifier, or another server's."""

    task: str
    labels: tuple[str, ...]

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)), each row summing to 1."""


class TextClassifier(ABC):
    """Raw texts in, one probability per label out. The normaliser is part of the model: callers never clean.

    `task` says what the labels mean (`sentiment.tasks`).
    """

    kind: ClassVar[str]
    task: str = FIRST
    saved: SavedFolder | None = None

    def __init__(self, labels: Sequence[str], normaliser: TextNormaliser) -> None:
        self.labels = tuple(labels)
        self.normaliser = normaliser

    @abstractmethod
    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), len(labels)), each row summing to 1."""

    def serve_threads(self) -> None:  # noqa: B027  (most kinds need nothing)
        """Called by a server, which predicts in several threads at once: share the processor with the others."""

    def save(self, folder: Path) -> SavedFolder:
        """Write the model folder (created if missing, must be empty), with its identity and its manifest.

        A classifier that was loaded copies its folder while that exists: nothing is serialised again.
        """
        known = self.saved
        if known and known.folder and known.folder.is_dir():
            shutil.copytree(known.folder, folder, dirs_exist_ok=True)
            return known
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder)
        write_identity(folder, self.kind, self.task, self.labels, self.normaliser)
        # Not where it is: the folder is the caller's, who may change it.
        self.saved = SavedFolder(write_manifest(folder), folder_size(folder))
        return self.saved

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write what predicting needs besides labels and normaliser into `folder`, no pickle among it.

        Equal classifiers write equal bytes.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder whose manifest has been verified."""


def batches_by_length(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Indices of rows, longest first, in batches of at most `tokens` padded tokens (at least one row each)."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size
