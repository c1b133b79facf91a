"""A dataset's config into reviews: find the files, read them, map their columns to the one schema.

Texts stay raw here; `sentiment.data.clean` normalises them and drops what cannot be used.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from sentiment.config.dataset import LEAST_LABELS, DatasetConfig
from sentiment.config.load import validate
from sentiment.data.labels import (
    Meanings,
    RatingScale,
    UnknownLabelError,
    learnt,
    ratings_as_numbers,
    unknown_label,
)
from sentiment.data.names import counted, listed, masked, other_column
from sentiment.data.reviews import SPLITS, Splits
from sentiment.data.sources import check, opened, source_of
from sentiment.data.stream import ROWS, SPLIT_NAMES, RawChunk, raw_chunks
from sentiment.errors import OR, DataError, option
from sentiment.stored import Report
from sentiment.text.hashing import fractions

CONVENTIONAL_COLUMNS = {
    "id": ("id",),
    "label": ("label",),
    "rating": ("rating",),
    "category": ("category",),
    "language": ("language",),
    "created_at": ("created_at",),
    "source": ("source", "domain"),
    "split": ("split",),
}
# ISO 8601 first, then how Amazon's and Korean sites' exports write a date.
_TIME_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
    "%m %d, %Y",
    "%Y.%m.%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%Y.%m.%d %p %I:%M:%S",
    "%Y.%m.%d %p %I:%M",
)
_LARGEST_UNIX_SECONDS = 1e11
_SMALLEST_UNIX_SECONDS = 1e8  # in 1973; what is smaller is a year, a number of days, or nothing
_LARGEST_WHOLE = 2.0**53
# The settings that select rows, as they select all.
_EVERYTHING: dict[str, object] = {"created_from": None, "created_before": None, "sample_rate": 1}
_HANGUL = "[ㄱ-ㅣ가-힣]"
_FIRST = 5
# Noticed, but no loss.
MADE_ID = "id made from file and row"
BLANK = "blank line"


class ReadingReport(Report):
    """What was read, which rows the config left out, and what was noticed in the others."""

    dataset: str
    files: list[str]
    rows_read: int
    left_out: dict[str, int]
    noticed: dict[str, int]
    rows: dict[str, int]

    @property
    def losses(self) -> str:
        """What a person should know of the rows, as a list; empty when there is nothing."""
        counts = {**self.left_out, **{reason: rows for reason, rows in self.noticed.items() if reason != MADE_ID}}
        return ", ".join(f"{reason}: {rows:,}" for reason, rows in counts.items() if rows)


class ReviewStream:
    """The rows of a dataset in frames of at most `chunk_rows`, mapped to the one schema; read once, from start to end.

    A frame has the columns of `sentiment.data.reviews.COLUMNS` and `split`; rows without a given split are in `train`.
    Nothing is kept but counts: repeated ids are the business of whoever takes the rows.
    """

    def __init__(self, config: DatasetConfig, chunk_rows: int = ROWS) -> None:
        self.config = config
        self.noticed: Counter[str] = Counter()
        self.scale = RatingScale()
        self._chunk_rows = chunk_rows
        self._files: dict[str, None] = {}
        self._rows_read = 0
        self._left_out: Counter[str] = Counter()
        self._rows = Counter(dict.fromkeys(SPLITS, 0))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Raise DataError for a source that cannot be used.

        See `sentiment.data.stream.raw_chunks`; also a missing column, an unknown label, and no row left to give.
        """
        for chunk in raw_chunks(self.config, self._chunk_rows):
            self._files[chunk.place] = None
            self._rows_read += len(chunk.frame)
            try:
                mapped = _to_schema(chunk, self.config, self.noticed, self.scale)
            except UnknownLabelError as error:
                counts = _label_counts(self.config, error.column, self._chunk_rows)
                raise unknown_label(error, self.config, counts) from None
            filled = mapped.filter(~_blank(chunk.frame))
            if blank := len(mapped) - len(filled):
                self._left_out[BLANK] += blank
            kept, left_out = _select(filled, self.config, self.noticed)
            self._left_out.update(left_out)
            if self.scale.rows:  # the labels come from the ratings
                without = kept["rating"].is_not_null() & kept["label"].is_null()
                self.noticed["rating outside every range"] += int(without.sum())
            self._rows.update(dict(kept["split"].value_counts().iter_rows()))
            if len(kept):
                yield kept
        if not self._rows.total():
            reasons = ", ".join(f"{reason}: {counted(rows)}" for reason, rows in self._left_out.items())
            wide = [option(f"dataset.{key}", value) for key, value in _EVERYTHING.items() if key in reasons]
            raise DataError(f"{self.config.name}: no row is left after {reasons}.", f"Take all rows: {' '.join(wide)}")

    def report(self) -> ReadingReport:
        """What has been read so far."""
        return ReadingReport(
            dataset=self.config.name,
            files=list(self._files),
            rows_read=self._rows_read,
            left_out=dict(self._left_out),
            noticed={reason: rows for reason, rows in self.noticed.items() if rows},
            rows={name: self._rows[name] for name in SPLITS},
        )


