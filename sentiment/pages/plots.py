"""The pictures of the reports, as SVG for `html.figure`."""

from collections.abc import Sequence
from typing import NamedTuple

from sentiment.evaluation.compare import PairedComparison, SliceDifference
from sentiment.evaluation.evaluation import SliceResult
from sentiment.evaluation.gate import Contender
from sentiment.evaluation.selection import Choice
from sentiment.messages import LANGUAGES, say
from sentiment.monitoring.descriptors import Distribution
from sentiment.monitoring.drift import DriftTest
from sentiment.monitoring.quality import DayQuality
from sentiment.pages.drawing import (
    WIDTH,
    Colour,
    bar,
    curve,
    interval,
    line,
    picture,
    scale,
    short,
    text,
    ticks,
)
from sentiment.pages.html import Html, both
from sentiment.pages.korean import KOREAN
from sentiment.stats.bootstrap import Metric
from sentiment.stats.calibration import Calibration

# A much larger effect says no more, and would leave no room for the others.
LONGEST_BAR = 4.0
MARGIN = 44.0  # for the numbers of an axis
MOST_COUNTED = 6  # labels: beyond, a cell has no room for its count


class Estimate(NamedTuple):
    """One line of a forest plot."""

    label: str | tuple[str, str]
    metric: Metric
    colour: Colour = "one"
    note: str = ""


