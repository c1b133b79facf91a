"""Train a registered version again, on the very rows and with its own config, and compare what comes out."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sentiment.data.reviews import Reviews
from sentiment.errors import ConfigError
from sentiment.models.folder import load_classifier, saved_folder
from sentiment.registry import Registry
from sentiment.registry.records import ModelVersion
from sentiment.retraining.training import config_of
from sentiment.tasks import task_of
from sentiment.training import train_classifier

# A processor with other instructions sums in another order.
TOLERANCE = 1e-4
SHORTEST_DIGEST = 6


class Reproduction(NamedTuple):
    """What training again gave, on `rows` validation rows; `largest_difference` is that of a probability.

    `identical`: the model folders are equal, byte for byte.
    """

    version: int
    identical: bool
    rows: int
    agreement: float
    largest_difference: float

    @property
    def reproduced(self) -> bool:
        """Whether every row has the same answer, with the same probabilities but for rounding."""
        return self.agreement == 1 and self.largest_difference <= TOLERANCE

    @property
    def summary(self) -> str:
        """The comparison in one sentence."""
        if self.identical:
            return f"Version {self.version} is reproduced, byte for byte."
        how = "is reproduced" if self.reproduced else "is not reproduced"
        return (
            f"Version {self.version} {how}: the same answer on {self.agreement:.2%} of {self.rows:,} validation rows, "
            f"the largest difference of a probability is {self.largest_difference:.2g}."
        )


def find_version(registry: Registry, wanted: str) -> ModelVersion:
    """The version with this number, else the newest whose digest begins so.

    Raises ConfigError when there is none.
    """
    if wanted.isdecimal() and len(wanted) < SHORTEST_DIGEST:
        return registry.get(int(wanted))
    found = [each for each in registry.versions() if each.digest.startswith(wanted.lower())]
    if len(wanted) < SHORTEST_DIGEST or not found:
        raise ConfigError(
            f"{registry.model_name} has no version {wanted!r}.",
            "Give its number, or the digest that its card begins with: python run.py models list",
        )
    return found[-1]


def reproduce(registry: Registry, found: ModelVersion, train: Reviews, validation: Reviews) -> Reproduction:
    """Train `found` again on its rows and compare.

    Raises ConfigError when the config of the version is not stored, or does not name its model.
    """
    config = config_of(registry, found.version)
    name = found.tags.get("candidate", "")
    model = next((each for each in config.models() if each.name == name), None) if config else None
    if config is None or model is None:
        raise ConfigError(
            f"Version {found.version} of {registry.model_name} does not say how it was trained.",
            "A version that is trained now does: python run.py train",
        )
    again = train_classifier(
        model, train, validation, normaliser=config.normaliser, seed=config.seed, log=lambda step, metrics: None
    )
    with tempfile.TemporaryDirectory() as folder:
        registered = load_classifier(registry.fetch(found.version, Path(folder)))
        before, now = registered.predict_proba(validation.texts), again.predict_proba(validation.texts)
    task = task_of(registered.task)
    return Reproduction(
        version=found.version,
        identical=saved_folder(again).digest == found.digest,
        rows=len(validation),
        agreement=float((task.answers(now) == task.answers(before)).mean()),
        largest_difference=float(np.abs(now - before).max()),
    )