def read(config: DatasetConfig, *, labelled: bool = True) -> tuple[Splits, ReadingReport]:
    """Read a dataset. Rows without a given split are in `train`.

    `labelled=False` is for rows to be pre-trained on: labels may be absent. Raises DataError as `ReviewStream` does,
    and for a label of the config that no row has.
    """
    config, _ = learn_labels(config)
    stream = ReviewStream(config)
    frame = pl.concat(stream)
    stream.noticed["repeated id"] += len(frame) - frame["id"].n_unique()
    if labelled:
        stream.scale.check(config)
        _check_labels(frame, config)
    return Splits.from_frame(frame, config.labels), stream.report()


def learn_labels(config: DatasetConfig) -> tuple[DatasetConfig, dict[str, int]]:
    """The config with the labels that its rows have, where it says `labels: auto`, and the rows of each label.

    All rows are read for it. Without a column of labels they are those of `rating_ranges`, from low to high. Raises
    DataError as `ReviewStream` does, and for a column of too many values, or of one.
    """
    if config.labels:
        return config, {}
    column = next(
        (
            found["label"]
            for chunk in raw_chunks(config, ROWS)
            if "label" in (found := _columns(chunk.frame, config, chunk.place))
        ),
        None,
    )
    if column is None:
        labels = dict.fromkeys(sorted(config.rating_ranges, key=config.rating_ranges.__getitem__), 0)
    else:
        labels = learnt(column, _label_counts(config, column, ROWS), config)
    raw = {**config.model_dump(mode="json"), "labels": list(labels)}
    return validate(raw, DatasetConfig, f"{config.name} with the labels of its rows", option_prefix="dataset."), labels


def _label_counts(config: DatasetConfig, column: str, rows: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for chunk in raw_chunks(config, rows):
        if column in chunk.frame.columns:
            frame, _ = _without_placeholders(chunk.frame, {column}, config.missing_values)
            counts.update(dict(_strings(frame, column).drop_nulls().value_counts().iter_rows()))
    return counts


def check_first_rows(config: DatasetConfig) -> None:
    """Raise DataError for what the first rows of files show already: columns that are not there, unknown labels.

    Costs milliseconds and spares a run. Only for files on this machine: all else has to be fetched first.
    """
    if "://" not in opened(config.path):
        next(iter(ReviewStream(config)))


def source_digest(config: DatasetConfig) -> str:
    """SHA-256 of the config and of the bytes it points at: the key under which an ingest can be cached.

    A download counts by its declared checksum, else by what the server says about its version; a hub dataset by its
    name and revision alone, so pin a revision; a query by the rows it gives, whatever their order.
    """
    check(config)
    digest = hashlib.sha256(config.model_dump_json().encode())
    for path, checksum in config.named_paths().values():
        digest.update(source_of(path).digest(config, path, checksum))
    return digest.hexdigest()


def _to_schema(chunk: RawChunk, config: DatasetConfig, noticed: Counter[str], scale: RatingScale) -> pl.DataFrame:
    raw, place = chunk.frame, chunk.place
    columns = _columns(raw, config, place)
    if not chunk.ordered and "id" not in columns:
        raise DataError(
            f"{place} gives no id: its rows have no order to number them by.",
            "Name the column that tells rows apart: --set dataset.id_column=NAME",
        )
    raw, placeholders = _without_placeholders(raw, set(columns.values()), config.missing_values)
    noticed["text that stands for nothing"] += placeholders.get(columns["text"], 0)
    chunk = chunk._replace(frame=raw)
    text = raw[columns["text"]].cast(pl.String)
    label, rating = _labels(chunk, columns, config, noticed, scale)
    created_at = _times(raw, columns.get("created_at"))
    noticed["unreadable date"] += created_at.null_count() - _strings(raw, columns.get("created_at")).null_count()
    ids = _strings(raw, columns.get("id"))
    noticed[MADE_ID] += ids.null_count()
    return pl.DataFrame(
        {
            "id": ids.fill_null(_numbered(chunk)) if ids.null_count() else ids,
            "text": text.fill_null(""),
            "label": label,
            "rating": rating,
            "category": _strings(raw, columns.get("category")),
            "language": _languages(raw, columns.get("language"), text, config.language),
            "created_at": created_at,
            "source": _strings(raw, columns.get("source")).fill_null(config.name),
            "split": _given_split(raw, columns.get("split"), chunk.split, place),
        }
    )


def _blank(raw: pl.DataFrame) -> pl.Series:
    """Which rows say nothing in any of several columns: the blank lines of a file."""
    if raw.width < 2:
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(raw))
    return raw.select(blank=pl.all_horizontal(pl.all().is_null())).to_series()


