"""What every picture of a report is drawn with: PNG bytes, without pyplot's global state.

Hangul is drawn with NanumGothic from the package koreanize-matplotlib, so that a machine needs no Korean font. The
colours are those of Okabe & Ito (2008), which stay apart under colour blindness.
"""

import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.text import Text

from sentiment.errors import SentimentError
from sentiment.stats.bootstrap import Metric

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#7A7A7A", "#222222"
WIDTH_INCHES = 6.4
DPI = 144
LONGEST_LABEL = 32


def axes_of(width: float, height: float, title: str, subtitle: str) -> tuple[Figure, Axes]:
    """An empty plot under a title and one or two lines that say how to read it; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    lines = "\n" * (subtitle.count("\n") + 1)
    figure.suptitle(title + lines, x=0.015, ha="left", fontsize=13, fontweight="bold", color=INK)
    below_title = 1 - 0.32 / height
    figure.text(0.015, below_title, subtitle, va="top", fontsize=9, color="#555555").set_in_layout(False)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelcolor=INK, labelsize=9, color=GREY)
    return figure, axes


def interval(axes: Axes, metric: Metric, *, at: float, colour: str = BLUE, vertical: bool = False) -> None:
    """A point with its interval as a line through it, at the place `at` of the other axis."""
    ends = [metric.low, metric.high]
    line, point = ([at, at], ends), (at, metric.value)
    if not vertical:
        line, point = (ends, [at, at]), (metric.value, at)
    axes.plot(*line, color=colour, linewidth=2, solid_capstyle="round", zorder=2)
    axes.plot(*point, marker="o", markersize=6, color=colour, markeredgecolor="white", zorder=3)


def short(label: str) -> str:
    """A label that fits; what the font lacks (an emoji) is a box, as matplotlib would draw it after a warning."""
    font = get_font(font_file())
    drawable = "".join(character if font.get_char_index(ord(character)) else "□" for character in label)
    return drawable if len(drawable) <= LONGEST_LABEL else f"{drawable[: LONGEST_LABEL - 1]}…"


def png(figure: Figure) -> bytes:
    """The picture. Sets every text in the font with Hangul, and takes `$` for a dollar rather than for TeX."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_ticklabels()  # ticks are lazy: this makes them
    for text in figure.findobj(Text):
        bold = text.get_fontweight() == "bold"
        text.set_fontproperties(FontProperties(fname=font_file(bold), size=text.get_fontsize()))
        text.set_parse_math(False)
    figure.dpi = DPI
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


@cache
def font_file(bold: bool = False) -> Path:
    """NanumGothic's file, found without importing its package, which would change matplotlib's settings.

    Raises SentimentError when the package is not installed.
    """
    spec = find_spec("koreanize_matplotlib")
    if spec is None or spec.origin is None:
        raise SentimentError("The font for the pictures is missing.", "Install it: pip install koreanize-matplotlib")
    return Path(spec.origin).parent / "fonts" / ("NanumGothicBold.ttf" if bold else "NanumGothic.ttf")
