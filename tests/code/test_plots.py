"""The pictures: SVG that says what it should, in both languages, and reads as XML."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from sentiment.evaluation.evaluation import SliceResult
from sentiment.evaluation.gate import Contender
from sentiment.evaluation.selection import Choice
from sentiment.monitoring.descriptors import Distribution
from sentiment.monitoring.quality import DayQuality
from sentiment.pages import drawing, html, plots
from sentiment.stats.bootstrap import Metric
from sentiment.stats.calibration import Calibration, ReliabilityBin, wilson

METRIC = Metric(value=0.8, low=0.75, high=0.84)


def _slice(value: str, rows: int = 80) -> SliceResult:
    return SliceResult(
        column="category", value=value, rows=rows, enough_rows=rows >= 50, accuracy=METRIC, macro_f1=METRIC
    )


def _calibration(*bins: tuple[int, float, int]) -> Calibration:
    return Calibration(
        bins=tuple(ReliabilityBin(rows=n, confidence=c, accuracy=wilson(hits, n)) for n, c, hits in bins),
        ece=0.03,
        ece_by_chance=0.02,
        brier=METRIC,
        log_loss=METRIC,
    )


def _contender(name: str) -> Contender:
    return Contender(
        role="candidate",
        name=name,
        accuracy=METRIC,
        macro_f1=METRIC,
        auc=None,
        ece=0.1,
        latency_p50_ms=1,
        size_bytes=1,
    )


def _choice(name: str) -> Choice:
    return Choice(name=name, macro_f1=METRIC, accuracy=METRIC, ece=0.1, texts_per_second=1000, size_bytes=1)


def _day(day: int, *, counted: bool) -> DayQuality:
    return DayQuality(
        day=date(2026, 3, day),
        model_version="1",
        rows=100,
        labels=30,
        confirmed=25,
        counted=30 if counted else 0,
        accuracy=METRIC,
        macro_f1=None,
        estimate=0.82,
        estimate_error=None,
    )


PICTURES: dict[str, Callable[[], html.Html]] = {
    "confusion": lambda: plots.confusion_matrix([[40, 10], [5, 45]], ["부정", "긍정"]),
    "confusion of four": lambda: plots.confusion_matrix(
        np.diag([9, 9, 9, 0]).tolist(), ["기쁨", "분노", "슬픔", "중립"]
    ),
    "reliability": lambda: plots.reliability(_calibration((50, 0.6, 31), (50, 0.95, 48))),
    "reliability of one bin": lambda: plots.reliability(_calibration((50, 0.5, 25))),
    "slices": lambda: plots.slices([_slice("전자제품"), _slice("책", rows=4)], METRIC),
    "contenders": lambda: plots.contenders([_contender("선형"), _contender("트랜스포머")], 0.7),
    "choices": lambda: plots.choices([_choice("선형"), _choice("트랜스포머")]),
    "distribution": lambda: plots.distribution(
        "length", Distribution(places=("1–19", "20–49"), reference=(0.4, 0.6), window=(0.9, 0.1))
    ),
    "quality": lambda: plots.quality_by_day([_day(1, counted=True), _day(2, counted=False)], 0.85, 0.05),
    "quality of one day": lambda: plots.quality_by_day([_day(1, counted=True)], 0.85, 0.05),
    "confidence": lambda: plots.confidence_histogram([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], 2),
    "confidence of nothing": lambda: plots.confidence_histogram([0] * 10, 2),
}


def _svg(picture: str) -> ET.Element:
    return ET.fromstring(picture[picture.index("<svg") :])  # noqa: S314 - drawn a moment ago


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_small_well_formed_and_named(name: str) -> None:
    picture = PICTURES[name]()
    svg = _svg(picture)
    assert len(picture) < 20_000
    assert svg.get("role") == "img"
    assert svg.get("aria-label")
    assert "<figcaption><b>" in picture


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_drawn_outside_and_no_colour_is_fixed(name: str) -> None:
    """A colour that is not a class would stay light on a dark page; `style=` is refused by the endpoint's policy."""
    svg = _svg(PICTURES[name]())
    _, top, width, height = map(float, str(svg.get("viewBox")).split())
    for each in svg.iter():
        assert not {"fill", "stroke", "style"} & set(each.keys())
        for key in ("x", "x1", "x2", "cx"):
            assert -0.5 <= float(each.get(key, 0)) <= width + 0.5, (each.tag, each.attrib)
        for key in ("y", "y1", "y2", "cy"):
            assert top - 0.5 <= float(each.get(key, 0)) <= top + height + 0.5, (each.tag, each.attrib)


def test_a_picture_speaks_both_languages() -> None:
    picture = PICTURES["slices"]()
    texts = {(each.get("lang"), each.text) for each in _svg(picture).iter("text")}
    assert {("en", "category: 책"), ("ko", "분류: 책")} <= texts
    assert '<span lang="ko">부분 집합별 macro-F1</span>' in picture


def test_a_name_is_never_markup() -> None:
    picture = plots.slices([_slice('</text><script>alert("1")')], METRIC)
    assert "<script" not in picture
    assert _svg(picture) is not None


def test_a_long_label_is_cut() -> None:
    assert drawing.short("가" * 2000) == drawing.short("가" * 200) == "가" * (drawing.LONGEST_LABEL - 1) + "…"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.35, 0.86), (0.7, 0.7), (0, 123_456), (-0.02, 0.013)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = drawing.ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert all(len(f"{tick:g}") <= 7 for tick in found)
