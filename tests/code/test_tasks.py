"""What the labels mean is asked of the task that the model names, and nobody else decides it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sentiment import tasks
from sentiment.config.evaluation import GateConfig
from sentiment.errors import ConfigError, SentimentError
from sentiment.evaluation.compare import compare
from sentiment.evaluation.evaluate import evaluate
from sentiment.evaluation.gate import decide
from sentiment.evaluation.selection import select
from sentiment.models.folder import load_classifier
from sentiment.models.majority import MajorityClassifier
from sentiment.models.manifest import IDENTITY, write_manifest
from sentiment.predictor import Predictor
from sentiment.tasks import FIRST, Task, task_of
from sentiment.text.normalise import TextNormaliser
from serving.bento import served_code
from tests.code.evaluation_factories import QUICK, Scripted, make_reviews, predicting

LABELS = ("negative", "positive")
LEAST = Task(
    primary="accuracy",
    title="accuracy",
    answer=lambda row: row.index(min(row)),
    answers=lambda rows: rows.argmin(axis=1),
    scoring="sentiment.stats.metrics:accuracy_and_macro_f1",
    reliability="sentiment.stats.calibration:reliability_bins",
)


@pytest.fixture
def least(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A task in which the label with the least probability is the answer: one more module among the tasks."""
    (tmp_path / "least.py").write_text("from tests.code.test_tasks import LEAST as TASK\n", encoding="utf-8")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    yield "least"
    sys.modules.pop("sentiment.tasks.least", None)


def test_whoever_asks_for_a_task_carries_all_of_them() -> None:
    files = served_code(["linear"]).files
    assert {f"sentiment.tasks.{name}" for name in tasks.names()} <= files.keys()


@pytest.mark.parametrize("name", tasks.names())
def test_one_text_and_many_get_the_same_answer(name: str) -> None:
    task = task_of(name)
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 200).astype(np.float32)
    rows[:2] = 0.25
    assert [task.answer(row) for row in rows.tolist()] == task.answers(rows).tolist()


def test_an_unknown_task_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match=r"There is no task 'clases'\.\s+fix: Did you mean 'classes'\?"):
        task_of("clases")


def test_evaluation_selection_and_gate_go_by_what_the_task_says(least: str) -> None:
    truth = np.array([0, 1] * 60)
    reviews = make_reviews(truth)
    wrong_way_round = np.where(
        np.arange(120) < 100, 1 - truth, truth
    )  # right in 100 rows when the least probable counts
    probabilities = predicting(wrong_way_round)
    classifier = Scripted(reviews.labels, reviews.texts, probabilities)
    classifier.task = least

    evaluation = evaluate(classifier, reviews, QUICK, name="candidate", seed=1)
    assert evaluation.accuracy.value == pytest.approx(100 / 120)
    assert {part.accuracy.value for part in evaluation.slices} == {evaluation.accuracy.value}
    assert len(evaluation.mistakes) == 10

    other = evaluation.model_copy(
        update={"name": "other", "macro_f1": evaluation.macro_f1.model_copy(update={"value": 1.0})}
    )
    better = evaluation.accuracy.model_copy(update={"value": 0.9})
    assert select([other, evaluation.model_copy(update={"accuracy": better})]).winner == "candidate"

    config = GateConfig(register_threshold=0.9, must_beat_majority=False, max_ece=1, min_slice_macro_f1=0)
    decision = decide(evaluation, [], None, None, config, candidate_digest="a", champion_digest=None)
    assert decision.reasons == ("Accuracy 0.833: its lower bound 0.767 is below the floor 0.900.",)

    difference = compare(
        probabilities, 1 - probabilities, reviews, QUICK, task=LEAST, candidate="a", champion="b", seed=1
    )
    assert difference.accuracy.value == pytest.approx(80 / 120)
    assert (difference.mcnemar.candidate_only_right, difference.mcnemar.champion_only_right) == (100, 20)


def test_a_model_folder_keeps_its_task_and_the_first_one_leaves_no_trace(least: str, tmp_path: Path) -> None:
    classifier = MajorityClassifier([0.2, 0.8], LABELS, TextNormaliser())
    classifier.save(tmp_path / "first")
    classifier.task, classifier.saved = least, None
    classifier.save(tmp_path / "least")

    assert "task" not in json.loads((tmp_path / "first" / IDENTITY).read_text(encoding="utf-8"))
    assert load_classifier(tmp_path / "first").task == FIRST
    assert load_classifier(tmp_path / "least").task == least
    answers = [Predictor.load(tmp_path / name).predict("좋아요")[0]["label"] for name in ("first", "least")]
    assert answers == ["positive", "negative"]


def test_a_model_folder_of_an_unknown_task_is_refused(tmp_path: Path) -> None:
    MajorityClassifier([0.2, 0.8], LABELS, TextNormaliser()).save(tmp_path / "model")
    identity = json.loads((tmp_path / "model" / IDENTITY).read_text(encoding="utf-8"))
    (tmp_path / "model" / IDENTITY).write_text(json.dumps({**identity, "task": "stars"}), encoding="utf-8")
    write_manifest(tmp_path / "model")
    with pytest.raises(SentimentError, match=r"unknown task 'stars'\.\s+fix: Update this installation"):
        load_classifier(tmp_path / "model")
