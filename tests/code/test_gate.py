"""The paired comparison, the gate's decision in every case, and the choice among candidates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, chi2
from sklearn.metrics import f1_score

from sentiment.config.evaluation import EvaluationConfig, GateConfig
from sentiment.data.reviews import Reviews
from sentiment.errors import DataError
from sentiment.evaluation.compare import PairedComparison, mcnemar
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision, decide
from sentiment.evaluation.selection import Selection, select
from sentiment.pages import page_of
from sentiment.stats import Probabilities
from sentiment.stats.bootstrap import Metric
from tests.code.evaluation_factories import (
    make_comparison,
    make_evaluation,
    make_reviews,
    predicting,
    random_probabilities,
)

TRUTH = np.arange(400) % 2
CONFIG = GateConfig(register_threshold=0.7, max_ece=0.2, min_slice_macro_f1=0.6)


def _wrong_on(rows: slice | list[int], confidence: float = 0.85) -> Probabilities:
    predicted = TRUTH.copy()
    predicted[rows] = 1 - predicted[rows]
    return predicting(predicted, confidence=confidence)


@pytest.fixture(scope="module")
def reviews() -> Reviews:
    return make_reviews(TRUTH.tolist(), language=["ko"] * 300 + ["en"] * 100)


@pytest.fixture(scope="module")
def majority(reviews: Reviews) -> Evaluation:
    return make_evaluation(reviews, predicting([1] * 400, confidence=0.5), name="majority")


@pytest.fixture(scope="module")
def good(reviews: Reviews) -> Evaluation:
    return make_evaluation(reviews, _wrong_on(slice(0, 400, 8)), name="candidate")


@pytest.fixture(scope="module")
def against(reviews: Reviews, majority: Evaluation) -> Callable[..., GateDecision]:
    """Decide on a candidate against a champion, both given by their probabilities."""

    def run(candidate: Probabilities, champion: Probabilities, config: GateConfig = CONFIG) -> GateDecision:
        return decide(
            make_evaluation(reviews, candidate, "candidate"),
            [majority],
            make_evaluation(reviews, champion, "champion"),
            make_comparison(reviews, candidate, champion),
            config,
            candidate_digest="a" * 64,
            champion_digest="b" * 64,
        )

    return run


def _first_run(candidate: Evaluation, *baselines: Evaluation, config: GateConfig = CONFIG) -> GateDecision:
    return decide(candidate, baselines, None, None, config, candidate_digest="a" * 64, champion_digest=None)


def _failed(decision: GateDecision) -> list[str]:
    return [check.name for check in decision.checks if not check.passed]


# McNemar


@pytest.mark.parametrize(("b", "c"), [(0, 5), (3, 9), (12, 12), (24, 0), (1, 0)])
def test_mcnemar_is_exact_for_few_discordant_rows(b: int, c: int) -> None:
    test = mcnemar(b, c)
    assert test.exact
    assert test.p_value == pytest.approx(binomtest(b, b + c).pvalue)


def test_mcnemar_known_values() -> None:
    """Agresti (2013, Categorical Data Analysis, table 11.1): 86 and 150 discordant pairs, corrected z^2 = 16.82."""
    test = mcnemar(86, 150)
    assert not test.exact
    assert test.p_value == pytest.approx(chi2.sf(63**2 / 236, 1))
    assert test.p_value == pytest.approx(4.1e-5, rel=0.02)


def test_mcnemar_without_a_difference() -> None:
    assert mcnemar(0, 0).p_value == 1
    assert mcnemar(40, 40).p_value == 1


# Comparison


def test_the_paired_interval_matches_resampling_rows(reviews: Reviews) -> None:
    candidate, champion = random_probabilities(TRUTH, 2, 1.5, 0), random_probabilities(TRUTH, 2, 1.0, 1)
    comparison = make_comparison(reviews, candidate, champion)
    a, b, rng = candidate.argmax(axis=1), champion.argmax(axis=1), np.random.default_rng(0)

    def difference(rows: Any) -> float:
        return float(f1_score(TRUTH[rows], a[rows], average="macro") - f1_score(TRUTH[rows], b[rows], average="macro"))

    naive = [difference(rng.integers(0, 400, 400)) for _ in range(1000)]
    assert comparison.macro_f1.value == pytest.approx(difference(slice(None)))
    low, high = np.quantile(naive, [0.025, 0.975])
    assert (comparison.macro_f1.low, comparison.macro_f1.high) == pytest.approx((low, high), abs=0.02)


def test_pairing_gives_a_narrower_interval_than_two_single_ones(reviews: Reviews, good: Evaluation) -> None:
    comparison = make_comparison(reviews, _wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 7)))
    same = make_comparison(reviews, _wrong_on(slice(0, 400, 8)), _wrong_on([*range(0, 400, 8), 1, 3]))
    assert same.macro_f1.high - same.macro_f1.low < comparison.macro_f1.high - comparison.macro_f1.low
    assert same.macro_f1.high - same.macro_f1.low < good.macro_f1.high - good.macro_f1.low


def test_equal_models_differ_by_nothing(reviews: Reviews) -> None:
    comparison = make_comparison(reviews, _wrong_on([1, 2]), _wrong_on([1, 2], confidence=0.6))
    assert comparison.macro_f1 == Metric(value=0, low=0, high=0)
    assert comparison.mcnemar.p_value == 1


def test_the_comparison_finds_the_slice_that_lost(reviews: Reviews) -> None:
    comparison = make_comparison(reviews, _wrong_on(slice(300, 330)), _wrong_on(slice(0, 60)))
    slices = {part.value: part for part in comparison.slices}
    assert slices["en"].macro_f1.high < 0 < slices["ko"].macro_f1.low
    assert slices["en"].rows == 100


def test_a_lower_significance_widens_the_interval(reviews: Reviews) -> None:
    candidate, champion = _wrong_on(slice(0, 60)), _wrong_on(slice(40, 120))
    usual, strict = (make_comparison(reviews, candidate, champion, level) for level in (0.05, 0.01))
    assert strict.macro_f1.low < usual.macro_f1.low
    assert strict.macro_f1.high > usual.macro_f1.high


def test_comparison_round_trip_and_page(reviews: Reviews) -> None:
    comparison = make_comparison(reviews, _wrong_on([1]), _wrong_on([2, 3]))
    assert PairedComparison.model_validate_json(comparison.model_dump_json()) == comparison
    assert "McNemar p = 1 (exact binomial)" in page_of(comparison)


# Decision: the ordinary cases


def test_the_first_model_is_promoted_by_the_floors_alone_and_it_says_so(good: Evaluation, majority: Evaluation) -> None:
    decision = _first_run(good, majority)
    assert decision.approved
    assert "floors alone" in decision.summary
    assert "no champion yet" in decision.summary
    assert decision.comparison is None


def test_a_significantly_better_candidate_is_promoted(against: Callable[..., GateDecision]) -> None:
    decision = against(_wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 4)))
    assert (decision.outcome, _failed(decision)) == ("promote", [])
    assert "candidate over champion" in decision.summary


def test_a_worse_candidate_is_refused(against: Callable[..., GateDecision]) -> None:
    decision = against(_wrong_on(slice(0, 400, 5)), _wrong_on(slice(0, 400, 16)))
    assert _failed(decision) == ["better macro-F1", "better accuracy"]
    assert decision.summary.startswith("Refused: The macro-F1 difference to the champion is -0.1")
    assert decision.summary.endswith("(1 more)")


def test_an_equal_candidate_is_refused(against: Callable[..., GateDecision]) -> None:
    assert _failed(against(_wrong_on([1, 2]), _wrong_on([1, 2]))) == ["better macro-F1", "better accuracy"]


def test_better_but_not_significantly_is_refused(against: Callable[..., GateDecision]) -> None:
    decision = against(_wrong_on(slice(0, 50)), _wrong_on(slice(0, 52)))
    assert decision.contenders[0].macro_f1.value > decision.contenders[1].macro_f1.value
    assert not decision.approved
    assert "better accuracy" in _failed(decision)


def test_the_gain_must_exceed_the_smallest_gain(against: Callable[..., GateDecision]) -> None:
    config = CONFIG.model_copy(update={"min_gain": 0.12})
    decision = against(_wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 4)), config)
    assert _failed(decision) == ["better macro-F1"]


def test_the_same_folder_is_unchanged_and_no_error(good: Evaluation) -> None:
    decision = decide(good, [], good, None, CONFIG, candidate_digest="a" * 64, champion_digest="a" * 64)
    assert decision.outcome == "unchanged"
    assert not decision.approved
    assert "is the champion already" in decision.summary


# Decision: each floor


@pytest.mark.parametrize(
    ("option", "check"),
    [
        ({"register_threshold": 0.95}, "macro-F1"),
        ({"max_ece": 0.001}, "calibration"),
        ({"min_slice_macro_f1": 0.95}, "worst slice"),
    ],
)
def test_each_floor_refuses_alone(good: Evaluation, majority: Evaluation, option: dict[str, float], check: str) -> None:
    decision = _first_run(good, majority, config=CONFIG.model_copy(update=option))
    assert _failed(decision) == [check]
    assert decision.outcome == "refuse"
    assert len(decision.reasons) == 1


def test_a_lower_bound_on_the_floor_passes(good: Evaluation, majority: Evaluation) -> None:
    config = CONFIG.model_copy(update={"register_threshold": good.macro_f1.low})
    assert _first_run(good, majority, config=config).approved


def test_the_floors_hold_against_a_champion_too(against: Callable[..., GateDecision]) -> None:
    config = CONFIG.model_copy(update={"register_threshold": 0.95})
    assert _failed(against(_wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 4)), config)) == ["macro-F1"]


def test_a_candidate_no_better_than_the_majority_is_refused(reviews: Reviews, majority: Evaluation) -> None:
    guessing = make_evaluation(reviews, random_probabilities(TRUTH, 2, 0.0, 0))
    lenient = GateConfig(register_threshold=0, max_ece=1, min_slice_macro_f1=0)
    always = majority.model_copy(update={"name": "candidate"})
    assert _first_run(guessing, majority, config=lenient).approved  # macro-F1 0.5 beats 0.33
    assert _failed(_first_run(always, majority, config=lenient)) == ["beats majority"]
    assert _first_run(always, config=lenient.model_copy(update={"must_beat_majority": False})).approved


# Decision: what few rows can show


def _judged(
    truth: np.ndarray, predicted: np.ndarray, config: GateConfig = CONFIG, confidence: float = 0.85, **columns: Any
) -> GateDecision:
    """The first run of a model that answers `predicted`, every slice of it being judged."""
    reviews = make_reviews(truth.tolist(), **columns)
    every_slice = EvaluationConfig(resamples=200, min_slice_rows=1)
    candidate = make_evaluation(reviews, predicting(predicted, confidence=confidence), config=every_slice)
    baseline = make_evaluation(reviews, predicting(np.ones(len(truth)), confidence=0.5), name="majority")
    return _first_run(candidate, baseline, config=config)


def _flipped(truth: np.ndarray, *rows: int) -> np.ndarray:
    predicted = truth.copy()
    predicted[list(rows)] = 1 - predicted[list(rows)]
    return predicted


def test_five_test_rows_are_refused_though_all_are_right() -> None:
    decision = _judged(TRUTH[:5], TRUTH[:5])
    assert "test rows" in _failed(decision)
    assert decision.reasons[0] == (
        "Too few rows to judge by: negative has 3 test rows, positive has 2 test rows, and every label needs 10. "
        "Give more rows or a larger split.test."
    )


def test_a_label_with_few_test_rows_is_refused_whatever_the_others_have() -> None:
    truth = np.array([0] * 300 + [1] * 9)
    decision = _judged(truth, _flipped(truth, *range(0, 300, 10)))
    assert _failed(decision)[0] == "test rows"
    assert "positive has 9 test rows, and every label needs 10" in decision.reasons[0]
    truth = np.append(truth, 1)
    assert "test rows" not in _failed(_judged(truth, _flipped(truth, *range(0, 300, 10))))


def test_a_macro_f1_above_the_floor_needs_the_rows_that_show_it() -> None:
    def decided(rows: int) -> GateDecision:
        truth = np.arange(rows) % 2
        return _judged(truth, _flipped(truth, *range(0, rows, 15), *range(1, rows, 15), *range(5, rows, 15)))

    few, enough = decided(60), decided(600)
    assert few.contenders[0].macro_f1.value == pytest.approx(enough.contenders[0].macro_f1.value) == pytest.approx(0.8)
    assert _failed(few) == ["macro-F1"]
    assert few.reasons[0].endswith("so 60 test rows do not show it. Give more rows or a larger split.test.")
    assert enough.approved


def test_rows_that_are_all_right_show_no_more_than_their_number() -> None:
    """A bootstrap of them has the interval 1 to 1; Wilson's lower bound for 20 of 20 is 0.839."""
    easy = CONFIG.model_copy(update={"max_accuracy": 1.0})
    passed = _judged(TRUTH[:20], TRUTH[:20], easy.model_copy(update={"register_threshold": 0.83}))
    refused = _judged(TRUTH[:20], TRUTH[:20], easy.model_copy(update={"register_threshold": 0.85}))
    assert passed.approved
    assert _failed(refused) == ["macro-F1"]
    assert "0.839" in refused.summary


