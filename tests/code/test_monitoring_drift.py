"""Drift detection: quiet on clean windows, loud on what is injected, silent where there is nothing to say."""

import json
import math
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from evidently.core.report import Snapshot
from evidently.metrics.column_statistics import ValueDriftCalculation
from scipy.stats import wasserstein_distance

from sentiment.config.drift import DriftConfig
from sentiment.monitoring.descriptors import DESCRIPTORS, Distribution, describe
from sentiment.monitoring.domain import separate
from sentiment.monitoring.drift import AUC, JENSEN_SHANNON, TRAIT, WASSERSTEIN, DriftReport, chance, detect_drift
from sentiment.pages import figures_of, page_of
from tests.code.monitoring_worlds import START, World, answered, make_world

CONFIG = DriftConfig()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # Evidently's figures, which no test here looks at and no option turns off, would take most of the time.
        patch.setattr(ValueDriftCalculation, "_render", lambda *_: [])
        yield make_world()


@pytest.fixture(scope="module")
def on_traffic(world: World) -> DriftReport:
    return detected(world, world.traffic["text"])


@pytest.fixture(scope="module")
def on_services(world: World) -> DriftReport:
    return detected(world, world.services["text"])


def detected(world: World, texts: pl.Series, config: DriftConfig = CONFIG) -> DriftReport:
    return detect_drift(world.reference, answered(world.classifier, texts), config, seed=0)[0]


def names(report: DriftReport) -> set[str]:
    return {test.name for test in report.drifted}


def test_clean_windows_are_no_drift(on_traffic: DriftReport) -> None:
    # Each from a split of its own; benchmarks/drift.py does this hundreds of times.
    reports = [on_traffic, *(detected(each, each.traffic["text"]) for each in map(make_world, (1, 2)))]
    assert [report.status for report in reports].count("no_drift") >= 2
    assert all(len(report.tests) == len({test.name for test in report.tests}) >= 17 for report in reports)


def test_another_domain_is_drift(on_services: DriftReport) -> None:
    assert on_services.status == "drift"
    assert {"domain", "unseen"} <= names(on_services)
    assert on_services.summary.startswith(f"Drift in {len(on_services.drifted)} of {len(on_services.tests)} tests")
    unseen = next(test for test in on_services.tests if test.name == "unseen").reading.values
    assert unseen["after"] > unseen["before"] + 0.1  # type: ignore[operator]
    assert {"음식", "배달"} <= {word.text for word in on_services.words}
    assert "new: 음식" in on_services.summary
    typical = {term.text for term in on_services.terms if term.window > 10 * term.reference}
    assert {"배달", "결제"} <= typical


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (lambda text: text.encode().decode("latin-1"), "odd"),
        (lambda text: text.encode().decode("cp949", errors="replace"), "odd"),
        (lambda text: text.encode("cp949", errors="replace").decode(errors="replace"), "odd"),
        (lambda text: text + "ㅋㅋ", "laughs"),
        (lambda text: text.replace("ㅋ", "ㅋㅋ"), "laughter"),
        (lambda text: text + " 🎬", "emoji"),
        (lambda text: text.replace(" ", ""), "words"),
    ],
)
def test_injected_drift_is_found_and_named(world: World, broken: Callable[[str], str], expected: str) -> None:
    report = detected(world, pl.Series([broken(text) for text in world.traffic["text"]]))
    assert report.status == "drift"
    assert expected in names(report)


def test_english_traffic_is_drift_of_the_language(world: World) -> None:
    report = detected(world, world.traffic.filter(language="en")["text"].head(320), DriftConfig(min_rows=200))
    assert "language" in names(report)


def test_answers_can_drift_without_the_texts(world: World) -> None:
    window = answered(world.classifier, world.traffic["text"])
    one_sided = detect_drift(world.reference, window.with_columns(label=pl.lit("positive")), CONFIG, seed=0)[0]
    assert names(one_sided) == {"label"}
    strange = window.with_columns(pl.col("confidence") - 0.1, label=pl.lit("unheard of"))
    assert names(detect_drift(world.reference, strange, CONFIG, seed=0)[0]) == {"label", "confidence"}


def test_few_rows_are_not_enough_data_and_never_no_drift(world: World) -> None:
    for rows in (0, 1, 299):
        report = detected(world, world.traffic["text"].head(rows))
        assert report.status == "not_enough_data", rows
        assert f"{rows:,} distinct text" in report.summary
        assert "300 are needed" in report.summary
        assert "not enough data" in page_of(report)
    assert detected(world, world.traffic["text"].head(300)).status == "no_drift"


