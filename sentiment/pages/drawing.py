"""What every picture of a report is drawn with: SVG inside the page, in the page's own colours and type.

Colours are names of classes (`html.STYLE` has them, light and dark): "one" and "two" stay apart under colour blindness
(`tests/code/test_colours.py`), and no picture tells by colour alone. A length is in the units of a picture that is
`WIDTH` wide, about a pixel on a telephone.
"""

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Literal

from sentiment.pages.html import Html, markup
from sentiment.pages.korean import KOREAN
from sentiment.stats.bootstrap import Metric

Colour = Literal["one", "two", "rest"]
Place = Callable[[float], float]
WIDTH = 400
LONGEST_LABEL = 30


def picture(height: float, title: str, how: Html | str, *parts: str, top: float = 0) -> Html:
    """A drawing under its title and a line that says how to read it; its parts may begin above 0, at -`top`."""
    name = f"{title} · {KOREAN[title]}" if title in KOREAN else title
    return Html(
        f"<figcaption><b>{markup(title)}</b>{markup(how)}</figcaption>"
        f'<svg viewBox="0 {-top:g} {WIDTH} {height + top:g}" role="img" aria-label="{escape(name)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, shown: str | tuple[str, str], *, at: str = "start", style: str = "") -> Html:
    """A text whose base line begins, ends or is centred (`at`: start, end, middle) at (x, y).

    A pair is English and Korean; of a text alone, `korean.py` may know the Korean.
    """
    place = f'x="{x:.1f}" y="{y:.1f}"' + (f' text-anchor="{at}"' if at != "start" else "")
    place += f' class="{style}"' if style else ""
    english, korean = shown if isinstance(shown, tuple) else (shown, KOREAN.get(shown))
    if korean is None or korean == english:
        return Html(f"<text {place}>{escape(english)}</text>")
    return Html(f'<text {place} lang="en">{escape(english)}</text><text {place} lang="ko">{escape(korean)}</text>')


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> Html:
    """A straight line."""
    return Html(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>')


def curve(points: Sequence[tuple[float, float]], style: str) -> Html:
    """A line through all points."""
    return Html(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="line {style}"/>')


def bar(x: float, y: float, width: float, height: float, style: str, *, opacity: float = 1) -> Html:
    """A filled rectangle."""
    shown = f' fill-opacity="{opacity:.3f}"' if opacity < 1 else ""
    return Html(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" class="{style}"{shown}/>')


def interval(metric: Metric, place: Place, at: float, style: str = "one", *, vertical: bool = False) -> Html:
    """A point with its interval as a line through it; `place` is the axis of the metric, `at` is on the other one."""
    low, value, high = place(metric.low), place(metric.value), place(metric.high)
    ends = (at, low, at, high) if vertical else (low, at, high, at)
    x, y = (at, value) if vertical else (value, at)
    return Html(f'{line(*ends, f"line {style}")}<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" class="{style}"/>')


def scale(low: float, high: float, start: float, end: float) -> Place:
    """The place of a value on an axis from `start`, where `low` is, to `end`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`; the one value where they are the same."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** floor(log10(raw))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= raw * 0.999)
    return [round(step * each, 10) for each in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def short(label: str) -> str:
    """A label that fits."""
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
