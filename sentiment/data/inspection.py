"""What a file seems to be, before anything starts: its encoding and separator, and which column plays which role.

Only the beginning is looked at, so it takes milliseconds. What is certain becomes settings; what is not becomes a doubt
that a person answers.
"""

import difflib
import json
import shlex
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

import polars as pl

from sentiment.config.dataset import MISSING, DatasetConfig, Format
from sentiment.data.columns import column_named_as, is_column_name
from sentiment.data.dialect import SEPARATORS, count_rows, fitting_separator, hint, is_number, reader
from sentiment.data.encoding import OTHER_FILE, UTF8, as_utf8, encoding_of
from sentiment.data.files import NO_ROWS, check_json_line, check_json_shape, format_of, unpacked
from sentiment.data.labels import MOST_LABELS, SLIP, as_setting, ratings_as_numbers, tidy
from sentiment.data.names import counted, listed, masked, other_column
from sentiment.errors import OR, DataError, setting
from sentiment.text.pii import mask

ROLES = ("created_at", "id", "label", "rating")
HEAD_BYTES = 4 << 20
HEAD_ROWS = 2000
# So few values beside known ones are mistakes, and no labels.
STRANGE_SHARE = 0.1
WORDS = {
    "negative": {"negative", "neg", "bad", "부정", "부정적", "나쁨", "불만"},
    "neutral": {"neutral", "neu", "중립", "중립적", "보통"},
    "positive": {"positive", "pos", "good", "긍정", "긍정적", "좋음", "만족"},
}
# What a value says that says nothing.
NOTHING = {value.casefold() for value in MISSING} | {""}
Table = tuple[list[str], list[list[str]]]


@dataclass
class Inspection:
    """What was found. `settings` are keys of `DatasetConfig` that say it; `shown`, in a few lines, what a person reads.

    `doubts`: what only a person can know. `settings` then hold a guess.
    """

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    separator: str = ","

    def overrides(self) -> list[str]:
        """The settings as --set takes them."""
        return [setting(f"dataset.{key}", value) for key, value in self.settings.items()]

    def typed(self) -> str:
        """The settings as they are typed beside the file; nothing that holds personal data."""
        others = {key: value for key, value in self.settings.items() if key != "path"}
        return " ".join(as_setting(key, value) for key, value in others.items() if mask(str(value)) == str(value))

    def options(self) -> str:
        """The settings as they are typed."""
        return " ".join(as_setting(key, value) for key, value in self.settings.items())


def inspect_file(
    path: Path, given: Mapping[str, Any], *, labelled: bool, usual: Mapping[str, Any] = MappingProxyType({})
) -> Inspection:
    """Look at a local file. `given`: keys of `DatasetConfig` that somebody decided already; they are not guessed.

    `usual`: how other files are read; its text column is taken where the file has it, without a question.
    `labelled`: whether labels are needed. Raises DataError for a file that cannot be read, has no columns or no header.
    """
    found = Inspection(path, {"path": str(path)})
    names, rows = _table(path, given, found)
    if not rows:
        raise DataError(f"{path} has a header ({listed(names)}) but no rows.", NO_ROWS)
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    _require_header(found, names, rows)
    _require_named(path, columns, given)
    if usual.get("text_column") in columns:
        given = {"text_column": usual["text_column"], **given}
    _find_text(columns, given, found)
    for role in ("created_at", "id"):
        _find_by_name(role, columns, given, found)
    if labelled:
        _find_labels(columns, given, found)
    return found


def _table(path: Path, given: Mapping[str, Any], found: Inspection) -> Table:
    form: Format | None = given.get("format") or format_of(path)
    if form == "parquet":
        frame = pl.scan_parquet(path, glob=False).head(HEAD_ROWS).collect()
        found.shown["file"] = f"{path}: Parquet, {counted(len(frame.columns), 'column')}"
        return frame.columns, [["" if cell is None else str(cell) for cell in row] for row in frame.iter_rows()]
    with tempfile.TemporaryDirectory(prefix="inspection-") as folder:
        plain = unpacked(path, Path(folder))
        encoding = given.get("encoding") or encoding_of(plain)
        if encoding is None:
            as_utf8(path, plain, UTF8, Path(folder))  # says why it is none
            encoding = UTF8
        if form == "jsonl":
            check_json_shape(path, plain)
        with plain.open("rb") as file:
            head = file.read(HEAD_BYTES)
    if encoding != UTF8:
        found.settings["encoding"] = encoding
    text = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").splitlines(keepends=True)
    if len(head) == HEAD_BYTES:
        lines = lines[:-1]
    if form == "jsonl" or (form is None and text.lstrip()[:1] in {"{", "["}):
        if form is None:
            check_json_shape(path, path)
            found.settings["format"] = "jsonl"
        return _json_table(path, lines, found)
    return _separated_table(path, lines, form, given, found)


