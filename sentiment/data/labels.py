"""What the values of a label column and of a rating column mean, and what to do about those that mean nothing."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping

import polars as pl

from sentiment.config.dataset import LEAST_LABELS, DatasetConfig
from sentiment.data.names import MOST, counted, masked
from sentiment.errors import OR, DataError, option

_WHOLE = re.compile(r"([+-]?\d+)\.0+")
# A value as close as this to a label is a slip of the keyboard.
SLIP = 0.8
# Ratings above every range, as a share of all, from which the ranges are taken to be made for another scale.
_OFF_SCALE = 0.05
_SCALES = (5, 10, 100)
# So many different values are still those of a column of labels.
MOST_LABELS = 20


class UnknownLabelError(Exception):
    """A value of the label column is none of the labels; `first` says where it was found."""

    def __init__(self, value: str, column: str, place: str, first: str) -> None:
        self.value, self.column, self.place, self.first = value, column, place, first
        super().__init__(value)


class Meanings:
    """Which label a written value means. Case, spaces around it and a final `.0` make no difference."""

    def __init__(self, config: DatasetConfig) -> None:
        self._exact: dict[str, str | None] = {**{name: name for name in config.labels}, **(config.label_values or {})}
        alike = Counter(map(_canonical, self._exact))
        # "A" and "a" as two labels are told apart by their case.
        self._alike = {_canonical(name): label for name, label in self._exact.items() if alike[_canonical(name)] == 1}

    def knows(self, value: str) -> bool:
        """Whether it is a label, or mapped to one or to nothing."""
        return value in self._exact or _canonical(value) in self._alike

    def of(self, value: str) -> str | None:
        """The label; None for a value that is to be dropped."""
        return self._exact[value] if value in self._exact else self._alike[_canonical(value)]


def _canonical(value: str) -> str:
    lower = value.strip().casefold()
    whole = _WHOLE.fullmatch(lower)
    return whole[1] if whole else lower


def learnt(column: str, counts: Mapping[str, int], config: DatasetConfig) -> dict[str, int]:
    """The labels that the values of a column are, in the order of their names, and the rows of each.

    Values that differ in case, spaces or a final `.0` are one, in their most usual spelling. What `label_values` says
    holds. Raises DataError for one label alone, and for more than `MOST_LABELS`.
    """
    given = config.label_values or {}
    spellings: dict[str, str] = {}
    found: Counter[str] = Counter()
    for value, rows in _largest_first(counts):
        label = given[value] if value in given else spellings.setdefault(_canonical(value), value)
        if label is not None:
            found[label] += rows
    if len(found) > MOST_LABELS:
        raise DataError(
            f"{config.name}: column {masked(column)!r} has {len(found):,} different values, and labels: auto takes up "
            f"to {MOST_LABELS}.",
            "Name the column of labels: --set dataset.label_column=NAME"
            f"{OR}Name the labels yourself: --set 'dataset.labels=[LABEL, LABEL]'",
        )
    if len(found) < LEAST_LABELS:
        only = "".join(f", {masked(label)!r} ({counted(rows)})" for label, rows in found.items())
        raise DataError(
            f"{config.name}: column {masked(column)!r} has {counted(len(found), 'label')}{only}, "
            "and a model needs two.",
            "Add rows of another label: some dozen of each are needed"
            f"{OR}Name another column of labels: --set dataset.label_column=NAME",
        )
    return dict(sorted(found.items()))


def unknown_label(error: UnknownLabelError, config: DatasetConfig, counts: Mapping[str, int]) -> DataError:
    """The error with all values and their counts, and the settings that map, drop or learn them."""
    meanings = Meanings(config)
    unknown = {value: rows for value, rows in counts.items() if not meanings.knows(value)} or {error.value: 1}
    ranked = [value for value, _ in _largest_first(unknown)]
    known = ", ".join(repr(name) for name in dict.fromkeys([*config.labels, *(config.label_values or {})]))
    every = ", ".join(f"{masked(value)!r} {rows:,}" for value, rows in _largest_first(counts)[:MOST])
    more = f" and {len(counts) - MOST:,} more values" if len(counts) > MOST else ""
    cause = (
        f"{error.place}: the label {masked(error.value)!r} in column {masked(error.column)!r} is not one of {known} "
        f"({counted(sum(unknown.values()))}, first {error.first}). Rows by value: {every}{more}."
    )
    return DataError(cause, _ways_out(ranked, len(ranked) == len(counts), config))


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _ways_out(unknown: list[str], nothing_known: bool, config: DatasetConfig) -> str:
    if len(unknown) > MOST or any(masked(value) != value for value in unknown):
        return (
            "Name the column of labels: --set dataset.label_column=NAME"
            f"{OR}Take the labels from the ratings: {as_setting('label_column', '')}"
        )
    learn = unknown if nothing_known else [*config.labels, *unknown]
    if nothing_known:
        meaning = dict.fromkeys(unknown, "LABEL")
        return (
            f"Learn the values: {as_setting('labels', learn)}"
            f"{OR}Say what each means: {as_setting('label_values', meaning)}"
        )
    close = {value: difflib.get_close_matches(value, config.labels, n=1, cutoff=SLIP) for value in unknown}
    slips = {value: found[0] for value, found in close.items() if found}
    mapping = {**(config.label_values or {}), **{value: slips.get(value) for value in unknown}}
    named = ", ".join(f"{value!r} as {label!r}" for value, label in slips.items())
    dropped = [value for value in unknown if value not in slips]
    first = " and ".join(
        [*([f"read {named}"] * bool(slips)), *([f"drop {', '.join(map(repr, dropped))}"] * bool(dropped))]
    )
    learning = f"Learn {'it as a label' if len(unknown) == 1 else 'them as labels'}: {as_setting('labels', learn)}"
    return f"{first[0].upper()}{first[1:]}: {as_setting('label_values', mapping)}{OR}{learning}"


def as_setting(key: str, value: object) -> str:
    """A key of the dataset with its value, as it is typed into a shell."""
    return option(f"dataset.{key}", value)


def ratings_as_numbers(written: pl.Series) -> pl.Series:
    """Ratings with `5점` and `★★★★☆` as the numbers that they are; all else stays as it is written."""
    points = written.str.replace(r"^\s*(\d+(?:\.\d+)?)\s*점\s*$", "${1}")
    drawn = written.str.contains(r"^\s*[★⭐][★☆⭐]*\s*$").fill_null(False)
    return points.zip_with(~drawn, written.str.count_matches("[★⭐]").cast(pl.String))


class RatingScale:
    """What was seen of a rating column, so that ranges made for another scale are noticed."""

    def __init__(self) -> None:
        self.rows = 0
        self.above = 0
        self.low = self.high = 0.0
        self.unreadable: list[str] = []

    def see(self, written: pl.Series, rating: pl.Series, config: DatasetConfig) -> None:
        """Take the ratings of a frame, as they are written and as numbers."""
        numbers = rating.drop_nulls()
        if len(self.unreadable) < MOST and rating.null_count() > written.null_count():
            self.unreadable += written.filter(rating.is_null() & written.is_not_null()).head(3).to_list()
        if numbers.is_empty():
            return
        low, high = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
        self.low, self.high = (min(self.low, low), max(self.high, high)) if self.rows else (low, high)
        self.rows += len(numbers)
        self.above += int((numbers > _top(config)).sum())

    def check(self, config: DatasetConfig) -> None:
        """Raise DataError when no rating is a number, or many are above every range."""
        if self.unreadable and not self.rows:
            raise DataError(
                f"{config.name}: ratings like {masked(self.unreadable[0])!r} are no numbers.",
                f"Write them as numbers with a point{OR}Name a column of labels: --set dataset.label_column=NAME",
            )
        if self.above <= _OFF_SCALE * self.rows:
            return
        top = _top(config)
        scale = next((each for each in _SCALES if self.high <= each), self.high)
        raise DataError(
            f"{config.name}: ratings go up to {self.high:g}, but dataset.rating_ranges end at {top:g} "
            f"({self.above:,} of {counted(self.rows, 'rating')} are above).",
            f"Say what they mean: {as_setting('rating_ranges', self._stretched(config, scale / top))}",
        )

    def _stretched(self, config: DatasetConfig, factor: float) -> dict[str, list[float]]:
        """The ranges on the scale that was found; the lowest begins at the lowest rating."""
        bottom = min(low for low, _ in config.rating_ranges.values())
        return {
            name: [tidy(self.low if low == bottom else low * factor), tidy(high * factor)]
            for name, (low, high) in config.rating_ranges.items()
        }


def _top(config: DatasetConfig) -> float:
    return max(high for _, high in config.rating_ranges.values())


def tidy(value: float) -> float:
    """A whole number as one."""
    return int(value) if value == int(value) else value
