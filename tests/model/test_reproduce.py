"""Training a registered version again: the same rows give the same model, other rows do not pass for it."""

from datetime import UTC, datetime

import pytest
import yaml

from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.errors import ConfigError
from sentiment.lifecycle import Lifecycle
from sentiment.models.folder import saved_folder
from sentiment.registry import Registry
from sentiment.retraining.reproduction import find_version, reproduce
from sentiment.training import train_classifier

CONFIG = load_config(CONFIGS / "train.yaml", TrainConfig)


@pytest.fixture(scope="module")
def registry(sample: Splits, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("registry")
    model = CONFIG.candidates[0]
    trained = train_classifier(
        model,
        sample.train,
        sample.validation,
        normaliser=CONFIG.normaliser,
        seed=CONFIG.seed,
        log=lambda step, metrics: None,
    )
    trained.save(folder / "model")
    registry = Registry(f"sqlite:///{folder / 'mlflow.db'}")
    lifecycle = Lifecycle(registry, f"sqlite:///{folder / 'journal.db'}")
    stored = {CONFIG_FILE: yaml.safe_dump(CONFIG.model_dump(mode="json"), allow_unicode=True)}
    for reports, tags in ((stored, {"candidate": model.name}), ({}, {})):
        lifecycle.register(
            folder / "model",
            digest=saved_folder(trained).digest,
            dataset_digest="",
            metrics={},
            card=f"{datetime.now(UTC)}",
            actor="kim",
            tags=tags,
            reports=reports,
        )
    return registry


def test_the_same_rows_give_the_same_model(registry: Registry, sample: Splits) -> None:
    version = find_version(registry, "1")
    again = reproduce(registry, version, sample.train, sample.validation)
    assert again.identical
    assert again.reproduced
    assert again.summary == "Version 1 is reproduced, byte for byte."


def test_other_rows_are_told_apart(registry: Registry, sample: Splits) -> None:
    half = Reviews.from_frame(sample.train.frame().head(len(sample.train) // 2), sample.train.labels)
    again = reproduce(registry, find_version(registry, "1"), half, sample.validation)
    assert not again.identical
    assert not again.reproduced
    assert "Version 1 is not reproduced: the same answer on " in again.summary


def test_a_version_is_found_by_its_number_and_by_its_digest(registry: Registry) -> None:
    digest = registry.get(1).digest
    assert find_version(registry, digest[:12].upper()).version == 2  # the newest of equal ones
    for wanted in ("3", "fffffff", digest[:4], "newest"):
        with pytest.raises(ConfigError, match="has no version"):
            find_version(registry, wanted)


def test_a_version_that_does_not_say_how_it_was_trained(registry: Registry, sample: Splits) -> None:
    with pytest.raises(ConfigError, match="Version 2 of sentiment does not say how it was trained"):
        reproduce(registry, registry.get(2), sample.train, sample.validation)
