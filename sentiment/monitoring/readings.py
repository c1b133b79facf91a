"""What moved, in the unit that people count in: "share of digits 0.3% → 23.7%", and not an effect of 7.80."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from sentiment.messages import Message, named
from sentiment.monitoring.descriptors import DESCRIPTORS
from sentiment.monitoring.words import NewWord

SHARES: Final = frozenset({"jamo", "laughs", "cries", "latin", "digits", "emoji", "punctuation", "odd", "unseen"})
VALUES: Final = {"label": "label", "language": "language"}  # a column of names, and what kind of names they are
DOUBLINGS: Final = frozenset({"laughter"})
LOW, HIGH = 0.1, 0.9
MOST_WORDS_SAID = 5
_SPREADS: Final = {each.name: each.spread for each in DESCRIPTORS}


def moved(name: str, title: str, effect: float, before: pl.Series, now: pl.Series, *, drifted: bool) -> Message:
    """The mean before and after. Where it drifted and the mean hardly moved: where most of the values lie.

    `effect` is a Wasserstein distance in standard deviations of `before`, of which the moved mean is a part.
    """
    what = named("test", name, title)
    if name in VALUES:
        return _moved_value(what, VALUES[name], before, now)
    before, now = before.drop_nulls().cast(pl.Float64), now.drop_nulls().cast(pl.Float64)
    if name in DOUBLINGS:
        before, now = 2**before, 2**now
    share = name in SHARES or name == "confidence"
    ends = {
        "before_low": before.quantile(LOW),
        "before_high": before.quantile(HIGH),
        "after_low": now.quantile(LOW),
        "after_high": now.quantile(HIGH),
    }
    first, last = _mean(before), _mean(now)
    part = abs(last - first) / max(_deviation(before), _SPREADS.get(name, 0.0), 1e-9)
    apart = (ends["before_low"], ends["before_high"]) != (ends["after_low"], ends["after_high"])
    if drifted and part < effect / 2 and apart and name not in DOUBLINGS:
        return Message(code="moved.share_range" if share else "moved.range", values={"what": what, **ends})
    return Message(
        code="moved.share" if share else "moved.number", values={"what": what, "before": first, "after": last}
    )


def told_apart(auc: float, words: Sequence[NewWord]) -> Message:
    """What a classifier found: the words that are new, else how well it tells the texts apart."""
    if words:
        said = tuple(word.text for word in words[:MOST_WORDS_SAID])
        return Message(code="moved.words", values={"words": said})
    return Message(code="moved.texts", values={"auc": auc})


def over_limit(name: str, title: str, share: float, limit: float) -> Message:
    """A share of the window that the reference does not have at all."""
    return Message(code="moved.limit", values={"what": named("test", name, title), "after": share, "limit": limit})


def _moved_value(what: Message | str, kind: str, before: pl.Series, now: pl.Series) -> Message:
    """The value whose share moved most."""
    shares = {value: (_share(before, value), _share(now, value)) for value in sorted({*before, *now} - {None})}
    value, (first, last) = max(shares.items(), key=lambda each: abs(each[1][1] - each[1][0]))
    values = {"what": what, "value": named(kind, value), "before": first, "after": last}
    return Message(code="moved.value", values=values)


def _share(column: pl.Series, value: str) -> float:
    return int((column == value).sum()) / max(1, column.count())


def _mean(numbers: pl.Series) -> float:
    return float(numbers.mean() or 0.0)  # type: ignore[arg-type]


def _deviation(numbers: pl.Series) -> float:
    return float(numbers.std(ddof=0) or 0.0)  # type: ignore[arg-type]