def test_a_slice_below_the_floor_by_chance_is_not_refused_and_one_that_is_shown_to_be_is() -> None:
    languages = ["ko"] * 340 + ["en"] * 60
    by_chance = _judged(TRUTH, _flipped(TRUTH, *range(340, 366)), language=languages)  # 34 of 60 right
    shown = _judged(TRUTH, _flipped(TRUTH, *range(340, 380)), language=languages)  # 20 of 60 right
    assert by_chance.approved
    (reason,) = (check.reason for check in by_chance.checks if check.name == "worst slice")
    assert reason.startswith("Macro-F1 of the worst slice (language: en, 60 rows) is 0.567 [0.4")
    assert reason.endswith("not shown to be below the floor 0.600.")
    assert _failed(shown) == ["worst slice"]


def test_a_calibration_error_that_chance_explains_is_not_refused(good: Evaluation, majority: Evaluation) -> None:
    def with_error(by_chance: float) -> Evaluation:
        changed = good.calibration.model_copy(update={"ece": 0.13, "ece_by_chance": by_chance})
        return good.model_copy(update={"calibration": changed})

    config = CONFIG.model_copy(update={"max_ece": 0.1})
    assert _first_run(with_error(0.11), majority, config=config).approved
    assert _failed(_first_run(with_error(0.02), majority, config=config)) == ["calibration"]


