"""The majority classifier: the floor that a model has to clear to be worth anything."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from sentiment.models.base import TextClassifier
from sentiment.models.folder import read_identity
from sentiment.stats import Probabilities
from sentiment.text.normalise import TextNormaliser

PRIORS = "priors.json"


class MajorityClassifier(TextClassifier):
    """Every text gets the shares the labels had in training."""

    kind: ClassVar[str] = "majority"

    def __init__(self, priors: Sequence[float], labels: Sequence[str], normaliser: TextNormaliser) -> None:
        super().__init__(labels, normaliser)
        self.priors = tuple(priors)

    def predict_proba(self, texts: Sequence[str]) -> Probabilities:
        """The priors, once per text."""
        return np.tile(np.array(self.priors, dtype=np.float32), (len(texts), 1))

    def write(self, folder: Path) -> None:
        """Write `priors.json`."""
        (folder / PRIORS).write_text(json.dumps(self.priors) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder whose manifest has been verified."""
        labels, normaliser = read_identity(folder)
        return cls(json.loads((folder / PRIORS).read_text(encoding="utf-8")), labels, normaliser)
