"""The model card: complete, readable, and safe to publish."""

import re
from typing import Any

import numpy as np
import pytest

from sentiment.config.evaluation import GateConfig
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import decide
from sentiment.lifecycle.card import CardContext, SplitCounts, model_card
from tests.code.evaluation_factories import make_evaluation, make_reviews, random_probabilities

TRUTH = np.arange(120) % 2


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    texts = [f"연락처 010-1234-5678 리뷰 {row}" for row in range(120)]
    reviews = make_reviews(TRUTH.tolist(), text=texts, language=["ko"] * 80 + ["en"] * 40)
    return make_evaluation(reviews, random_probabilities(TRUTH, 2, 1.5, 0))


def _context(evaluation: Evaluation, **changes: Any) -> CardContext:
    context = CardContext(
        name="sentiment",
        version="3",
        config={"kind": "linear", "ngrams": [1, 4], "note": "가나다"},
        data="sample",
        data_digest="d" * 64,
        training_digest="e" * 64,
        bundled_sample=False,
        splits=(
            SplitCounts(
                name="train",
                rows=1000,
                labels={"negative": 480, "positive": 520},
                languages={"ko": 700, "en": 300},
                sources={"app": 900, "feedback": 100},
            ),
            SplitCounts(name="test", rows=120, labels={"negative": 60, "positive": 60}, languages={"ko": 120}),
        ),
        normaliser_version="1",
        evaluation=evaluation,
        decision=None,
        command="python run.py train --stack laptop",
        seed=42,
        git_commit="abc1234",
        versions={"scikit-learn": "1.9.1"},
    )
    return context.model_copy(update=changes)


def test_the_card_states_everything(evaluation: Evaluation) -> None:
    card = model_card(_context(evaluation))
    for expected in (
        "# sentiment, model 3",
        "| kind | scripted |",
        '"note": "가나다"',
        "d" * 64,
        "e" * 64,
        "| train | 1,000 | 480 | 520 | 700 | 300 |",
        "| train | 900 | 100 |",
        "| test | 120 | 60 | 60 | 120 | 0 |",
        f"| macro-F1 | {evaluation.macro_f1} |",
        "| language: en | 40 |",
        "too few rows",
        "## Intended use",
        "(ko, en)",
        "## Limits",
        "has not been through the gate",
        "python run.py train --stack laptop",
        "| seed | 42 |",
        "| git commit | abc1234 |",
        "| scikit-learn | 1.9.1 |",
    ):
        assert expected in card


def test_the_gate_decision_is_told(evaluation: Evaluation) -> None:
    config = GateConfig(register_threshold=0.99)
    decision = decide(evaluation, [], None, None, config, candidate_digest="a" * 64, champion_digest=None)
    card = model_card(_context(evaluation, decision=decision))
    assert decision.summary in card
    assert "| macro-F1 | **no** |" in card


@pytest.mark.parametrize("bundled", [True, False])
def test_synthetic_data_is_said_to_be_synthetic(evaluation: Evaluation, bundled: bool) -> None:
    assert ("synthetic" in model_card(_context(evaluation, bundled_sample=bundled))) is bundled


def test_the_card_quotes_no_review(evaluation: Evaluation) -> None:
    card = model_card(_context(evaluation))
    assert evaluation.mistakes
    assert "연락처" not in card
    assert "010-1234" not in card


def test_every_table_is_whole_whatever_the_names_are(evaluation: Evaluation) -> None:
    hostile = evaluation.slices[0].model_copy(update={"value": "a|b\n<script>"})
    card = model_card(_context(evaluation.model_copy(update={"slices": (hostile,)}), name="x <img>", git_commit=None))
    assert "<script>" not in card
    assert "<img>" not in card
    for table in re.findall(r"(?:^\|.*\n)+", card, flags=re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1


def test_splits_are_counted_from_reviews() -> None:
    reviews = make_reviews([0, 1, 1, None], language=["ko", "en", None, "ko"])
    assert SplitCounts.of("train", reviews) == SplitCounts(
        name="train", rows=4, labels={"negative": 1, "positive": 2}, languages={"en": 1, "ko": 2}, sources={"test": 4}
    )