# Decision: too good to be true


def test_a_perfect_score_is_suspected_with_what_was_found() -> None:
    reviews = make_reviews(TRUTH.tolist())
    perfect = make_evaluation(reviews, predicting(TRUTH))
    majority = make_evaluation(reviews, predicting([1] * 400, confidence=0.5), name="majority")
    found = "'[positive]' occurs in 200 of 200 test texts labelled positive and in 0 of the others."

    def decided(config: GateConfig, *leaks: str) -> GateDecision:
        return decide(
            perfect, [majority], None, None, config, candidate_digest="a" * 64, champion_digest=None, leaks=leaks
        )

    decision = decided(CONFIG, found)
    assert _failed(decision) == ["no leakage suspected"]
    assert decision.reasons[0].startswith("Accuracy 1.000 on 400 test rows is above 0.995: ")
    assert found in decision.reasons[0]
    assert "--set gate.max_accuracy=1" in decision.reasons[0]
    assert "&#x27;[positive]&#x27; occurs in 200" in page_of(decision)
    assert "read some" in decided(CONFIG).reasons[0]
    assert decided(CONFIG.model_copy(update={"max_accuracy": 1.0})).approved


def test_a_very_good_score_is_no_perfect_one() -> None:
    assert _judged(TRUTH, _flipped(TRUTH, 0, 7), confidence=0.99).approved