def test_a_small_reference_is_not_enough_data_either(world: World) -> None:
    fields = ("texts", "predicted", "confidence", "truth", "category")
    small = world.reference.model_copy(update={name: getattr(world.reference, name)[:200] for name in fields})
    window = answered(world.classifier, world.traffic["text"])
    assert detect_drift(small, window, CONFIG, seed=0)[0].status == "not_enough_data"


def test_each_source_has_a_verdict_and_the_page_counts_nowhere(world: World) -> None:
    clean = answered(world.classifier, world.traffic["text"].head(400), START + timedelta(days=9))
    batch = answered(world.classifier, world.services["text"].head(400))
    tried = answered(world.classifier, pl.Series(["ㅋ" * 9 + text for text in world.services["text"].tail(400)]))
    origins = ((clean, "endpoint"), (batch, "batch"), (tried, "page"))
    window = pl.concat([rows.with_columns(origin=pl.lit(origin)) for rows, origin in origins])
    config = DriftConfig(window_rows=400)

    report = detect_drift(world.reference, window, config, seed=0)[0]
    # The newest 400 rows are the endpoint's, and hide the batch before them.
    assert (report.rows, report.drifted, report.status) == (400, (), "drift")
    verdicts = {each.origin: each.status for each in report.sources}
    assert verdicts == {"endpoint": "no_drift", "batch": "drift", "page": "drift"}
    assert report.summary.startswith("From batches: Drift in")
    assert "the page" not in report.summary

    alone = detect_drift(world.reference, window.filter(pl.col("origin") != "batch"), config, seed=0)[0]
    assert (alone.status, {each.origin for each in alone.sources}) == ("no_drift", {"endpoint", "page"})


def test_a_flood_of_one_text_is_said_however_few_texts_remain(world: World) -> None:
    report = detected(
        world, pl.concat([pl.Series(["아무도 이렇게는 안 쓸 문장"] * 600), world.traffic["text"].head(200)])
    )
    assert report.status == "drift"
    assert names(report) == {"repeated"}
    assert (report.rows, report.texts) == (800, 201)


def test_empty_and_missing_texts_are_counted_and_not_compared(world: World) -> None:
    texts = world.traffic["text"].head(400)
    window = answered(world.classifier, pl.concat([texts, pl.Series([" "] * 50)]))
    window = window.with_columns(text=pl.when(pl.int_range(pl.len()) == 449).then(None).otherwise("text"))
    report = detect_drift(world.reference, window, CONFIG, seed=0)[0]
    assert report.data.empty == 50
    assert names(report) == {"empty"}
    assert report.texts == 400


def test_the_window_is_the_newest_rows_whatever_the_traffic(world: World) -> None:
    clean = answered(world.classifier, world.traffic["text"].head(500), START + timedelta(days=9))
    old = answered(world.classifier, world.services["text"])
    config = DriftConfig(window_rows=500)
    report = detect_drift(world.reference, pl.concat([clean, old]), config, seed=0)[0]
    assert report.status == "no_drift"
    assert report.rows == 500
    assert report.since == START + timedelta(days=9)
    alone = detect_drift(world.reference, clean, config, seed=0)[0]
    assert report == alone


def test_effects_are_those_of_evidently_and_of_the_formula(world: World, on_services: DriftReport) -> None:
    report, evidently = detect_drift(
        world.reference, answered(world.classifier, world.services["text"]), CONFIG, seed=0
    )
    assert report == on_services
    assert evidently.snapshot
    found = Snapshot.loads(evidently.snapshot).dict()
    by_name = {test.name: test for test in report.tests}
    assert {each["config"]["column"] for each in found["metrics"]} == {
        *(each.name for each in DESCRIPTORS),
        *("language", "label", "confidence"),
    }
    for metric, verdict in zip(found["metrics"], found["tests"], strict=True):
        test = by_name[metric["config"]["column"]]
        assert test.effect == pytest.approx(metric["value"])
        assert test.drifted == (verdict["status"].value == "FAIL"), test
    window = world.services["text"]
    before, now = (describe(texts, world.reference.vocabulary) for texts in (world.reference.frame()["text"], window))
    for each in DESCRIPTORS:
        left, right = (frame[each.name].drop_nulls().to_numpy() for frame in (before, now))
        expected = wasserstein_distance(left, right) / max(left.std(), each.spread)
        assert by_name[each.name].effect == pytest.approx(expected, abs=1e-9), each.name