def ids_and_texts(chunk: RawChunk, config: DatasetConfig) -> tuple[pl.Series, pl.Series]:
    """The ids and texts that `ReviewStream` gives the rows of a chunk, before it selects."""
    frame = _to_schema(chunk, config, Counter(), RatingScale())
    return frame["id"], frame["text"]


def _numbered(chunk: RawChunk) -> pl.Series:
    """Ids for rows that have none: the place's name and the row's number from 1."""
    numbers = pl.int_range(chunk.before + 1, chunk.before + len(chunk.frame) + 1)
    return pl.select(pl.concat_str(pl.lit(f"{Path(chunk.place).name}:"), numbers)).to_series()


def _columns(raw: pl.DataFrame, config: DatasetConfig, place: str) -> dict[str, str]:
    """Which column of the file plays which role; roles without one are absent."""
    columns: dict[str, str] = {}
    for role, names in {"text": (), **CONVENTIONAL_COLUMNS}.items():
        named: str | None = getattr(config, f"{role}_column")
        if named is None:
            columns.update((role, name) for name in reversed(names) if name in raw.columns)
        elif named in raw.columns:
            columns[role] = named
        elif named:
            raise DataError(
                f"{place} has no column {masked(named)!r} (dataset.{role}_column); it has {listed(raw.columns)}.",
                other_column(f"{role}_column", named, raw.columns),
            )
    for role, name in columns.items():
        if raw[name].dtype.is_nested():
            without = option(f"dataset.{role}_column", "")
            raise DataError(
                f"{place}: the column {masked(name)!r} holds lists or objects.",
                "Name a column of texts: --set dataset.text_column=NAME"
                if role == "text"
                else f"Leave it out: {without}",
            )
    return columns


def _strings(raw: pl.DataFrame, column: str | None) -> pl.Series:
    """A column as stripped strings, null where there is nothing; the number 7.0 reads as 7."""
    if column is None:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(raw))
    values = raw[column]
    if values.dtype.is_float():
        whole = (values % 1 == 0) & (values.abs() < _LARGEST_WHOLE)
        return values.cast(pl.String).zip_with(
            ~whole.fill_null(False), values.cast(pl.Int64, strict=False).cast(pl.String)
        )
    if values.dtype != pl.String:
        return values.cast(pl.String)
    values = values.str.strip_chars()
    return values.set(values == "", None)