# Decision: missing evidence


def test_no_majority_baseline_is_refused(good: Evaluation) -> None:
    assert _failed(_first_run(good)) == ["beats majority"]


def test_no_test_rows_are_refused(good: Evaluation, majority: Evaluation) -> None:
    assert _failed(_first_run(good.model_copy(update={"rows": 0}), majority)) == ["test rows"]


def test_a_label_without_test_rows_is_refused(majority: Evaluation) -> None:
    one_sided = make_evaluation(make_reviews([1] * 60), predicting([1] * 60))
    decision = _first_run(one_sided, one_sided.model_copy(update={"name": "majority"}))
    assert _failed(decision)[0] == "test rows"
    assert "negative" in decision.summary


@pytest.mark.parametrize("place", ["macro_f1", "calibration", "slices"])
def test_an_undefined_metric_is_refused(good: Evaluation, majority: Evaluation, place: str) -> None:
    nan = Metric.model_construct(value=float("nan"), low=float("nan"), high=float("nan"))
    broken = {
        "macro_f1": nan,
        "calibration": good.calibration.model_copy(update={"ece": float("nan")}),
        "slices": tuple(part.model_copy(update={"macro_f1": nan}) for part in good.slices),
    }
    assert _first_run(good.model_copy(update={place: broken[place]}), majority).outcome == "refuse"


