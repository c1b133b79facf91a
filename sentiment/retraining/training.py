"""What a retraining trains with: the champion's own config, so that no other data takes the champion's place."""

import os
import re
from typing import Any

import yaml

from sentiment.config.dataset import DatasetConfig
from sentiment.config.load import overlay, validate
from sentiment.config.retrain import RetrainConfig
from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.data.read import learn_labels
from sentiment.data.sources import shown
from sentiment.errors import OR, ConfigError, FilesGoneError, SentimentError, option
from sentiment.registry import Registry
from sentiment.registry.registry import DEFAULT_NAME

READING = ("text_column", "missing_values", "language", "max_chars")
DIALECT = ("encoding", "separator", "quote_char")


def training_config(config: RetrainConfig, registry: Registry) -> TrainConfig:
    """`config.train`; where that is null the config that the champion was trained with, and `config.train_changes`.

    Raises SentimentError when there is no champion, or its config cannot be read, ConfigError for changes that do not
    fit.
    """
    if config.train is not None:
        dataset, _ = learn_labels(config.train.dataset)
        return config.train.model_copy(update={"dataset": dataset})
    name, champion = registry.model_name, registry.champion()
    if champion is None:
        raise SentimentError(f"{name} has no champion to retrain.", f"Train one: {_train(name)}")
    own = config_of(registry, champion.version)
    if own is None:
        raise SentimentError(
            f"The config that {name} version {champion.version} was trained with is not stored, or not readable today.",
            f"Train it again: {_train(name)}"
            f"{OR}Name the config it was trained with: python run.py retrain --set train=configs/train.yaml",
        )
    if not config.train_changes:
        return own
    raw = overlay(own.model_dump(mode="json"), config.train_changes)
    source = f"The config of {name} version {champion.version} with train_changes"
    return validate(raw, TrainConfig, source, option_prefix="train.")


def _train(name: str) -> str:
    return "python run.py train" if name == DEFAULT_NAME else f"python run.py train {option('model_name', name)}"


def require_data_of_champion(training: TrainConfig, registry: Registry) -> None:
    """Raise ConfigError when `training` is for other data than the champion learnt from.

    That is another dataset, other labels, or texts that nobody wrote. A champion whose config is not stored cannot be
    compared with.
    """
    champion = registry.champion()
    own = config_of(registry, champion.version) if champion else None
    if champion is None or own is None or _same(own.dataset, training.dataset):
        return
    before, now = own.dataset, training.dataset
    raise ConfigError(
        f"The champion {registry.model_name} version {champion.version} was trained on {_shown(before, now)}; "
        f"the retrain config names {_shown(now, before)}.",
        f"Retrain on the champion's own data: python run.py retrain {option('train', None)}"
        f"{OR}Train on the other data under a name of its own: python run.py train --set model_name=NAME",
    )


def require_place_for(training: TrainConfig, registry: Registry) -> None:
    """Raise ConfigError when a training would compete for the place of a champion of other data.

    A demonstration on synthetic texts may be replaced by anything with its labels, and replaces nothing else.
    `training.replace_champion` says that other data is meant.
    """
    champion = registry.champion()
    own = config_of(registry, champion.version) if champion else None
    if champion is None or own is None or _same(own.dataset, training.dataset):
        return
    before, now = own.dataset, training.dataset
    comparable = before.labels == now.labels and (before.synthetic or not now.synthetic)
    if comparable and (before.synthetic or training.replace_champion):
        return
    name = re.sub(r"[^\w-]+", "-", now.name).strip("-") or "mine"
    other = name if name != registry.model_name else f"{name}-2"
    replacing = f"{OR}Let it compete for the place: --set replace_champion=true" if comparable else ""
    raise ConfigError(
        f"The champion {registry.model_name} version {champion.version} was trained on {_shown(before, now)}; "
        f"this run is for {_shown(now, before)}.",
        f"Give the new model a name of its own: --set model_name={other}{replacing}",
    )


def dataset_of(registry: Registry, version: int) -> str | None:
    """Name and place of what a version was trained on; None when its config is not stored, or not readable."""
    own = config_of(registry, version)
    return f"{own.dataset.name} ({shown(own.dataset.path)})" if own else None


def dataset_to_score(registry: Registry, *, dialect: bool) -> dict[str, Any]:
    """How the texts of the champion are read: what other texts are read like, as keys of a dataset.

    `dialect`: also how its files are written, which a file that was looked at says itself. Empty without a champion, or
    when its config is not stored.
    """
    champion = registry.champion()
    own = config_of(registry, champion.version) if champion else None
    keys = (*READING, *DIALECT) if dialect else READING
    return {} if own is None else own.dataset.model_dump(mode="json", include=set(keys), exclude_defaults=True)


def require_own_texts(dataset: DatasetConfig, registry: Registry) -> None:
    """Raise ConfigError when synthetic texts would be scored with a champion that learnt from real ones."""
    champion = registry.champion()
    own = config_of(registry, champion.version) if champion and dataset.synthetic else None
    if champion and own and not own.dataset.synthetic:
        raise ConfigError(
            f"The config names {dataset.name} ({shown(dataset.path)}), which is synthetic; the champion "
            f"{registry.model_name} version {champion.version} learnt from {_shown(own.dataset, dataset)}.",
            "Name what is to be scored: python run.py score FILE",
        )


def config_of(registry: Registry, version: int) -> TrainConfig | None:
    """The config that a version was trained with; None when it is not stored, or not readable today."""
    try:
        return validate(yaml.safe_load(registry.report(version, CONFIG_FILE)), TrainConfig, CONFIG_FILE, stored=True)
    except (ConfigError, FilesGoneError):
        return None


def _same(own: DatasetConfig, other: DatasetConfig) -> bool:
    place = _place(own) == _place(other) and own.name == other.name
    return place and own.labels == other.labels and (own.synthetic or not other.synthetic)


def _place(dataset: DatasetConfig) -> tuple[str, str | None]:
    return os.path.realpath(os.path.expanduser(shown(dataset.path))), dataset.query


def _shown(dataset: DatasetConfig, other: DatasetConfig) -> str:
    """The dataset, and in what it differs from `other` besides name and path."""
    labels = f", with the labels {', '.join(dataset.labels)}" if dataset.labels != other.labels else ""
    synthetic = ", which is synthetic" if dataset.synthetic and not other.synthetic else ""
    return f"{dataset.name} ({shown(dataset.path)}){labels}{synthetic}"