def _without_placeholders(
    raw: pl.DataFrame, columns: set[str], missing: list[str]
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The frame with null where a column that is read says nothing, and how many such values each column had."""
    nothing = [value.strip().lower() for value in missing]
    found: dict[str, int] = {}
    for name in sorted(columns):
        values = raw[name]
        if values.dtype.is_float():
            raw = raw.with_columns(values.fill_nan(None))
        elif values.dtype == pl.String and nothing:
            empty = values.str.strip_chars().str.to_lowercase().is_in(nothing).fill_null(False)
            if rows := int(empty.sum()):
                found[name] = rows
                raw = raw.with_columns(values.set(empty, None))
    return raw, found


def _labels(
    chunk: RawChunk, columns: dict[str, str], config: DatasetConfig, noticed: Counter[str], scale: RatingScale
) -> tuple[pl.Series, pl.Series]:
    """Label indices and ratings; both null where the row does not say."""
    raw = chunk.frame
    written = ratings_as_numbers(_strings(raw, columns.get("rating")))
    rating = written.cast(pl.Float32, strict=False)
    rating = rating.set(~rating.is_finite().fill_null(True), None)
    noticed["unreadable rating"] += rating.null_count() - written.null_count()
    if "label" in columns:
        return _labels_by_value(_strings(raw, columns["label"]), chunk, columns, config, noticed), rating
    scale.see(written, rating, config)
    label = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(raw))
    # The default ranges may name labels that a dataset with labels of its own does not have.
    for name, (low, high) in config.rating_ranges.items():
        if name not in config.labels:
            continue
        label = label.set(rating.is_between(low, high).fill_null(False), config.labels.index(name))
    return label, rating


def _labels_by_value(
    values: pl.Series, chunk: RawChunk, columns: dict[str, str], config: DatasetConfig, noticed: Counter[str]
) -> pl.Series:
    meanings = Meanings(config)
    written = values.drop_nulls().unique().to_list()
    unknown = values.is_in([value for value in written if not meanings.knows(value)]).fill_null(False)
    if unknown.any():
        rows = unknown.arg_true().head(_FIRST)
        ids = _strings(chunk.frame[rows], columns["id"]).to_list() if "id" in columns else None
        first = f"ids {ids}" if ids else f"rows {(rows + chunk.before + 1).to_list()}"
        raise UnknownLabelError(values[rows[0]], columns["label"], chunk.place, first)
    found = {value: meanings.of(value) for value in written}
    for value, label in found.items():
        if label is None:
            noticed[f"label {masked(value)!r}, which label_values drops"] += int((values == value).sum())
    indices = {value: config.labels.index(label) for value, label in found.items() if label is not None}
    return values.replace_strict(indices, default=None, return_dtype=pl.Int64)


def _times(raw: pl.DataFrame, column: str | None) -> pl.Series:
    """A column as UTC microseconds without a zone: dates, times, Unix seconds or milliseconds, and written dates.

    What falls outside the years 1900 to 2099 is null: `15.08.25` is no day of the year 15, and nothing says which
    of the three numbers is the year.
    """
    if column is None:
        return pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(raw))
    values = raw[column]
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif values.dtype.is_numeric():
        values = _counted_times(values)
    elif values.dtype == pl.String:
        values = _parsed_times(values.str.strip_chars())
    times = values.cast(pl.Datetime("us"))
    return times.set(~times.dt.year().is_between(1900, 2099).fill_null(True), None)


def _counted_times(values: pl.Series) -> pl.Series:
    """Numbers: 20250304 is a day, anything larger Unix seconds or milliseconds, anything smaller no time."""
    whole = values.cast(pl.Int64, strict=False)
    days = whole.is_between(19_000_101, 20_991_231).fill_null(False)
    written = whole.cast(pl.String).str.to_datetime("%Y%m%d", time_unit="us", strict=False)
    numbers = values.cast(pl.Float64)
    milliseconds = numbers.zip_with(numbers > _LARGEST_UNIX_SECONDS, numbers * 1000)
    milliseconds = milliseconds.set(numbers.abs() < _SMALLEST_UNIX_SECONDS, None)
    unix = milliseconds.cast(pl.Int64, strict=False).cast(pl.Datetime("ms")).cast(pl.Datetime("us"))
    return written.zip_with(days, unix)


def _parsed_times(written: pl.Series) -> pl.Series:
    times = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(written))
    # 2026. 11. 29. 오후 3:04:05
    written = written.str.replace_all(r"\.\s+", ".").str.replace("오전", "AM").str.replace("오후", "PM")
    written = written.str.replace(r"\.?\s*$", "").str.replace(r"\.(AM|PM)", " $1")
    for form in _TIME_FORMATS:
        rest = (times.is_null() & written.is_not_null()).arg_true()
        if rest.is_empty():
            break
        found = written.gather(rest).str.to_datetime(form, time_unit="us", strict=False)
        if isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone:
            found = found.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        times = times.scatter(rest, found)
    return times


def _languages(raw: pl.DataFrame, column: str | None, text: pl.Series, fixed: str | None) -> pl.Series:
    if fixed:
        return pl.Series([fixed]).new_from_index(0, len(raw))
    given = _strings(raw, column).str.to_lowercase()
    return given.zip_with(given.is_not_null(), detect_language(text)) if given.null_count() else given


def detect_language(texts: pl.Series) -> pl.Series:
    """`ko` where at least a fifth of the letters is Hangul, `en` where most are basic Latin, else `other`."""
    only_hangul = texts.str.contains(_HANGUL) & ~texts.str.contains(rf"[\p{{L}}--{_HANGUL}]")
    language = pl.select(
        pl.when(only_hangul.fill_null(False)).then(pl.lit("ko")).otherwise(pl.lit("other"))
    ).to_series()
    # Counting letters takes four times as long as looking for one, so only mixed texts are counted.
    mixed = (~only_hangul).fill_null(False).arg_true()
    counted = texts.gather(mixed)
    letters = counted.str.count_matches(r"\p{L}")
    korean = (letters > 0) & (counted.str.count_matches(_HANGUL) >= 0.2 * letters)
    english = (letters > 0) & ~korean & (counted.str.count_matches("[A-Za-z]") >= 0.8 * letters)
    return language.scatter(mixed.filter(korean), "ko").scatter(mixed.filter(english), "en")


def _given_split(raw: pl.DataFrame, column: str | None, default: str, place: str) -> pl.Series:
    given = _strings(raw, column).str.to_lowercase()
    unknown = given.filter(given.is_not_null() & ~given.is_in(list(SPLIT_NAMES)))
    if len(unknown):
        raise DataError(
            f"{place}: the value {masked(unknown[0])!r} of the column {masked(str(column))!r} is no split.",
            f"Split the rows anew: {option('dataset.split_column', '')}"
            f"{OR}Write train, validation or test in that column",
        )
    return given.replace_strict(SPLIT_NAMES, default=default, return_dtype=pl.String)


def _select(frame: pl.DataFrame, config: DatasetConfig, noticed: Counter[str]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Keep the dates and the sample the config asks for. A row without a date is kept: nothing says it is outside."""
    left_out = {}
    if config.created_from or config.created_before:
        noticed["no date to select by"] += frame["created_at"].null_count()
    for setting, bound in (("created_from", config.created_from), ("created_before", config.created_before)):
        if bound:
            later = (pl.col("created_at") >= bound).fill_null(setting == "created_from")
            kept = frame.filter(later == (setting == "created_from"))
            left_out[f"{setting} {bound}"] = len(frame) - len(kept)
            frame = kept
    if config.sample_rate < 1:
        kept = frame.filter(fractions(frame["id"] + "\x1f" + frame["text"], "sample") < config.sample_rate)
        left_out[f"sample_rate {config.sample_rate}"] = len(frame) - len(kept)
        frame = kept
    return frame, left_out


def _check_labels(frame: pl.DataFrame, config: DatasetConfig) -> None:
    counts = {name: int((frame["label"] == index).sum()) for index, name in enumerate(config.labels)}
    if missing := [name for name, rows in counts.items() if not rows]:
        found = ", ".join(f"{name} {rows:,}" for name, rows in counts.items())
        raise DataError(
            f"{config.name}: no row has the label {' or '.join(missing)} (rows by label: {found}).",
            _labels_there(config, [name for name, rows in counts.items() if rows]),
        )


def _labels_there(config: DatasetConfig, there: list[str]) -> str:
    """The ways out when a label has no row: two labels at least are needed, each with rows."""
    column = "Name the column of labels: --set dataset.label_column=NAME"
    # Else a column of labels goes before the ratings.
    ratings = f"{OR}Name the column of ratings: {option('dataset.label_column', '')} --set dataset.rating_column=NAME"
    if not there:
        return f"{column}{ratings}"
    if len(there) >= LEAST_LABELS:
        return f"Leave out what has no row: {option('dataset.labels', there)}"
    return (
        f"Add rows of another label than {there[0]}: a model needs two, with some dozen rows each{OR}{column}{ratings}"
    )
