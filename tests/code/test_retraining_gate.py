"""The gate on a retrained candidate: a gain on new reviews is not paid for by the old ones."""

from collections.abc import Sequence

import numpy as np
import pytest

from sentiment.config.evaluation import GateConfig
from sentiment.data.reviews import Reviews
from sentiment.evaluation.compare import PairedComparison
from sentiment.evaluation.gate import Check, GateDecision, decide
from sentiment.pages import page_of
from tests.code.evaluation_factories import make_comparison, make_evaluation, make_reviews, predicting

CONFIG = GateConfig(register_threshold=0.5, max_ece=0.5, min_slice_macro_f1=0.0, max_slice_loss=0.05)
TRUTH = np.arange(1000) % 2
MOVIES, FEEDBACK = range(600), range(600, 1000)


def reviews(sources: Sequence[str | None]) -> Reviews:
    return make_reviews(TRUTH.tolist(), source=list(sources))


def gate(sources: Sequence[str | None], candidate_wrong: list[int], champion_wrong: list[int]) -> GateDecision:
    rows = reviews(sources)
    candidate, champion = (_wrong_on(wrong) for wrong in (candidate_wrong, champion_wrong))
    comparison = make_comparison(rows, candidate, champion)
    assert PairedComparison.model_validate_json(comparison.model_dump_json()) == comparison
    return decide(
        make_evaluation(rows, candidate, "candidate"),
        [make_evaluation(rows, predicting([1] * 1000, confidence=0.5), name="majority")],
        make_evaluation(rows, champion, "champion"),
        comparison,
        CONFIG,
        candidate_digest="a" * 64,
        champion_digest="b" * 64,
    )


def _wrong_on(rows: list[int]) -> np.ndarray:
    predicted = TRUTH.copy()
    predicted[rows] = 1 - predicted[rows]
    return predicting(predicted, confidence=0.85)


def check(decision: GateDecision, name: str) -> Check:
    return next(each for each in decision.checks if each.name == name)


MIXED = ["movie"] * 600 + ["feedback"] * 400
CHAMPION_WRONG = [*range(0, 600, 6), *range(600, 1000, 3)]


def test_better_on_feedback_and_as_good_on_known_rows_is_promoted() -> None:
    decision = gate(MIXED, [*range(0, 600, 6), *range(600, 1000, 8)], CHAMPION_WRONG)
    assert decision.approved
    known = check(decision, "no worse on known rows")
    assert "600 test rows that are no feedback" in known.reason
    assert "400 feedback rows" in check(decision, "feedback rows").reason
    page = page_of(decision)
    assert "no worse on known rows" in page
    assert "rows: feedback" in page
    assert "rows: known before the feedback" in page


def test_a_gain_paid_for_by_known_rows_is_refused() -> None:
    forgot = [*range(0, 600, 4), *range(600, 1000, 40)]
    decision = gate(MIXED, forgot, CHAMPION_WRONG)
    failed = [each.name for each in decision.checks if not each.passed]
    assert failed == ["no worse on known rows", "no source worse"]
    assert "does not exclude a loss of 0.05" in check(decision, "no worse on known rows").reason


@pytest.mark.parametrize("known_rows", [0, 49])
def test_too_few_known_rows_are_missing_evidence(known_rows: int) -> None:
    sources = ["movie"] * known_rows + ["feedback"] * (1000 - known_rows)
    decision = gate(sources, [*range(0, 1000, 10)], [*range(0, 1000, 3)])
    assert [each.name for each in decision.checks if not each.passed] == ["no worse on known rows"]
    assert f"({known_rows:,})" in decision.summary


def test_a_significant_loss_on_the_feedback_itself_is_refused() -> None:
    sources = ["movie"] * 900 + ["feedback"] * 100
    decision = gate(sources, [*range(0, 900, 12), *range(900, 1000, 2)], [*range(0, 900, 4)])
    assert "feedback rows" in [each.name for each in decision.checks if not each.passed]
    assert check(decision, "feedback rows").reason.endswith(": a loss.")


def test_without_feedback_every_source_is_held_against_its_own_loss() -> None:
    sources = ["movie"] * 600 + ["product"] * 400
    worse = gate(sources, [*range(0, 600, 20), *range(600, 1000, 4)], [*range(0, 600, 2), *range(600, 1000, 10)])
    assert [each.name for each in worse.checks if not each.passed] == ["no source worse"]
    assert "product" in check(worse, "no source worse").reason
    better = gate(sources, [*range(0, 1000, 20)], [*range(0, 1000, 4)])
    assert better.approved
    assert "movie, product" in check(better, "no source worse").reason
    assert "no worse on known rows" not in [each.name for each in better.checks]


def test_a_source_with_few_rows_is_shown_but_not_judged() -> None:
    sources = ["movie"] * 960 + ["product"] * 40
    decision = gate(sources, [*range(0, 960, 20), *range(960, 1000)], [*range(0, 960, 4)])
    assert "product" not in check(decision, "no source worse").reason
    assert "source: product" in page_of(decision)


@pytest.mark.parametrize("source", ["movie", None])
def test_reviews_of_one_source_need_no_further_check(source: str | None) -> None:
    decision = gate([source] * 1000, [*range(0, 1000, 20)], [*range(0, 1000, 4)])
    assert decision.approved
    assert {"no source worse", "no worse on known rows"}.isdisjoint(each.name for each in decision.checks)
