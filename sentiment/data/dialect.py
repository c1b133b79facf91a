"""What a file of separated values could be mistaken in: its separator, and quotes that swallow rows.

A quote that is not meant as one opens a text that goes on to the next quote, rows later. When that balances by
accident, every reader gives fewer rows and no error. So the records are counted here a second time, and a text over
several lines is looked at: is each of its lines a row of its own?
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from sentiment.data.names import masked
from sentiment.errors import OR, DataError, option

# What files put between their fields, most usual first.
SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", "@": "at signs"}
# Lines that are looked at to tell the separator, and records that say what stands in a column.
SAMPLE_LINES = 50
SAMPLE_RECORDS = 2000
# A column with so few values for its rows is one of labels, ratings or names, and tells whether a line is a row.
FEW = 4
_HINT = re.compile(r'\ufeff?"?sep=(.)"?[\r\n]*')

Row = list[str]


@contextmanager
def any_length(plain: Path) -> Iterator[None]:
    """Within it the csv module reads fields as long as the file."""
    limit = csv.field_size_limit(max(plain.stat().st_size, 1 << 17))
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def header(plain: Path, separator: str, quote_char: str | None) -> Row:
    """The names in the first line."""
    with any_length(plain), plain.open(encoding="utf-8-sig", newline="\n") as file:
        return next((row for row in reader(_one_end(file), separator, quote_char) if row), [])


def hint(line: str) -> str | None:
    """The separator that Excel's own first line names (`sep=;`), which is no row; None for any other line."""
    found = _HINT.fullmatch(line)
    return found[1] if found else None


def check_separator(path: Path, plain: Path, separator: str, quote_char: str | None) -> None:
    """Raise DataError when the file has another separator than `separator`, named with what to set."""
    with any_length(plain), plain.open(encoding="utf-8-sig", newline="\n") as file:
        lines = list(islice(file, SAMPLE_LINES))
        found = fitting_separator(lines, separator, quote_char)
    if found and found != separator:
        forms = {"\t": "tsv", ",": "csv"}
        setting = option("dataset.format", forms[found]) if found in forms else option("dataset.separator", found)
        raise DataError(
            f"{path}: {SEPARATORS[found]} ({found!r}) are between the columns, "
            f"not {SEPARATORS.get(separator, repr(separator))}.",
            f"Set it: {setting}",
        )


def _one_end(lines: Iterable[str]) -> Iterator[str]:
    """The lines without a carriage return inside: the csv module takes one for an end, the reader of the data not."""
    for line in lines:
        end = "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
        yield line[: len(line) - len(end)].replace("\r", " ") + end


def fitting_separator(lines: Sequence[str], usual: str, quote_char: str | None) -> str | None:
    """What makes a table of the first lines: `usual` if it does, else another that does; None when none does."""
    filled = [line for line in _one_end(lines[:SAMPLE_LINES]) if line.strip()]
    return next((each for each in (usual, *SEPARATORS) if filled and _fits(filled, each, quote_char)), None)


def _fits(lines: Sequence[str], separator: str, quote_char: str | None) -> bool:
    """Whether the lines are a table of at least two columns; the last record may go on behind the sample."""
    rows = [row for row in reader(lines, separator, quote_char) if row]
    wide = {len(row) for row in (rows[:-1] if len(rows) > 2 and len(lines) == SAMPLE_LINES else rows)}
    return len(wide) == 1 and wide.pop() >= 2


def count_rows(path: Path, plain: Path, separator: str, quote_char: str | None) -> int:
    """How many rows are under the header, blank lines among them.

    Raises DataError for a quote that never closes, and for one that makes a text of what looks like rows.
    """
    with any_length(plain), plain.open(encoding="utf-8-sig", newline="\n") as file:
        return _Records(path, file, separator, quote_char).count()