@pytest.mark.parametrize("slices", ["none", "all too small"])
def test_no_judged_slice_is_refused(good: Evaluation, majority: Evaluation, slices: str) -> None:
    small = tuple(part.model_copy(update={"enough_rows": False}) for part in good.slices)
    candidate = good.model_copy(update={"slices": () if slices == "none" else small})
    assert _failed(_first_run(candidate, majority)) == ["worst slice"]


def _decide_with(
    good: Evaluation, majority: Evaluation, champion: Evaluation | None, comparison: PairedComparison | None
) -> GateDecision:
    return decide(good, [majority], champion, comparison, CONFIG, candidate_digest="a" * 64, champion_digest="b" * 64)


@pytest.fixture(scope="module")
def champion(reviews: Reviews) -> Evaluation:
    return make_evaluation(reviews, _wrong_on(slice(0, 400, 4)), "champion")


@pytest.fixture(scope="module")
def comparison(reviews: Reviews) -> PairedComparison:
    return make_comparison(reviews, _wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 4)))


def test_complete_evidence_is_promoted(
    good: Evaluation, majority: Evaluation, champion: Evaluation, comparison: PairedComparison
) -> None:
    assert _decide_with(good, majority, champion, comparison).approved


def test_a_champion_that_was_not_evaluated_is_refused(
    good: Evaluation, majority: Evaluation, comparison: PairedComparison
) -> None:
    decision = _decide_with(good, majority, None, comparison)
    assert _failed(decision) == ["paired evidence"]
    assert "not evaluated" in decision.summary


def test_a_missing_comparison_is_refused(good: Evaluation, majority: Evaluation, champion: Evaluation) -> None:
    assert _failed(_decide_with(good, majority, champion, None)) == ["paired evidence"]


