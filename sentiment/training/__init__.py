"""From a model config to a trained classifier, by the trainer that its kind names."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sentiment.closure import import_closure
from sentiment.data.reviews import Reviews
from sentiment.home import home
from sentiment.kinds import ModelConfig, kind_of, load, module_of
from sentiment.models.base import TextClassifier
from sentiment.text.normalise import TextNormaliser

Log = Callable[[int, dict[str, float]], None]


class Trainer(Protocol):
    """What a kind's `trainer` is."""

    def __call__(
        self,
        config: Any,
        train: Reviews,
        validation: Reviews,
        *,
        normaliser: TextNormaliser,
        seed: int,
        work_dir: Path,
        log: Log,
    ) -> TextClassifier:
        """Train on `train`, choose on `validation`; both hold normalised, labelled reviews.

        `config` is an instance of the kind's config class. Equal arguments give an equal classifier. `work_dir` is a
        folder that a killed run finds again, and that is removed at the end; `log(step, metrics)` takes learning
        curves. Raises ConfigError or DataError for what the user can change.
        """


def train_classifier(
    config: ModelConfig,
    train: Reviews,
    validation: Reviews,
    *,
    normaliser: TextNormaliser,
    seed: int,
    log: Log,
) -> TextClassifier:
    """Train the classifier that `config` describes; `log(step, metrics)` receives its learning curves."""
    # Keyed by everything that decides the result, so that a killed run finds its own checkpoints and no other's.
    parts = (config.model_dump_json(), normaliser.model_dump_json(), train.digest(), validation.digest(), str(seed))
    work_dir = home() / "checkpoints" / hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    work_dir.mkdir(parents=True, exist_ok=True)
    trainer: Trainer = load(_trainer_of(config.kind))
    classifier = trainer(config, train, validation, normaliser=normaliser, seed=seed, work_dir=work_dir, log=log)
    shutil.rmtree(work_dir)
    return classifier


def training_code(kind: str) -> str:
    """The digest of all code that decides what a model of this kind becomes, with the versions of its packages."""
    found = kind_of(kind)
    modules = {address.partition(":")[0] for address in (_trainer_of(kind), found.classifier)}
    closure = import_closure([__name__, module_of(kind), *modules])
    return closure._replace(packages=closure.packages.union(found.packages)).digest()


def _trainer_of(kind: str) -> str:
    trainer = kind_of(kind).trainer
    if trainer is None:
        raise TypeError(f"the kind {kind} has a config and no trainer")
    return trainer