class _Records:
    """The records of a file, with the lines of each."""

    def __init__(self, path: Path, file: TextIO, separator: str, quote_char: str | None) -> None:
        self._path, self._separator, self._quote = path, separator, quote_char
        self._file = file
        self._taken: list[str] = []
        self.line = 0
        self._columns: list[Counter[str]] = []
        self._sampled = 0

    def count(self) -> int:
        """Go through all of them."""
        rows, header = 0, True
        suspects: list[tuple[int, list[Row]]] = []
        row: Row
        for row in reader(self._lines(), self._separator, self._quote):
            lines, self._taken = self._taken, []
            if header:
                header = not row  # blank lines before it
                self._columns = [Counter() for _ in row]
                continue
            rows += 1
            if len(lines) == 1:
                self._learn(row)
            elif suspect := self._suspect(lines):
                suspects.append((self.line - len(lines) + 1, suspect))
        if rows and _ends_open(lines, self._separator, self._quote):
            self._refuse_open(self.line - len(lines) + 1)
        for line, parts in suspects:
            self._judge(line, parts)
        return rows

    def _lines(self) -> Iterator[str]:
        for line in _one_end(self._file):
            self.line += 1
            self._taken.append(line)
            yield line

    def _learn(self, row: Row) -> None:
        if self._sampled < SAMPLE_RECORDS and len(row) == len(self._columns):
            self._sampled += 1
            for column, value in zip(self._columns, row, strict=True):
                column[value.strip()] += 1

    def _suspect(self, lines: list[str]) -> list[Row] | None:
        """The lines of one record as rows without quotes, when each has the header's number of fields."""
        if "".join(lines).count(str(self._quote)) % 2:
            self._refuse_open(self.line - len(lines) + 1)
        rows: list[Row] = [next(reader([line], self._separator, None), []) for line in lines if line.strip()]
        width = len(self._columns)
        return rows if width > 1 and all(len(row) == width for row in rows) else None

    def _refuse_open(self, line: int) -> None:
        raise DataError(f"{self._path}, line {line}: a quote opens a text and none closes it.", unquote(self._path))

    def _judge(self, line: int, rows: list[Row]) -> None:
        """Raise DataError when the columns say that these are rows."""
        told = [self._tells(known, [row[at].strip() for row in rows]) for at, known in enumerate(self._columns)]
        if any(told) or (len(self._columns) > 2 and len(rows) > 2):
            raise DataError(
                f"{self._path}, line {line}: a quote makes one text of {len(rows)} lines that look like rows "
                f"(the first begins with {masked(rows[0][0])!r}).",
                unquote(self._path),
            )

    @staticmethod
    def _tells(known: Counter[str], values: Row) -> bool:
        """Whether the values are as those of a column of numbers, or of few values."""
        if known and all(map(is_number, known)) and all(map(is_number, values)):
            return True
        every = known + Counter(values)
        few = len(every) <= max(2, every.total() // FEW)
        return few and all(every[value] > 1 for value in values)


def reader(lines: Iterable[str], separator: str, quote_char: str | None) -> Any:
    """The rows of lines, as the csv module reads them."""
    if quote_char:
        return csv.reader(lines, delimiter=separator, quotechar=quote_char)
    return csv.reader(lines, delimiter=separator, quoting=csv.QUOTE_NONE)


def _ends_open(lines: list[str], separator: str, quote_char: str | None) -> bool:
    """Whether the last record of a file ends within a quoted text."""
    try:
        for _ in csv.reader(lines, delimiter=separator, quotechar=quote_char, strict=True) if quote_char else ():
            pass
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def is_number(value: str) -> bool:
    """Whether it is written as a number."""
    try:
        float(value)
    except ValueError:
        return False
    return True


def unquote(path: Path) -> str:
    """The ways out where quotes are not what they seem."""
    return (
        f"If the file quotes nothing: {option('dataset.quote_char', None)}"
        f"{OR}If it quotes texts, write {masked(path.name)} again with every quote in a text doubled."
    )
