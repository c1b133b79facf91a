"""The pictures of the reports, as PNG bytes. Importing this imports matplotlib."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import PercentFormatter

from sentiment.evaluation.evaluation import SliceResult
from sentiment.evaluation.gate import Contender
from sentiment.evaluation.selection import Choice
from sentiment.monitoring.descriptors import Distribution
from sentiment.monitoring.drift import DriftTest
from sentiment.monitoring.quality import DayQuality
from sentiment.pages.drawing import BLUE, GREY, INK, VERMILION, WIDTH_INCHES, axes_of, interval, png, short
from sentiment.stats.bootstrap import Metric
from sentiment.stats.calibration import Calibration

# A much larger effect says no more, and would leave no room for the others.
LONGEST_BAR = 4.0
MANY_PLACES = 4
BLUES = LinearSegmentedColormap.from_list("blues", ["#FFFFFF", BLUE])


class Estimate(NamedTuple):
    """One line of a forest plot."""

    label: str
    metric: Metric
    colour: str = BLUE
    note: str = ""


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """Counts and row shares; `confusion` has the truth in rows."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.9 * len(labels)
    figure, axes = axes_of(side, side - 0.4, "Where the predictions fall", "share of each true label, and rows")
    axes.imshow(shares, cmap=BLUES, vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.0%}\n{counts[row, column]:,}" if counts[row].any() else "–"
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.5 else INK, fontsize=11)
    names = [short(label) for label in labels]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return png(figure)


def reliability(calibration: Calibration) -> bytes:
    """Accuracy against confidence, with 95% intervals and how many rows stand behind a point."""
    bins = calibration.bins
    fewest, most = min(bin_.rows for bin_ in bins), max(bin_.rows for bin_ in bins)
    each = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    subtitle = (
        f"calibration error (ECE) {calibration.ece:.3f}; chance alone would give {calibration.ece_by_chance:.3f}\n"
        f"a point stands for {each} rows; the grey line is perfect calibration"
    )
    figure, axes = axes_of(5.2, 5.0, "How far the confidence can be trusted", subtitle)
    axes.axline((0, 0), (1, 1), color=GREY, linewidth=1, zorder=1)
    axes.plot([bin_.confidence for bin_ in bins], [bin_.accuracy.value for bin_ in bins], color=BLUE, alpha=0.5)
    for bin_ in bins:
        interval(axes, bin_.accuracy, at=bin_.confidence, vertical=True)
    axes.set_xlim(min(bin_.confidence for bin_ in bins) - 0.03, 1.01)
    axes.set_ylim(min(bin_.accuracy.low for bin_ in bins) - 0.03, 1.02)
    axes.set_xlabel("confidence of the predicted label")
    axes.set_ylabel("share that is right")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return png(figure)


def slices(parts: Sequence[SliceResult], overall: Metric) -> bytes:
    """Macro-F1 by slice."""
    estimates = [Estimate(part.title, part.macro_f1, note=f"{part.rows:,} rows") for part in parts]
    return _forest("Macro-F1 by slice", "95% intervals; the line is all rows together", estimates, overall.value)


def contenders(rows: Sequence[Contender], floor: float) -> bytes:
    """Macro-F1 of candidate, champion and baselines, and the floor of the gate."""
    colours = {"candidate": BLUE, "champion": VERMILION, "baseline": GREY}
    estimates = [Estimate(f"{row.role}: {row.name}", row.macro_f1, colours[row.role]) for row in rows]
    return _forest("Macro-F1 on the test rows", f"95% intervals; the line is the floor {floor:g}", estimates, floor)


def choices(rows: Sequence[Choice]) -> bytes:
    """Macro-F1 of the candidates on the validation split, the chosen one in colour."""
    estimates = [
        Estimate(row.name, row.macro_f1, GREY if position else BLUE, f"{row.texts_per_second:,.0f} texts/s")
        for position, row in enumerate(rows)
    ]
    return _forest("Macro-F1 on the validation rows", "95% intervals; the chosen model is blue", estimates)


def effects(tests: Sequence[DriftTest]) -> bytes:
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


def quality_by_day(days: Sequence[DayQuality], reference: float, max_loss: float) -> bytes:
    """Accuracy of the labelled rows of one version by day, and the estimate as a line.

    A day is blue where its labels count for the verdict and grey where they are no fair sample. `reference` is the
    accuracy in the test.
    """
    subtitle = (
        "share of labelled rows answered right, 95% intervals; grey: the labels are no fair sample\n"
        "vermilion: expected from the confidence; lines: accuracy in the test, and what is tolerated below it"
    )
    figure, axes = axes_of(WIDTH_INCHES, 3.6, "Accuracy by day", subtitle)
    axes.axhline(reference, color=INK, linewidth=0.8, zorder=1)
    axes.axhline(reference - max_loss, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    estimates = [(date2num(day.day), day.estimate) for day in days if day.estimate is not None]
    axes.plot(*zip(*estimates, strict=True), color=VERMILION, marker=".", linewidth=1.2, zorder=2)
    for day in days:
        if day.accuracy is not None:
            colour = BLUE if day.counted else GREY
            interval(axes, day.accuracy, at=date2num(day.day), colour=colour, vertical=True)
    axes.set_xlim(date2num(days[0].day) - 1, date2num(days[-1].day) + 1)
    locator = AutoDateLocator(minticks=2, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return png(figure)


def confidence_histogram(counts: Sequence[int], labels: int) -> bytes:
    """Rows by the confidence of their label, in bins of equal width from 1 / `labels` to 1."""
    edges = np.linspace(1 / labels, 1, len(counts) + 1)
    total = sum(counts)
    unsure = sum(counts[: max(1, len(counts) // 5)]) / max(1, total)
    below = f"{edges[max(1, len(counts) // 5)]:.0%}"
    figure, axes = axes_of(
        WIDTH_INCHES,
        3.2,
        "How sure the model was",
        f"{total:,} rows; {unsure:.1%} of them below a confidence of {below}",
    )
    axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("confidence of the predicted label")
    axes.set_ylabel("rows")
    axes.set_xlim(edges[0], 1)
    return png(figure)


def _forest(title: str, subtitle: str, estimates: Sequence[Estimate], reference: float | None = None) -> bytes:
    figure, axes = axes_of(WIDTH_INCHES, 1.3 + 0.32 * len(estimates), title, subtitle)
    if reference is not None:
        axes.axvline(reference, color=INK, linewidth=0.8, zorder=1)
    for position, estimate in enumerate(estimates):
        interval(axes, estimate.metric, at=position, colour=estimate.colour)
        text = f"{estimate.metric.value:.3f}   {estimate.note}".rstrip()
        place, colour = axes.get_yaxis_transform(), GREY if estimate.colour == GREY else INK
        axes.text(1.02, position, text, transform=place, va="center", fontsize=9, color=colour)
    axes.set_yticks(range(len(estimates)), [short(estimate.label) for estimate in estimates])
    axes.set_ylim(len(estimates) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    return png(figure)
