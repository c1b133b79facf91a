"""The pictures of a drift report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sentiment.monitoring.distribution import Distribution
from sentiment.pages.drawing import BLUE, GREY, INK, VERMILION, WIDTH_INCHES, axes_of, png, short

if TYPE_CHECKING:
    from sentiment.monitoring.drift import DriftTest

# A much larger effect says no more, and would leave no room for the others.
LONGEST_BAR = 4.0
MANY_PLACES = 4


def effects(tests: "Sequence[DriftTest]") -> bytes:
    """All effects in units of their thresholds, the largest first."""
    ordered = sorted(tests, key=lambda test: -test.excess)
    subtitle = "in units of each threshold: from the line on it is drift (vermilion)"
    figure, axes = axes_of(WIDTH_INCHES, 1.3 + 0.28 * len(ordered), "Effects against their thresholds", subtitle)
    for position, test in enumerate(ordered):
        axes.barh(
            position, min(test.excess, LONGEST_BAR), height=0.6, color=VERMILION if test.drifted else GREY, zorder=2
        )
        text = f"{test.effect:.3f}   from {test.threshold:.3f}"
        axes.text(1.02, position, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=INK)
    axes.axvline(1, color=INK, linewidth=0.8, zorder=3)
    axes.set_yticks(range(len(ordered)), [short(test.title) for test in ordered])
    axes.set_ylim(len(ordered) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return png(figure)


def distribution(title: str, shown: Distribution) -> bytes:
    """Shares of the rows, reference in blue beside window in vermilion."""
    many = len(shown.places) > MANY_PLACES
    figure, axes = axes_of(
        WIDTH_INCHES, 3.6 if many else 3.0, title, "share of the rows; blue: reference, vermilion: window"
    )
    at = np.arange(len(shown.places))
    axes.bar(at - 0.2, shown.reference, width=0.4, color=BLUE)
    axes.bar(at + 0.2, shown.window, width=0.4, color=VERMILION)
    axes.set_xticks(
        at, [short(place) for place in shown.places], rotation=40 if many else 0, ha="right" if many else "center"
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return png(figure)
