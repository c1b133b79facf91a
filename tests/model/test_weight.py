"""A transformer is serialised once a run: what the steps after training weigh, judge and register is its folder."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentiment.config.evaluation import EvaluationConfig
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.train import TrainConfig
from sentiment.data.reviews import Splits
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.judge import judge
from sentiment.lifecycle.card import Origin
from sentiment.lifecycle.lifecycle import Lifecycle
from sentiment.lifecycle.registration import register_candidate
from sentiment.models.folder import load_classifier, saved_folder, verify_manifest
from sentiment.models.transformer import TransformerClassifier
from sentiment.monitoring.reference import Reference
from sentiment.registry import Registry
from sentiment.training.majority import train_majority

QUICK = EvaluationConfig(resamples=200)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every folder that a transformer is serialised into."""
    folders: list[Path] = []
    write = TransformerClassifier.write
    monkeypatch.setattr(
        TransformerClassifier, "write", lambda self, folder: (folders.append(folder), write(self, folder))[1]
    )
    return folders


def test_from_training_to_the_registry_it_is_serialised_once(
    trained_transformer: TransformerClassifier, sample: Splits, tmp_path: Path, written: list[Path]
) -> None:
    trained_transformer.saved = None
    digest = trained_transformer.save(tmp_path / "artifact").digest  # as the step that trained does
    candidate = load_classifier(tmp_path / "artifact")  # as each later step does
    config = load_config(CONFIGS / "train.yaml", TrainConfig, ["candidates=[compact]", "candidates.compact.name=small"])
    probabilities = candidate.predict_proba(sample.test.texts)
    evaluation = evaluate(candidate, sample.test, QUICK, name="small", seed=0, probabilities=probabilities)
    majority = train_majority(sample.train, normaliser=candidate.normaliser)
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", "small")
    decision = judge(
        candidate,
        evaluation,
        baselines=[evaluate(majority, sample.test, QUICK, name="majority", seed=0)],
        probabilities=probabilities,
        train=sample.train,
        test=sample.test,
        registry=registry,
        evaluation_config=QUICK,
        gate_config=config.gate,
        seed=0,
    )
    registration = register_candidate(
        candidate,
        evaluation,
        decision,
        reference=Reference.build(candidate, sample, 0, accuracy=0.8, macro_f1=0.8),
        splits={"train": sample.train, "validation": sample.validation, "test": sample.test},
        config=config,
        metrics={},
        lifecycle=Lifecycle(registry, f"sqlite:///{tmp_path}/predictions.db"),
        run_id=None,
        origin=Origin(run="train-1", time=datetime.now(UTC), actor="kim", why="a test"),
        artifacts={},
    )
    assert written == [tmp_path / "artifact"]
    assert registration.version is not None
    assert registration.digest == decision.candidate_digest == digest
    assert verify_manifest(registry.fetch(registration.version, tmp_path / "fetched")) == digest
    assert evaluation.performance.size_bytes == sum(path.stat().st_size for path in (tmp_path / "artifact").iterdir())


def test_without_its_folder_it_is_serialised_again_and_is_the_same(
    trained_transformer: TransformerClassifier, tmp_path: Path, written: list[Path]
) -> None:
    trained_transformer.saved = None
    trained_transformer.save(tmp_path / "first")
    loaded = load_classifier(tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    digest = saved_folder(loaded).digest
    assert loaded.save(tmp_path / "second").digest == digest == verify_manifest(tmp_path / "second")
    assert written == [tmp_path / "first", tmp_path / "second"]
