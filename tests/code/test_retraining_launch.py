"""After the training: a new champion is deployed or taken back, and a dead database does not stop that half-way."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines import retrain as launch
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.retrain import RetrainConfig
from sentiment.config.train import CONFIG_FILE, TrainConfig
from sentiment.errors import ConfigError, DataError, GateError, SentimentError, StackError
from sentiment.retraining.decision import RetrainDecision
from sentiment.store.database import default_database_url
from sentiment.store.journal import journal_of


class FakeRegistry:
    """A champion with its config."""

    model_name = "sentiment"
    training = load_config(CONFIGS / "train.yaml", TrainConfig)

    def __init__(self, *_: object) -> None:
        pass

    def champion(self) -> Any:
        return SimpleNamespace(version=1)

    def report(self, version: int, name: str) -> str:
        assert (version, name) == (1, CONFIG_FILE)
        return yaml.safe_dump(self.training.model_dump(mode="json"))


class FakeLifecycle:
    """Goes back to the champion before, if there is one."""

    before: int | None = 1

    def __init__(self, *_: object) -> None:
        self.registry = FakeRegistry()
        self.reasons: list[str] = []

    def roll_back(self, reason: str, *, actor: str) -> Any:
        if self.before is None:
            raise GateError("There is no earlier champion.")
        self.reasons.append(reason)
        return SimpleNamespace(version=self.before)


@pytest.fixture
def config() -> RetrainConfig:
    return load_config(CONFIGS / "retrain.yaml", RetrainConfig)


@pytest.fixture
def decision() -> RetrainDecision:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return RetrainDecision(time=now, retrain=True, reason="drift", trigger="drift", summary="Retrain.", evidence={})


class World:
    """What the launch calls, replaced: no pipeline is run and no server started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alerts: list[str] = []
        self.deployed = 0
        self.failure: SentimentError | None = None
        self.outcome = "promote"
        self.training_fails: Exception | None = None
        self.after_training: Any = lambda: None
        self.trained_with: TrainConfig | None = None
        monkeypatch.setattr(launch, "registry_of", FakeRegistry)
        self.lifecycle = FakeLifecycle()
        monkeypatch.setattr(launch, "settled_lifecycle", lambda *_: self.lifecycle)
        monkeypatch.setattr(launch, "_train", self._train)
        monkeypatch.setattr(launch, "launch_deploy", self._deploy)
        monkeypatch.setattr("stacks.alerts.send_alert", lambda kind, *_, **__: self.alerts.append(kind))

    def run(self, config: RetrainConfig, decision: RetrainDecision) -> launch.RetrainResult:
        return launch.launch_retrain(config, "laptop", decision=decision, use_cache=True, on_step=print)

    def journal(self) -> list[tuple[str, str]]:
        with journal_of(default_database_url(), "sentiment") as journal:
            return [(entry.kind, entry.detail.get("outcome", "")) for entry in reversed(journal.entries())]

    def _train(self, _: RetrainConfig, training: TrainConfig, *__: object, **___: object) -> Any:
        self.trained_with = training
        if self.training_fails:
            raise self.training_fails
        promoted = self.outcome == "promote"
        trained = SimpleNamespace(
            outcome="promoted" if promoted else "refused",
            decision=SimpleNamespace(outcome=self.outcome, summary="The gate has spoken."),
            registration=SimpleNamespace(promoted=promoted, version=2, model_name="sentiment"),
            champion_version=2 if promoted else 1,
        )
        self.after_training()
        return SimpleNamespace(), trained

    def _deploy(self, *_: object, **__: object) -> Any:
        self.deployed += 1
        if self.failure:
            raise self.failure
        return SimpleNamespace(deployment=SimpleNamespace(summary="It serves.", models=[SimpleNamespace(version="2")]))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_new_champion_is_deployed(world: World, config: RetrainConfig, decision: RetrainDecision) -> None:
    result = world.run(config, decision)
    assert (result.outcome, world.deployed) == ("promoted", 1)
    assert world.journal() == [("decision", ""), ("decision", "promoted")]


def test_it_trains_with_the_champions_own_config(
    world: World, config: RetrainConfig, decision: RetrainDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_config(CONFIGS / "train.yaml", TrainConfig, ["dataset.path=mine.csv", "split.test=0.3"])
    monkeypatch.setattr(FakeRegistry, "training", own)
    world.run(config, decision)
    assert world.trained_with == own


def test_other_data_is_refused_before_anything_starts_and_told(
    world: World, decision: RetrainDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_config(CONFIGS / "train.yaml", TrainConfig, ["dataset.path=mine.csv"])
    monkeypatch.setattr(FakeRegistry, "training", own)
    demo = load_config(CONFIGS / "retrain.yaml", RetrainConfig, ["train=configs/train.yaml"])
    with pytest.raises(ConfigError, match="which is synthetic"):
        world.run(demo, decision)
    assert world.trained_with is None
    assert (world.journal(), world.alerts) == ([], ["failed_run"])


def test_a_refusal_deploys_nothing(world: World, config: RetrainConfig, decision: RetrainDecision) -> None:
    world.outcome = "refuse"
    result = world.run(config, decision)
    assert (result.outcome, world.deployed) == ("refused", 0)
    assert world.journal() == [("decision", ""), ("decision", "refused")]


def test_what_cannot_be_deployed_is_taken_back(world: World, config: RetrainConfig, decision: RetrainDecision) -> None:
    world.failure = StackError("The smoke test failed.")
    result = world.run(config, decision)
    assert (result.outcome, result.rollout.back_to) == ("rolled back", 1)
    assert world.lifecycle.reasons == ["the retrained version could not be deployed: The smoke test failed."]
    assert "version 1, which still serves, is the champion again. The smoke test failed." in result.summary
    assert world.journal()[-1] == ("decision", "rolled back")


def test_the_first_champion_has_nothing_to_go_back_to(
    world: World, config: RetrainConfig, decision: RetrainDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeLifecycle, "before", None)
    world.failure = StackError("The port is taken.")
    result = world.run(config, decision)
    assert (result.outcome, result.rollout.back_to) == ("promoted", None)
    assert "it stays the champion. The port is taken." in result.summary


def test_deployment_can_be_switched_off(world: World, config: RetrainConfig, decision: RetrainDecision) -> None:
    assert world.run(config.model_copy(update={"deploy": False}), decision).outcome == "promoted"
    assert world.deployed == 0


def test_a_failed_training_is_kept_and_raised(world: World, config: RetrainConfig, decision: RetrainDecision) -> None:
    world.training_fails = DataError("There are too few rows.")
    with pytest.raises(DataError, match="too few rows"):
        world.run(config, decision)
    assert world.journal() == [("decision", ""), ("decision", "failed")]


def test_a_decision_against_retraining_runs_nothing(
    world: World, config: RetrainConfig, decision: RetrainDecision
) -> None:
    with pytest.raises(SentimentError, match="It is paused"):
        world.run(config, decision.model_copy(update={"retrain": False, "summary": "It is paused."}))
    assert world.journal() == []


def test_a_database_that_dies_meanwhile_does_not_keep_a_champion_from_being_deployed(
    world: World, config: RetrainConfig, decision: RetrainDecision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder.db"
    folder.mkdir()
    world.after_training = lambda: monkeypatch.setenv("SENTIMENT_DATABASE_URL", f"sqlite:///{folder}")
    assert world.run(config, decision).outcome == "promoted"
    assert world.deployed == 1