def test_other_test_rows_are_refused(
    good: Evaluation, majority: Evaluation, champion: Evaluation, comparison: PairedComparison
) -> None:
    yesterday = champion.model_copy(update={"data_digest": "0" * 64})
    assert _failed(_decide_with(good, majority, yesterday, comparison)) == ["same test rows", "paired evidence"]
    other = majority.model_copy(update={"data_digest": "0" * 64})
    assert _failed(_decide_with(good, other, champion, comparison)) == ["same test rows"]
    stale = comparison.model_copy(update={"data_digest": "0" * 64})
    assert _failed(_decide_with(good, majority, champion, stale)) == ["paired evidence"]


def test_a_comparison_of_other_predictions_is_refused(
    good: Evaluation, majority: Evaluation, champion: Evaluation, reviews: Reviews
) -> None:
    other = make_comparison(reviews, _wrong_on([1]), _wrong_on(slice(0, 400, 2)))
    decision = _decide_with(good, majority, champion, other)
    assert _failed(decision) == ["paired evidence"]
    assert "does not match" in decision.summary


def test_a_comparison_at_a_laxer_level_is_refused(
    good: Evaluation, majority: Evaluation, champion: Evaluation, reviews: Reviews
) -> None:
    lax = make_comparison(reviews, _wrong_on(slice(0, 400, 8)), _wrong_on(slice(0, 400, 4)), significance=0.2)
    assert _failed(_decide_with(good, majority, champion, lax)) == ["paired evidence"]


# Decision: shown and stored


def test_decision_round_trip_and_page(against: Callable[..., GateDecision]) -> None:
    decision = against(_wrong_on(slice(0, 400, 4)), _wrong_on(slice(0, 400, 8)))
    assert GateDecision.model_validate_json(decision.model_dump_json()) == decision
    page = page_of(decision)
    for expected in ("refuse", "McNemar", "better macro-F1", "champion", "majority", "<svg "):
        assert expected in page
    assert all(reason.endswith(".") for reason in decision.reasons)


def test_an_unchanged_decision_has_a_page(good: Evaluation) -> None:
    decision = decide(good, [], good, None, CONFIG, candidate_digest="a" * 64, champion_digest="a" * 64)
    assert "byte for byte" in page_of(decision)


def test_decision_page_escapes_names(good: Evaluation, majority: Evaluation) -> None:
    assert "<script" not in page_of(_first_run(good.model_copy(update={"name": "<script>"}), majority))


# Selection


def _named(evaluation: Evaluation, name: str, texts_per_second: float = 100.0) -> Evaluation:
    performance = evaluation.performance.model_copy(update={"texts_per_second": texts_per_second})
    return evaluation.model_copy(update={"name": name, "performance": performance})


def test_the_best_validation_macro_f1_wins(good: Evaluation, champion: Evaluation) -> None:
    selection = select([_named(champion, "fast", 9000), _named(good, "good", 1)])
    assert selection.winner == "good"
    assert [choice.name for choice in selection.candidates] == ["good", "fast"]


def test_a_tie_goes_to_the_faster(good: Evaluation) -> None:
    assert select([_named(good, "slow", 10), _named(good, "fast", 500), _named(good, "middle", 50)]).winner == "fast"


def test_selection_round_trip_and_page(good: Evaluation, champion: Evaluation) -> None:
    selection = select([_named(good, "<b>linear", 10), _named(champion, "compact", 500)])
    assert Selection.model_validate_json(selection.model_dump_json()) == selection
    page = page_of(selection)
    assert "&lt;b&gt;linear" in page
    assert "chosen" in page
    assert "2" in selection.summary


def test_selection_refuses_nothing_twins_and_different_rows(good: Evaluation) -> None:
    with pytest.raises(DataError, match="no candidate"):
        select([])
    with pytest.raises(DataError, match="have the name"):
        select([good, good])
    with pytest.raises(DataError, match="different rows"):
        select([good, _named(good, "other").model_copy(update={"data_digest": "0" * 64})])
