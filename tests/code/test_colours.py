"""The colours of every page and report, light and dark: contrast (WCAG 2.2, AA) and colour blindness.

Read from the pages' own CSS variables. Colour blindness is simulated with the matrices of Machado, Oliveira & Fernandes
(2009, A Physiologically-based Model for Simulation of Color Vision Deficiency) at full severity; distances are CIE76 in
CIELAB, where 2.3 is just noticeable.
"""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sentiment.home import PROJECT
from sentiment.pages.html import STYLE

Colour = NDArray[np.float64]  # linear RGB, 0 to 1
TEXT, GRAPHICS = 4.5, 3.0  # WCAG 1.4.3 and 1.4.11
APART = 10.0  # four times just noticeable
# Each stands on the page and on a card, in small type.
TEXTS = ("ink", "soft", "accent", "good", "bad", "warn", "for", "against", "one", "two")
# Lines, dots, bars, borders of what can be clicked.
MARKS = ("rest", "edge", "one", "two", "v0", "v1", "v2", "v3")
# Told apart by colour; whatever is not among them has a sign (✓ ✗ ▲ ▼) or its place.
PAIRS = (("one", "two"), ("one", "rest"), ("two", "rest"), ("for", "against"))
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
SHEETS = {path.name: path.read_text(encoding="utf-8") for path in sorted((PROJECT / "serving/page").glob("*.html"))}
SHEETS["reports"] = STYLE


def _linear(colour: str) -> Colour:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return _of_bytes([int(digits[at : at + 2], 16) for at in (0, 2, 4)])


def _of_bytes(values: list[int]) -> Colour:
    share = np.array(values) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _over(front: Colour, back: Colour, opacity: float) -> Colour:
    """One colour over another; browsers mix the encoded values."""
    encoded = [np.where(each <= 0.0031308, each * 12.92, 1.055 * each ** (1 / 2.4) - 0.055) for each in (front, back)]
    return _of_bytes([round(255 * each) for each in opacity * encoded[0] + (1 - opacity) * encoded[1]])


def _contrast(one: Colour, other: Colour) -> float:
    low, high = sorted(float(TO_XYZ[1] @ each) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def _lab(colour: Colour) -> Colour:
    share = TO_XYZ @ np.clip(colour, 0, 1) / WHITE
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def _distance(one: Colour, other: Colour, seen: Colour) -> float:
    return float(np.linalg.norm(_lab(seen @ one) - _lab(seen @ other)))


def _themes(css: str) -> dict[str, dict[str, str]]:
    """The variables, light and dark."""
    light, _, dark = css.partition("@media (prefers-color-scheme: dark)")
    dark = dark.partition("} }")[0]
    read = [dict(re.findall(r"--([\w-]+):\s*([^;}]+)", block)) for block in (light.partition("* {")[0], dark)]
    return {"light": read[0], "dark": read[0] | read[1]}


THEMES = {f"{name}, {theme}": values for name, css in SHEETS.items() for theme, values in _themes(css).items()}


@pytest.mark.parametrize("theme", THEMES)
def test_every_text_can_be_read(theme: str) -> None:
    colours = THEMES[theme]
    assert {"paper", "ink"} <= colours.keys()
    grounds = {name: _linear(colours[name]) for name in ("paper", "card") if name in colours}
    contrasts = {
        (text, ground): _contrast(_linear(colours[text]), at)
        for text in TEXTS
        if text in colours
        for ground, at in grounds.items()
    }
    if "on-accent" in colours:
        contrasts["on-accent", "accent"] = _contrast(_linear(colours["on-accent"]), _linear(colours["accent"]))
    assert {pair: round(found, 2) for pair, found in contrasts.items() if found < TEXT} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_text_can_be_read_on_a_tinted_ground(theme: str) -> None:
    """Words behind which the page puts a tint, and the cells of the confusion matrix, at their strongest."""
    colours = THEMES[theme]
    card, ink = _linear(colours.get("card", colours["paper"])), _linear(colours["ink"])
    tints = [_of_bytes(list(map(int, value.split()))) for name, value in colours.items() if name.endswith("-tint")]
    tints += [_linear(colours["one"])] if "one" in colours else []
    assert all(_contrast(ink, _over(tint, card, 0.43)) >= TEXT for tint in tints)


@pytest.mark.parametrize("theme", THEMES)
def test_every_mark_and_border_can_be_seen(theme: str) -> None:
    colours = THEMES[theme]
    ground = _linear(colours.get("card", colours["paper"]))
    contrasts = {name: _contrast(_linear(colours[name]), ground) for name in MARKS if name in colours}
    assert {name: round(found, 2) for name, found in contrasts.items() if found < GRAPHICS} == {}


@pytest.mark.parametrize("seen_by", SEEN_BY)
@pytest.mark.parametrize("theme", THEMES)
def test_colours_that_mean_something_stay_apart_for_everyone(theme: str, seen_by: str) -> None:
    colours = THEMES[theme]
    pairs = [*PAIRS, *combinations(sorted(name for name in colours if re.fullmatch(r"v\d", name)), 2)]
    distances = {
        pair: _distance(_linear(colours[pair[0]]), _linear(colours[pair[1]]), SEEN_BY[seen_by])
        for pair in pairs
        if set(pair) <= colours.keys()
    }
    assert {pair: round(found, 1) for pair, found in distances.items() if found < APART} == {}


def test_the_arithmetic_is_right() -> None:
    black, white, red, green = (_linear(each) for each in ("#000", "#fff", "#f00", "#008000"))
    assert _contrast(black, white) == pytest.approx(21)
    assert _contrast(white, _linear("#767676")) == pytest.approx(4.54, abs=0.01)
    assert _distance(red, green, SEEN_BY["deuteranopia"]) < _distance(red, green, SEEN_BY["everyone"]) / 2


def test_every_page_is_looked_at() -> None:
    assert {"index.html", "monitor.html", "docs.html", "reports"} <= SHEETS.keys()
    assert Path(PROJECT / "serving/page").is_dir()