def _json_table(path: Path, lines: Sequence[str], found: Inspection) -> Table:
    objects = []
    for number, line in enumerate(lines[:HEAD_ROWS], start=1):
        if line.strip():
            objects.append(check_json_line(path, number, line))
    inner = dict.fromkeys(key for row in objects for key, value in row.items() if isinstance(value, dict | list))
    names = [key for key in dict.fromkeys(key for row in objects for key in row) if key not in inner]
    if not any(isinstance(row.get(name), str) for row in objects for name in names):
        _say_where_the_rows_are(path, objects, list(inner))
    found.shown["file"] = f"{path}: JSON lines, {counted(len(names), 'column')}"
    return names, [["" if row.get(name) is None else str(row[name]) for name in names] for row in objects]


def _say_where_the_rows_are(path: Path, objects: Sequence[Mapping[str, Any]], inner: Sequence[str]) -> None:
    """Raise DataError for JSON whose texts are in objects within the objects: by columns, or one level down."""
    first = next((row for row in objects if any(isinstance(value, dict) for value in row.values())), None)
    if first is None:
        return
    source, target = shlex.quote(str(path)), shlex.quote(f"{path.with_suffix('')}-rows.jsonl")
    if len(objects) == 1 and len(inner) > 1:
        command = (
            "import json, sys; table = json.load(sys.stdin); [print(json.dumps(dict(zip(table, row)))) for row in "
            "zip(*(column.values() for column in table.values()))]"
        )
        cause = f"{path} is one JSON object of columns, not one object a line."
    else:
        name = next(key for key, value in first.items() if isinstance(value, dict))
        command = f"import json, sys; [print(json.dumps(json.loads(line)[{json.dumps(name)}])) for line in sys.stdin]"
        cause = f"{path} has its texts in objects under {masked(name)!r}."
    raise DataError(cause, f"Write one object a line: python -c {shlex.quote(command)} < {source} > {target}")


def _separated_table(
    path: Path, lines: Sequence[str], form: Format | None, given: Mapping[str, Any], found: Inspection
) -> Table:
    if lines and lines[0].startswith("#"):
        comments = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
        target = shlex.quote(str(path.with_name(f"{path.stem}-table{path.suffix}")))
        raise DataError(
            f"{path} begins with {counted(comments, 'line')} of comments.",
            f"Write it without: tail -n +{comments + 1} {shlex.quote(str(path))} > {target}",
        )
    hinted = hint(lines[0]) if lines else None
    lines = lines[1:] if hinted else lines
    usual = given.get("separator") or hinted or ("\t" if form == "tsv" else ",")
    quote: str | None = given.get("quote_char", '"')
    separator = fitting_separator(lines, usual, quote) or fitting_separator(lines, usual, None) or usual
    if form is None or separator == "\t" != usual:
        found.settings["format"] = "tsv" if separator == "\t" else "csv"
    if separator not in {",", "\t"} and "separator" not in given:
        found.settings["separator"] = separator
    if quote and "quote_char" not in given and not _quotes(path, lines, separator, quote):
        quote = None
        found.settings["quote_char"] = None
    found.separator = separator
    names, *rows = [row for row in islice(reader(lines, separator, quote), HEAD_ROWS) if row] or [[]]
    found.shown["file"] = (
        f"{path}: {found.settings.get('encoding', UTF8)}, {SEPARATORS.get(separator, repr(separator))} between "
        f"{counted(len(names), 'column')}{', no quoting' if quote is None else ''}"
    )
    return names, [[*row, *[""] * (len(names) - len(row))][: len(names)] for row in rows]


