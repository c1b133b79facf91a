"""What a retraining trains with: the champion's own config, changed if need be, and never on other data."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from sentiment.config.load import CONFIGS, load_config
from sentiment.config.monitor import MonitorConfig
from sentiment.config.retrain import RetrainConfig
from sentiment.config.score import ScoreConfig
from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.errors import ConfigError, SentimentError
from sentiment.retraining.training import (
    dataset_to_score,
    require_data_of_champion,
    require_own_texts,
    require_place_for,
    training_config,
)

SHOP = ("dataset.name=shop", "dataset.path=reviews.csv", "dataset.rating_column=stars", "split.test=0.3")


class FakeRegistry:
    """A champion with the config it was trained with, as `register_candidate` keeps it."""

    model_name = "sentiment"

    def __init__(self, stored: str | None, *, champion: bool = True) -> None:
        self.stored = stored
        self._champion = SimpleNamespace(version=3) if champion else None

    def champion(self) -> Any:
        return self._champion

    def report(self, version: int, name: str) -> str:
        assert (version, name) == (3, CONFIG_FILE)
        if self.stored is None:
            raise ConfigError("There is no such report.")
        return self.stored


@pytest.fixture
def own() -> TrainConfig:
    return load_config(CONFIGS / "train.yaml", TrainConfig, SHOP)


@pytest.fixture
def registry(own: TrainConfig) -> Any:
    return FakeRegistry(yaml.safe_dump(own.model_dump(mode="json"), allow_unicode=True))


def config(*overrides: str) -> RetrainConfig:
    return load_config(CONFIGS / "retrain.yaml", RetrainConfig, overrides)


def test_the_shipped_config_trains_as_the_champion_was_trained(registry: Any, own: TrainConfig) -> None:
    training = training_config(config(), registry)
    assert training == own
    assert (training.dataset.path, training.dataset.synthetic) == ("reviews.csv", False)
    require_data_of_champion(training, registry)


def test_overrides_change_what_the_champion_was_trained_with(registry: Any, own: TrainConfig) -> None:
    changed = config(
        "train.gate.max_ece=0.15",
        "train.candidates.linear.c=3",
        "train.baseline=linear",
        "train.dataset.created_from=2025-01-01",
    )
    assert RetrainConfig.model_validate_json(changed.model_dump_json()) == changed
    training = training_config(changed, registry)
    assert training.gate.max_ece == 0.15
    assert [each.name for each in training.candidates] == [each.name for each in own.candidates]
    assert training.candidates[0].model_dump()["c"] == 3
    assert training.baseline == own.baseline
    assert str(training.dataset.created_from) == "2025-01-01"
    assert training.split == own.split
    require_data_of_champion(training, registry)


def test_a_list_of_candidates_is_replaced_and_its_entries_changed(registry: Any) -> None:
    training = training_config(
        config("train.candidates=[linear, compact]", "train.candidates.compact.epochs=1"), registry
    )
    assert [each.name for each in training.candidates] == ["linear", "compact"]
    assert training.candidates[1].model_dump()["epochs"] == 1


def test_overrides_reach_through_the_monitor_config(registry: Any) -> None:
    monitor = load_config(CONFIGS / "monitor.yaml", MonitorConfig, ["retrain.train.split.test=0.4"])
    assert monitor.model_name == "sentiment"
    assert training_config(monitor.retrain, registry).split.test == 0.4


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.gate.max_ec=0.1", r"version 3 .* unknown key 'gate.max_ec'\.\s+fix: Did you mean 'max_ece'\?"),
        ("train.candidates.liner.min_count=3", r"no entry 'liner'\.\s+fix: Did you mean 'linear'\?"),
    ],
)
def test_a_change_that_does_not_fit_is_named(registry: Any, override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        training_config(config(override), registry)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            ("train=configs/train.yaml",),
            r"The champion sentiment version 3 was trained on shop \(reviews.csv\); the retrain config names "
            r"sample \(data/sample/reviews.csv\), which is synthetic\.\s+"
            r"fix: Retrain on the champion's own data: python run\.py retrain",
        ),
        (("train.dataset.path=other.csv",), r"names shop \(other.csv\)\."),
        (("train.dataset.name=other",), r"names other \(reviews.csv\)\."),
        (("train.dataset.synthetic=true",), r"names shop \(reviews.csv\), which is synthetic\."),
        (
            ("train.dataset.labels=[negative, positive, neutral]",),
            r"shop \(reviews.csv\), with the labels negative, positive; .* the labels negative, positive, neutral\.",
        ),
    ],
)
def test_other_data_than_the_champions_is_refused_with_both_named(
    registry: Any, overrides: tuple[str, ...], words: str
) -> None:
    training = training_config(config(*overrides), registry)
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        require_data_of_champion(training, registry)


def test_the_same_data_may_be_named_and_all_else_may_differ(registry: Any) -> None:
    named = (f"train.{each}" for each in (*SHOP[:3], "gate.max_ece=0.2", "candidates=[compact]", "seed=7"))
    training = training_config(config("train=configs/train.yaml", *named), registry)
    assert training.seed == 7
    require_data_of_champion(training, registry)


@pytest.mark.parametrize("stored", [None, "", "dataset: gone\nsplitt: 3\n"])
def test_a_champion_without_a_readable_config_needs_one_named(stored: str | None) -> None:
    registry: Any = FakeRegistry(stored)
    with pytest.raises(
        SentimentError,
        match=r"(?s)version 3 was trained with .*\n   or: Name the config it was trained with: python run\.py retrain",
    ):
        training_config(config(), registry)
    named = training_config(config("train=configs/train.yaml"), registry)
    require_data_of_champion(named, registry)


def test_without_a_champion_there_is_nothing_to_retrain() -> None:
    registry: Any = FakeRegistry(None, champion=False)
    with pytest.raises(SentimentError, match="sentiment has no champion to retrain"):
        training_config(config(), registry)
    require_data_of_champion(training_config(config("train=configs/train.yaml"), registry), registry)


def a_training(*overrides: str) -> TrainConfig:
    return load_config(CONFIGS / "train.yaml", TrainConfig, overrides)


def test_the_champion_of_other_data_is_not_replaced_unasked(registry: Any) -> None:
    other = ("dataset.path=my reviews.csv",)
    with pytest.raises(
        ConfigError, match=r"was trained on shop \(reviews\.csv\); this run is for my reviews "
    ) as caught:
        require_place_for(a_training(*other), registry)
    named = re.findall(r"--set (\S+)", caught.value.fix)
    assert [each.rstrip(";") for each in named] == ["model_name=my-reviews", "replace_champion=true"]
    require_place_for(a_training(*other, "replace_champion=true"), registry)


@pytest.mark.parametrize("change", [(), ("dataset.path=x.csv", "dataset.labels=[bad, good]")])
def test_what_cannot_be_compared_or_is_synthetic_never_replaces_real_data(registry: Any, change: Any) -> None:
    with pytest.raises(ConfigError, match="is for") as caught:
        require_place_for(a_training(*change, "replace_champion=true"), registry)
    assert "replace_champion" not in caught.value.fix


def test_the_demo_and_the_same_data_may_be_replaced(registry: Any) -> None:
    require_place_for(a_training(*SHOP[:3], "seed=7"), registry)
    nobody: Any = FakeRegistry(None, champion=False)
    demo: Any = FakeRegistry(a_training().model_dump_json())
    require_place_for(a_training("dataset.path=mine.csv"), demo)
    require_place_for(a_training(), demo)
    require_place_for(a_training(), nobody)
    with pytest.raises(ConfigError, match=r"labels negative, positive, .*; this run is for mine .* labels bad, good"):
        require_place_for(a_training("dataset.path=mine.csv", "dataset.labels=[bad, good]"), demo)


def test_what_is_scored_is_read_as_the_champions_own_texts_are(own: TrainConfig) -> None:
    dataset = own.dataset.model_copy(update={"text_column": "내용", "encoding": "cp949", "missing_values": ["없음"]})
    stored = yaml.safe_dump(own.model_copy(update={"dataset": dataset}).model_dump(mode="json"), allow_unicode=True)
    registry: Any = FakeRegistry(stored)
    texts = {"text_column": "내용", "missing_values": ["없음"]}
    assert dataset_to_score(registry, dialect=False) == texts
    assert dataset_to_score(registry, dialect=True) == {**texts, "encoding": "cp949"}
    nothing: Any = FakeRegistry(None)
    nobody: Any = FakeRegistry(stored, champion=False)
    assert dataset_to_score(nothing, dialect=True) == dataset_to_score(nobody, dialect=True) == {}

    under = {"dataset": dataset_to_score(registry, dialect=True)}
    score = load_config(CONFIGS / "score.yaml", ScoreConfig, ["dataset.path=new.csv"], under=under).dataset
    assert (score.text_column, score.encoding, score.missing_values) == ("내용", "cp949", ["없음"])
    named = ["dataset.path=new.csv", "dataset.text_column=body", "dataset.encoding=utf-8"]
    score = load_config(CONFIGS / "score.yaml", ScoreConfig, named, under=under).dataset
    assert (score.text_column, score.encoding, score.missing_values) == ("body", "utf-8", ["없음"])


def test_the_bundled_sample_is_not_scored_with_a_model_of_real_texts(registry: Any, own: TrainConfig) -> None:
    sample = load_config(CONFIGS / "score.yaml", ScoreConfig).dataset
    with pytest.raises(ConfigError, match=r"names reviews \(.*\), which is synthetic; .* learnt from shop") as raised:
        require_own_texts(sample, registry)
    assert raised.value.fix == "Name what is to be scored: python run.py score FILE"
    require_own_texts(own.dataset, registry)
    demo = own.model_copy(update={"dataset": sample})
    demonstration: Any = FakeRegistry(yaml.safe_dump(demo.model_dump(mode="json"), allow_unicode=True))
    require_own_texts(sample, demonstration)
