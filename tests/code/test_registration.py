"""What registering keeps: the evidence once, the digests it says, and where the validation rows lie."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

import steps.deployment as deployment_step
from sentiment.config.load import CONFIGS, load_config
from sentiment.config.retrain import RetrainConfig
from sentiment.config.train import TrainConfig
from sentiment.data.read import learn_labels
from sentiment.data.reviews import Reviews
from sentiment.evaluation.gate import GateDecision, decide
from sentiment.lifecycle import Lifecycle
from sentiment.lifecycle.card import Origin
from sentiment.lifecycle.deployment import ServedModel
from sentiment.lifecycle.registration import Registration, register_candidate
from sentiment.models.folder import saved_folder
from sentiment.models.majority import MajorityClassifier
from sentiment.monitoring.reference import REFERENCE_FILE, Reference
from sentiment.registry import Registry
from sentiment.retraining.training import require_place_for, training_config
from sentiment.text.normalise import TextNormaliser
from steps.deployment import validation_rows
from tests.code.evaluation_factories import LABELS, make_evaluation, make_reviews, random_probabilities

GOLDEN = Path(__file__).parents[1] / "golden" / "v0.1"
TRUTH = np.arange(60) % 2
SPLITS = {name: make_reviews([0, 1], text=[f"{name} 1", f"{name} 2"]) for name in ("train", "validation", "test")}
REFERENCE = Reference.model_validate_json((GOLDEN / "reports" / "reference.json").read_text(encoding="utf-8"))
CONFIG = load_config(CONFIGS / "train.yaml", TrainConfig)
ORIGIN = Origin(
    run="retrain-7", time=datetime(2026, 11, 29, tzinfo=UTC), actor="kim", why="a drop", feedback="250 of 290"
)


@pytest.fixture
def lifecycle(tmp_path: Path, empty_database: bytes) -> Lifecycle:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    return Lifecycle(Registry(f"sqlite:///{tmp_path / 'mlflow.db'}"), f"sqlite:///{tmp_path / 'journal.db'}")


def registered(
    lifecycle: Lifecycle, positive: float, outcome: str, reference: Reference = REFERENCE, config: TrainConfig = CONFIG
) -> Registration:
    candidate = MajorityClassifier([1 - positive, positive], list(LABELS), TextNormaliser())
    evaluation = make_evaluation(make_reviews(TRUTH.tolist()), random_probabilities(TRUTH, 2, 3, 0), name="linear")
    champion, digest = lifecycle.registry.champion(), saved_folder(candidate).digest
    decision = decide(
        evaluation,
        [],
        None,
        None,
        CONFIG.gate,
        candidate_digest=digest,
        champion_digest=champion.digest if champion else None,
    )
    return register_candidate(
        candidate,
        evaluation,
        GateDecision.model_validate({**decision.model_dump(), "outcome": outcome}),
        reference=reference,
        splits=SPLITS,
        config=config,
        metrics={"macro_f1": 0.8},
        lifecycle=lifecycle,
        run_id=None,
        origin=ORIGIN,
        artifacts={"train": "its-id", "validation": "an-id"},
    )


def test_what_the_gate_approved_is_champion_and_keeps_its_evidence(lifecycle: Lifecycle) -> None:
    first = registered(lifecycle, 0.6, "promote")
    assert (first.version, first.promoted) == (1, True)
    assert first.summary == "sentiment version 1 (linear) is registered and promoted to champion."
    version = lifecycle.registry.get(1)
    assert version.tags["validation_artifact"] == "an-id"
    assert version.dataset_digest == SPLITS["train"].digest()

    assert version.tags["training_artifact"] == "its-id"

    refused = registered(lifecycle, 0.7, "refuse")
    assert (refused.version, refused.promoted) == (2, False)
    assert refused.summary == "sentiment version 2 (linear) is registered, not promoted."


def test_labels_that_the_rows_said_are_those_of_the_next_training(lifecycle: Lifecycle) -> None:
    automatic = load_config(CONFIGS / "train.yaml", TrainConfig, ["dataset.labels=auto"])
    assert automatic.dataset.labels == []
    registered(lifecycle, 0.6, "promote", config=automatic)
    again = training_config(load_config(CONFIGS / "retrain.yaml", RetrainConfig), lifecycle.registry)
    assert again.dataset.labels == list(LABELS)
    learnt, counts = learn_labels(automatic.dataset)
    assert learnt == again.dataset
    assert list(counts) == list(LABELS)
    require_place_for(automatic.model_copy(update={"dataset": learnt}), lifecycle.registry)


def test_an_unchanged_run_leaves_the_champions_reference_alone(lifecycle: Lifecycle) -> None:
    registered(lifecycle, 0.6, "promote")
    again = registered(lifecycle, 0.6, "unchanged", REFERENCE.model_copy(update={"accuracy": 0.0}))
    assert again.version is None
    kept = Reference.model_validate_json(lifecycle.registry.report(1, REFERENCE_FILE))
    assert kept.accuracy == REFERENCE.accuracy
    assert len(lifecycle.registry.versions()) == 1


def test_the_card_names_the_digest_of_all_splits_and_of_the_training_rows(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = registered(lifecycle, 0.6, "promote").card
    assert f"the training rows alone `{SPLITS['train'].digest()}`" in card
    monkeypatch.setitem(SPLITS, "test", make_reviews([0, 1], text=["other 1", "other 2"]))
    other = registered(lifecycle, 0.7, "refuse").card
    assert f"the training rows alone `{SPLITS['train'].digest()}`" in other
    digests = [text.split("The splits have the digest `")[1].split("`")[0] for text in (card, other)]
    assert digests[0] != digests[1]


class FakeClient:
    """A ZenML that knows one artifact, and must not be searched."""

    def __init__(self, known: str, rows: Reviews) -> None:
        self.known, self.rows = known, rows

    def get_artifact_version(self, name: str) -> Any:
        if name != self.known:
            raise KeyError(name)
        return SimpleNamespace(load=lambda: self.rows)


def test_the_validation_rows_are_looked_up_and_not_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    known = str(uuid4())
    monkeypatch.setattr(deployment_step, "Client", lambda: FakeClient(known, SPLITS["validation"]))
    values = {"role": "champion", "model_name": "m", "version": "1", "digest": "d", "data_digest": "d"}
    served = ServedModel.model_validate({**values, "git_commit": "c", "metrics": {}, "card": ""})
    rows = validation_rows(served.model_copy(update={"validation_artifact": known}))
    assert rows is not None
    assert rows.digest() == SPLITS["validation"].digest()
    assert validation_rows(served.model_copy(update={"validation_artifact": str(uuid4())})) is None
    assert "validation_artifact" not in served.served_json()


def test_the_card_says_where_a_version_comes_from_and_how_to_make_it_again(lifecycle: Lifecycle) -> None:
    first = registered(lifecycle, 0.6, "promote")
    assert "| compared with | no champion: there was none |" in first.card
    second = registered(lifecycle, 0.7, "promote")
    for line in (
        "| trained | 2026-11-29 00:00 UTC, run retrain-7 |",
        "| by | kim |",
        "| why | a drop |",
        "| compared with | version 1 |",
        "| labels of users | 250 of 290 |",
        f"python run.py reproduce {second.digest[:12]}\n",
    ):
        assert line in second.card