def _quotes(path: Path, lines: Sequence[str], separator: str, quote: str) -> bool:
    """Whether the quotes of the beginning are quoting."""
    with tempfile.TemporaryDirectory(prefix="inspection-") as folder:
        head = Path(folder) / "head"
        head.write_text("".join(lines), encoding=UTF8, newline="")
        try:
            count_rows(path, head, separator, quote)
        except DataError:
            return False
    return True


def _require_header(found: Inspection, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Raise DataError when the first line is a row as the others are."""
    path = found.path
    if any(map(is_column_name, names)):
        return
    # R and pandas number the rows in a first column without a name.
    numbered = len(names) > 1 and not names[0].strip() and _numbers([row[0] for row in rows])
    named = names[1:] if numbered else names
    looks = [is_number(name) or len(name) > 40 or len(name.split()) > 4 or not name.strip() for name in named]
    words = {word for every in WORDS.values() for word in every}
    if any(looks) or any(name.strip().casefold() in words for name in names):
        invented = [f"column_{number}" for number in range(1, len(names) + 1)]
        longest = max(range(len(names)), key=lambda at: fmean(len(row[at]) for row in rows))
        invented[longest] = "text"
        target = path.with_name(f"{path.stem}-named{path.suffix}")
        encoding, source = found.settings.get("encoding", UTF8), shlex.quote(str(path))
        rest = f"cat {source}" if encoding == UTF8 else f"iconv -f {encoding} -t utf-8 {source}"
        raise DataError(
            f"{path} has no line of column names: the first one looks like a row ({listed(names)}).",
            f"Write one: (printf '{found.separator.join(invented)}\\n'; {rest}) > {shlex.quote(str(target))}",
        )


def _require_named(path: Path, columns: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for key, name in given.items():
        if key.endswith("_column") and name and name not in columns:
            raise DataError(
                f"{path} has no column {masked(str(name))!r} (dataset.{key}); it has {listed(columns)}.",
                other_column(key, str(name), columns),
            )


def _find_by_name(role: str, columns: Mapping[str, list[str]], given: Mapping[str, Any], found: Inspection) -> None:
    key = f"{role}_column"
    if key in given:
        return
    name = column_named_as(role, columns)
    if name and name != role:
        found.settings[key] = name
    if name and role == "created_at":
        found.shown["dates"] = masked(name)


def _find_text(columns: Mapping[str, list[str]], given: Mapping[str, Any], found: Inspection) -> None:
    others = {column_named_as(role, columns) for role in ROLES}
    texts = {each: values for each, values in columns.items() if not _numbers(values) and each not in others}
    name = given.get("text_column") or column_named_as("text", texts)
    if name is None:
        lengths = {each: fmean(map(len, values)) for each, values in texts.items()}
        ranked = sorted(lengths, key=lengths.__getitem__, reverse=True)
        if not ranked:
            raise DataError(
                f"{found.path} has no column of texts; it has {listed(columns)}.",
                f"Name the one that is meant: --set dataset.text_column=NAME{OR}{OTHER_FILE}",
            )
        name = ranked[0]
        if len(ranked) > 1 and lengths[ranked[1]] > lengths[name] / 2:
            found.doubts.append(f"is {masked(name)!r} the column of texts, or {masked(ranked[1])!r}?")
    if name != "text":
        found.settings["text_column"] = name
    example = next((value for value in columns[name] if value.strip().casefold() not in NOTHING), "")
    found.shown["text"] = f"{masked(name)}, for example {masked(example)!r}"


def _find_labels(columns: Mapping[str, list[str]], given: Mapping[str, Any], found: Inspection) -> None:
    label = given.get("label_column", column_named_as("label", columns))
    rating = given.get("rating_column", column_named_as("rating", columns))
    if label and label in columns:
        if label != "label":
            found.settings["label_column"] = label
        values = Counter(value.strip() for value in columns[label] if value.strip().casefold() not in NOTHING)
        _mean_labels(label, values, given, found)
    elif rating and rating in columns:
        if rating != "rating":
            found.settings["rating_column"] = rating
        _mean_ratings(
            rating, [value for value in columns[rating] if value.strip().casefold() not in NOTHING], given, found
        )
    else:
        found.doubts.append(f"which column has the labels or the ratings? There are {listed(columns)}.")


def _mean_labels(name: str, values: Counter[str], given: Mapping[str, Any], found: Inspection) -> None:
    counts = ", ".join(f"{masked(value)} {rows:,}" for value, rows in values.most_common(MOST_LABELS))
    found.shown["labels"] = f"{masked(name)}: {counts}"
    if "labels" in given or "label_values" in given:
        return
    meant = {value: label for value in values for label, words in WORDS.items() if value.casefold() in words}
    strange = {value: rows for value, rows in values.items() if value not in meant}
    if 0 < sum(strange.values()) <= STRANGE_SHARE * values.total() and len(set(meant.values())) > 1:
        _mean_strange(name, meant, strange, found)
    elif len(values) > MOST_LABELS:
        found.doubts.append(f"{masked(name)!r} has {len(values):,} different values: is it the column of labels?")
    elif values and meant.keys() == values.keys() and len(set(meant.values())) > 1:
        _take_labels(meant, found)
        mapping = {value: label for value, label in meant.items() if value.casefold() != label}
        if mapping:
            found.settings["label_values"] = mapping
    elif len(values) == 1:
        raise DataError(
            f"{found.path}: every row has the label {masked(next(iter(values)))!r} ({masked(name)!r}).",
            f"Name the column of labels: --set dataset.label_column=NAME{OR}{OTHER_FILE}",
        )
    else:
        found.settings["labels"] = sorted(values)
        found.doubts.append(
            f"what do the values of {masked(name)!r} mean? Without an answer they are labels of that name."
        )


def _take_labels(meant: Mapping[str, str], found: Inspection) -> None:
    """The labels that values mean, in their usual order; the default ones need no setting."""
    labels = [label for label in WORDS if label in meant.values()]
    if labels != DatasetConfig.model_fields["labels"].default:
        found.settings["labels"] = labels


def _mean_strange(name: str, meant: Mapping[str, str], strange: Mapping[str, int], found: Inspection) -> None:
    """Nearly all values are known words: the few others are slips of the keyboard, or are left out."""
    _take_labels(meant, found)
    slips = {
        value: close[0] for value in strange if (close := difflib.get_close_matches(value, meant, n=1, cutoff=SLIP))
    }
    known = {value: label for value, label in meant.items() if value.casefold() != label}
    found.settings["label_values"] = {**known, **{value: meant.get(slips.get(value, "")) for value in strange}}
    said = ", ".join(
        f"{masked(value)!r} ({counted(rows)}) {f'as {meant[slips[value]]}' if value in slips else 'as nothing'}"
        for value, rows in strange.items()
    )
    found.doubts.append(f"in {masked(name)!r}, is it right to read {said}?")


def _mean_ratings(name: str, values: Sequence[str], given: Mapping[str, Any], found: Inspection) -> None:
    numbers = [float(value) for value in ratings_as_numbers(pl.Series(values, dtype=pl.String)) if is_number(value)]
    if not numbers:
        found.doubts.append(
            f"the ratings in {masked(name)!r} are no numbers ({listed(dict.fromkeys(values[:3]))}): what do they mean?"
        )
        return
    low, high = min(numbers), max(numbers)
    found.shown["labels"] = f"{masked(name)}: ratings from {low:g} to {high:g}"
    if "rating_ranges" in given:
        return
    if high <= 5 and 0 < low < 1:
        found.settings["rating_ranges"] = {"negative": [low, 2], "positive": [4, 5]}
    elif high <= 5 and low <= 0:
        found.doubts.append(f"is a rating of {low:g} no rating? Without an answer its rows have no label.")
    elif high > 5:
        scale = 10 if high <= 10 else 100 if high <= 100 else high
        ranges = {"negative": [min(low, 1 if scale == 10 else 0), 0.4 * scale], "positive": [0.8 * scale, scale]}
        found.settings["rating_ranges"] = {label: [tidy(end) for end in ends] for label, ends in ranges.items()}
        found.doubts.append(
            f"do ratings up to {ranges['negative'][1]:g} mean negative, from {0.8 * scale:g} on positive?"
        )


def _numbers(values: Sequence[str]) -> bool:
    written = [value for value in values if value.strip()]
    return bool(written) and all(map(is_number, written))