def test_a_trait_that_nearly_no_text_has_is_no_drift(world: World) -> None:
    texts = world.traffic["text"].to_list()
    texts[:2] = ["🎬🎬🎬", "\ufffd\ufffd\ufffd"]
    assert detected(world, pl.Series(texts)).status == "no_drift"


def test_thresholds_come_from_the_config_and_never_lie_below_chance(world: World) -> None:
    config = DriftConfig(text_distance=0.9, trait_distance=0.01, domain_auc=0.9, confidence_distance=0.01)
    tests = {test.name: test for test in detected(world, world.traffic["text"], config).tests}
    assert (tests["length"].threshold, tests["domain"].threshold) == (0.9, 0.9)
    rows = tests["laughs"].rows, tests["laughs"].reference_rows
    assert tests["confidence"].threshold == chance(WASSERSTEIN, *rows) > 0.1
    assert tests["laughs"].threshold == tests["cries"].threshold == chance(TRAIT, *rows) > 0.1
    for method in (WASSERSTEIN, TRAIT, JENSEN_SHANNON, AUC):
        assert chance(method, 300, 2000) > chance(method, 1000, 2000) > chance(method, 1000, 20_000)


def test_the_report_survives_storing_and_its_page_is_small_and_safe(world: World) -> None:
    texts = world.services["text"].to_list()
    texts[:40] = [f"<script>alert({row})</script> 문의 kim{row}@example.com 010-1234-5678" for row in range(40)]
    report = detected(world, pl.Series(texts))
    assert DriftReport.model_validate_json(report.model_dump_json(indent=2)) == report
    assert len(report.model_dump_json()) < 100_000
    stored = json.loads(report.model_dump_json())
    assert "evidently" not in stored
    assert DriftReport.read(json.dumps(stored | {"evidently": {"metrics": []}}), "An old report").tests == report.tests
    page = page_of(report)
    assert len(page.encode()) < 2_000_000
    assert "<script>alert" not in page
    assert "example.com" not in page
    assert "1234" not in page.split("What tells the texts apart")[1]
    assert all("<svg " in picture for picture in figures_of(report).values())
    assert {"effects", "unseen"} <= figures_of(report).keys()


def test_the_same_window_gives_the_same_report(world: World, on_traffic: DriftReport) -> None:
    assert detected(world, world.traffic["text"]) == on_traffic


def test_texts_drawn_from_one_source_cannot_be_told_apart_even_when_they_repeat() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["배우", "연기", "결말", "음악", "감동", "지루", "최고", "별로", "다시", "정말"])
    distinct = [" ".join(rng.choice(words, 4)) for _ in range(400)]
    # Each window text stands there six times: a fold that holds one copy must hold them all.
    auc = separate(pl.Series(distinct[:200] * 6), pl.Series(distinct[200:] * 6), seed=0).auc
    assert auc < 0.65
    assert separate(pl.Series(distinct), pl.Series([f"{text}!" for text in distinct]), seed=0).auc > 0.95


def test_texts_that_share_nothing_are_not_told_apart() -> None:
    texts = pl.Series([chr(0x4E00 + number) for number in range(400)])
    assert separate(texts.head(200), texts.tail(200), seed=0).auc == 0.5


def test_an_endless_text_is_compared_by_its_beginning(world: World) -> None:
    texts = world.traffic["text"].head(CONFIG.window_rows).to_list()
    texts[:60] = [text + " 그리고" * 3000 for text in texts[:60]]
    report = detected(world, pl.Series(texts))
    assert report.data.too_long == 60
    assert {"too_long", "length"} <= names(report)


def test_distributions_have_shares_that_add_up() -> None:
    reference, window = pl.Series(np.random.default_rng(0).exponential(size=2000)), pl.Series(np.arange(1000) / 100)
    shown = Distribution.of_numbers(reference, window)
    assert math.isclose(sum(shown.reference), 1)
    assert math.isclose(sum(shown.window), 1)
    assert shown.places[-1].startswith("from ")
    few = Distribution.of_numbers(pl.Series([0.0, 1.0, None]), pl.Series([1.0, 1.0, 1.0]))
    assert (few.places, few.reference, few.window) == (("0", "1"), (0.5, 0.5), (0.0, 1.0))
    same = Distribution.of_numbers(pl.Series([2.0] * 3), pl.Series([2.0] * 3))
    assert (same.places, same.window) == (("2",), (1.0,))