def confusion_matrix(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> Html:
    """Counts and row shares; `confusion` has the truth in rows."""
    names = [short(label) for label in labels]
    left = min(130.0, 26 + 9.0 * max(map(len, names)))
    width = (WIDTH - left) / len(names)
    height = min(width, 64.0)
    parts = [text(left + width * len(names) / 2, -24, "predicted", at="middle", style="soft")]
    for at, name in enumerate(names):
        parts.append(text(left + width * (at + 0.5), -6, _fitting(name, width), at="middle"))
        parts.append(text(left - 8, height * (at + 0.5) + 4, name, at="end"))
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            x, y = left + width * column, height * row
            parts.append(bar(x + 1, y + 1, width - 2, height - 2, "one heat", opacity=0.03 + 0.4 * share))
            shown = f"{share:.0%}" if any(counts) else "–"
            counted = len(names) <= MOST_COUNTED and any(counts)
            parts.append(text(x + width / 2, y + height / 2 + (-2 if counted else 4), shown, at="middle"))
            if counted:
                parts.append(text(x + width / 2, y + height / 2 + 14, f"{count:,}", at="middle", style="soft"))
    how = both(
        "A row is a true label: the share of its rows, and how many. What is right lies on the diagonal.",
        "행은 실제 라벨이며, 칸은 그 라벨의 비율과 건수입니다. 대각선이 맞힌 예측입니다.",
    )
    return picture(height * len(names) + 4, "Where the predictions fall", how, *parts, top=38)


def reliability(calibration: Calibration) -> Html:
    """Accuracy against confidence, with 95% intervals and how many rows stand behind a point."""
    bins = calibration.bins
    fewest, most = min(bin_.rows for bin_ in bins), max(bin_.rows for bin_ in bins)
    each = f"{most:,}" if fewest == most else f"{fewest:,}–{most:,}"
    low = max(0.0, min(min(bin_.confidence, bin_.accuracy.low) for bin_ in bins) - 0.03)
    bottom = 280.0
    across, up = scale(low, 1, MARGIN, WIDTH - 10), scale(low, 1, bottom, 6)
    points = [(across(bin_.confidence), up(bin_.accuracy.value)) for bin_ in bins]
    parts = [
        *(line(MARGIN, up(tick), WIDTH - 10, up(tick), "grid") for tick in ticks(low, 1)),
        *(text(MARGIN - 6, up(tick) + 4, f"{tick:.0%}", at="end", style="soft") for tick in ticks(low, 1)),
        *(text(across(tick), bottom + 18, f"{tick:.0%}", at="middle", style="soft") for tick in ticks(low, 1)),
        line(across(low), up(low), across(1), up(1), "axis dashed"),
        curve(points, "one"),
        *(interval(bin_.accuracy, up, across(bin_.confidence), vertical=True) for bin_ in bins),
        text((MARGIN + WIDTH) / 2, bottom + 36, "confidence of the predicted label", at="middle", style="soft"),
    ]
    how = both(
        f"The share that is right, by confidence; a point stands for {each} rows. Dashed: perfect calibration. "
        f"Calibration error (ECE) {calibration.ece:.3f}; chance alone would give {calibration.ece_by_chance:.3f}.",
        f"신뢰도별로 실제로 맞힌 비율이며, 점 하나는 {each}건입니다. 점선은 완벽한 보정입니다. "
        f"보정 오차(ECE) {calibration.ece:.3f}, 우연만으로는 {calibration.ece_by_chance:.3f}.",
    )
    return picture(bottom + 42, "How far the confidence can be trusted", how, *parts)


def slices(parts: Sequence[SliceResult], overall: Metric) -> Html:
    """Macro-F1 by slice."""
    estimates = [Estimate(slice_title(part), part.macro_f1, note=f"{part.rows:,}") for part in parts]
    how = both(
        "The value, its 95% interval, and the rows. Dashed: all rows together.",
        "값과 95% 구간, 건수입니다. 점선은 전체 값입니다.",
    )
    return _forest("Macro-F1 by slice", how, estimates, overall.value)


def contenders(rows: Sequence[Contender], floor: float) -> Html:
    """Macro-F1 of candidate, champion and baselines, and the floor of the gate."""
    colours: dict[str, Colour] = {"candidate": "one", "champion": "two", "baseline": "rest"}
    estimates = [Estimate(_named(row), row.macro_f1, colours[row.role]) for row in rows]
    how = both(
        f"The value and its 95% interval. Dashed: the gate's floor {floor:g}.",
        f"값과 95% 구간입니다. 점선은 게이트의 최저 기준 {floor:g}입니다.",
    )
    return _forest("Macro-F1 on the test rows", how, estimates, floor)


def differences(comparison: PairedComparison) -> Html:
    """Macro-F1 of candidate minus champion: all rows, and the slices with enough rows."""
    slices = (comparison.known, comparison.feedback, *comparison.slices)
    estimates = [
        Estimate(("all rows", "전체"), comparison.macro_f1, note=f"{comparison.rows:,}"),
        *(
            Estimate(slice_title(part), part.macro_f1, "rest", f"{part.rows:,}")
            for part in slices
            if part and part.enough_rows
        ),
    ]
    how = both(
        "Right of the dashed line the candidate is better; the difference, its interval, and the rows.",
        "점선 오른쪽이면 후보가 더 낫습니다. 차이와 구간, 건수입니다.",
    )
    return _forest("Macro-F1, candidate minus champion", how, estimates, 0.0, shown="{:+.3f}")


def choices(rows: Sequence[Choice]) -> Html:
    """Macro-F1 of the candidates on the validation split, the chosen one first and in colour."""
    estimates = [
        Estimate(short(row.name), row.macro_f1, "rest" if position else "one", f"{row.texts_per_second:,.0f} texts/s")
        for position, row in enumerate(rows)
    ]
    return _forest("Macro-F1 on the validation rows", "95% intervals; the chosen model is the first.", estimates)


def effects(tests: Sequence[DriftTest]) -> Html:
    """All effects in units of their thresholds, the largest first."""
    ordered = sorted(tests, key=lambda test: -test.excess)
    across = scale(0, max(1.2, *(min(test.excess, LONGEST_BAR) for test in ordered)), 0, WIDTH)
    height = 38.0 * len(ordered)
    parts: list[str] = []
    for position, test in enumerate(ordered):
        y = 38.0 * position
        mark = "▲ " if test.drifted else ""
        english, korean = (say(test.name_said, each) for each in LANGUAGES)
        parts.append(text(0, y + 14, (f"{mark}{short(english)}", f"{mark}{short(korean)}")))
        parts.append(text(WIDTH, y + 14, f"{test.effect:.3f} / {test.threshold:.3f}", at="end", style="soft"))
        colour = "two" if test.drifted else "rest"
        parts.append(bar(0, y + 20, max(1.0, across(min(test.excess, LONGEST_BAR))), 8, colour))
    parts.append(line(across(1), 0, across(1), height, "mark dashed"))
    how = both(
        "Effect / threshold. A bar that reaches the dashed line is drift (▲).",
        "변화량 / 임계값입니다. 막대가 점선에 닿으면 드리프트(▲)입니다.",
    )
    return picture(height, "Effects against their thresholds", how, *parts)


def distribution(title: str, shown: Distribution) -> Html:
    """Shares of the rows: the reference as a hollow bar, the window as a filled one under it."""
    most = max(*shown.reference, *shown.window, 1e-9)
    across = scale(0, most, 0, WIDTH)
    parts: list[str] = []
    for position, (place, before, now) in enumerate(zip(shown.places, shown.reference, shown.window, strict=True)):
        y = 46.0 * position
        parts.append(text(0, y + 14, short(place)))
        parts.append(text(WIDTH, y + 14, f"{before:.1%} → {now:.1%}", at="end", style="soft"))
        parts.append(bar(1, y + 20, max(1.0, across(before) - 2), 7, "one hollow"))
        parts.append(bar(0, y + 30, max(1.0, across(now)), 8, "two"))
    how = both(
        "Share of the rows. Hollow: reference; filled: window.",
        "비율입니다. 빈 막대는 기준, 찬 막대는 현재 구간입니다.",
    )
    return picture(46.0 * len(shown.places), title, how, *parts)


def quality_by_day(days: Sequence[DayQuality], reference: float, max_loss: float) -> Html:
    """Accuracy of one version by day, and the estimate as a line; `reference` is the accuracy in the test.

    A day without a fair sample of labels has no accuracy to draw.
    """
    shown = [day for day in days if day.accuracy is not None and day.counted]
    estimates = [(day, day.estimate) for day in days if day.estimate is not None]
    values = [reference, reference - max_loss, *(value for _, value in estimates)]
    values += [end for day in shown if day.accuracy for end in (day.accuracy.low, day.accuracy.high)]
    low, high, bottom = max(0.0, min(values) - 0.03), min(1.0, max(values) + 0.03), 220.0
    first, last = days[0].day.toordinal(), days[-1].day.toordinal()
    across, up = scale(first - 0.5, last + 0.5, MARGIN, WIDTH), scale(low, high, bottom, 6)
    named = sorted({first, (first + last) // 2, last})
    parts = [
        *(line(MARGIN, up(tick), WIDTH, up(tick), "grid") for tick in ticks(low, high)),
        *(text(MARGIN - 6, up(tick) + 4, f"{tick:.0%}", at="end", style="soft") for tick in ticks(low, high)),
        *(text(across(day), bottom + 18, _day(days, day), at="middle", style="soft") for day in named),
        line(MARGIN, up(reference), WIDTH, up(reference), "mark"),
        line(MARGIN, up(reference - max_loss), WIDTH, up(reference - max_loss), "mark dashed"),
        curve([(across(day.day.toordinal()), up(value)) for day, value in estimates], "two"),
    ]
    for day in shown:
        if day.accuracy:
            parts.append(interval(day.accuracy, up, across(day.day.toordinal()), "one", vertical=True))
    how = both(
        "Accuracy on the labels that count, with 95% intervals. The line through the days is expected from the "
        "confidence. Across: accuracy in the test, and what is tolerated below it.",
        "판정에 쓰는 라벨 중 맞힌 비율과 95% 구간입니다. 꺾은선은 신뢰도로 계산한 추정값, 가로선은 학습 당시 정확도와 "
        "허용 하한입니다.",
    )
    return picture(bottom + 24, "Accuracy by day", how, *parts)


def confidence_histogram(counts: Sequence[int], labels: int) -> Html:
    """Rows by the confidence of their label, in bins of equal width from 1 / `labels` to 1."""
    total, few = sum(counts), max(1, len(counts) // 5)
    lowest, most, bottom = 1 / labels, max(*counts, 1), 190.0
    across, up = scale(lowest, 1, MARGIN, WIDTH - 10), scale(0, most, bottom, 6)
    width = (WIDTH - 10 - MARGIN) / len(counts)
    parts = [
        *(line(MARGIN, up(tick), WIDTH - 10, up(tick), "grid") for tick in ticks(0, most, 4)),
        *(text(MARGIN - 6, up(tick) + 4, f"{tick:,.0f}", at="end", style="soft") for tick in ticks(0, most, 4)),
        *(
            bar(MARGIN + width * at + 0.5, up(count), width - 1, bottom - up(count), "one")
            for at, count in enumerate(counts)
        ),
        *(text(across(tick), bottom + 18, f"{tick:.0%}", at="middle", style="soft") for tick in ticks(lowest, 1)),
        text((MARGIN + WIDTH) / 2, bottom + 36, "confidence of the predicted label", at="middle", style="soft"),
    ]
    below = f"{lowest + (1 - lowest) * few / len(counts):.0%}"
    unsure = f"{sum(counts[:few]) / max(1, total):.1%}"
    how = both(
        f"{total:,} rows; {unsure} of them below a confidence of {below}.",
        f"{total:,}건 중 {unsure}가 신뢰도 {below} 미만입니다.",
    )
    return picture(bottom + 42, "How sure the model was", how, *parts)


def _forest(
    title: str, how: Html | str, estimates: Sequence[Estimate], reference: float | None = None, *, shown: str = "{:.3f}"
) -> Html:
    """A line of text and a line with the interval for each, so that long names have room on a telephone."""
    ends = [end for each in estimates for end in (each.metric.low, each.metric.high)]
    ends += [reference] if reference is not None else []
    pad = 0.05 * (max(ends) - min(ends) or 0.1)
    low, high = min(ends) - pad, max(ends) + pad
    across, height = scale(low, high, 0, WIDTH), 42.0 * len(estimates)
    parts: list[str] = [line(across(tick), 0, across(tick), height, "grid") for tick in ticks(low, high)]
    if reference is not None:
        parts.append(line(across(reference), 0, across(reference), height, "mark dashed"))
    for position, estimate in enumerate(estimates):
        y = 42.0 * position
        value = shown.format(estimate.metric.value) + (f" · {estimate.note}" if estimate.note else "")
        parts.append(text(0, y + 15, estimate.label))
        parts.append(text(WIDTH, y + 15, value, at="end", style="soft"))
        parts.append(interval(estimate.metric, across, y + 28, estimate.colour))
    for tick in ticks(low, high):
        if 12 < across(tick) < WIDTH - 12:
            parts.append(text(across(tick), height + 14, f"{tick:g}", at="middle", style="soft"))
    return picture(height + 18, title, how, *parts)


def slice_title(part: SliceResult | SliceDifference) -> tuple[str, str]:
    """Column and value in English and Korean."""
    value = short(part.value)
    return f"{part.column}: {value}", f"{KOREAN.get(part.column, part.column)}: {value}"


def _named(row: Contender) -> tuple[str, str]:
    name = short(row.name)
    return f"{row.role}: {name}", f"{KOREAN[row.role]}: {KOREAN.get(name, name)}"


def _fitting(name: str, width: float) -> str:
    most = max(1, int(width // (13 if any(ord(letter) > 0x1100 for letter in name) else 7.5)))
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _day(days: Sequence[DayQuality], ordinal: int) -> str:
    return f"{days[0].day.fromordinal(ordinal):%m-%d}"
