"""The pictures: PNGs that say what they should, with Hangul really drawn."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from sentiment.evaluation.evaluation import SliceResult
from sentiment.evaluation.gate import Contender
from sentiment.evaluation.selection import Choice
from sentiment.pages import drawing, plots
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


PICTURES: dict[str, Callable[[], bytes]] = {
    "confusion": lambda: plots.confusion_matrix([[40, 10], [5, 45]], ["부정", "긍정"]),
    "confusion of four": lambda: plots.confusion_matrix(
        np.diag([9, 9, 9, 0]).tolist(), ["기쁨", "분노", "슬픔", "중립"]
    ),
    "reliability": lambda: plots.reliability(_calibration((50, 0.6, 31), (50, 0.95, 48))),
    "reliability of one bin": lambda: plots.reliability(_calibration((50, 0.5, 25))),
    "slices": lambda: plots.slices([_slice("전자제품"), _slice("책", rows=4)], METRIC),
    "contenders": lambda: plots.contenders([_contender("선형"), _contender("트랜스포머")], 0.7),
    "choices": lambda: plots.choices([_choice("선형"), _choice("트랜스포머")]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_is_a_small_png_without_a_missing_glyph(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = PICTURES[name]()
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    assert min(image.size) > 200
    assert len(png) < 100_000
    assert len(image.convert("RGB").getcolors(1 << 24) or []) > 2


@pytest.mark.parametrize("bold", [False, True])
def test_the_font_has_hangul_and_what_the_pictures_write(bold: bool) -> None:
    with TTFont(drawing.font_file(bold)) as font:
        cmap = font.getBestCmap()
    syllables = range(ord("가"), ord("힣") + 1)
    assert all(code in cmap for code in (*syllables, *map(ord, "aZ09%–…□()")))


def test_different_hangul_is_drawn_differently() -> None:
    """Missing glyphs would all be the same box."""
    drawn = {plots.slices([_slice(name)], METRIC) for name in ("가", "나", "다", "한", "글")}
    assert len(drawn) == 5


def test_dollars_are_not_read_as_tex() -> None:
    assert plots.slices([_slice("$\\frac{$")], METRIC).startswith(b"\x89PNG")


def test_a_character_the_font_lacks_becomes_a_box() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plots.slices([_slice("영화 😀")], METRIC) == plots.slices([_slice("영화 □")], METRIC)


def test_a_long_label_is_cut() -> None:
    wide, cut = (Image.open(io.BytesIO(plots.slices([_slice("가" * n)], METRIC))) for n in (2000, 200))
    assert wide.size == cut.size


def test_drawing_leaves_matplotlibs_settings_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    PICTURES["slices"]()
    assert dict(mpl.rcParams) == before


def test_the_same_data_draws_the_same_bytes() -> None:
    assert PICTURES["reliability"]() == PICTURES["reliability"]()
