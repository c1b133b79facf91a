"""The picture of quality over time."""

from collections.abc import Sequence

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import PercentFormatter

from sentiment.monitoring.quality import DayQuality
from sentiment.pages.drawing import BLUE, GREY, INK, VERMILION, WIDTH_INCHES, axes_of, interval, png


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
