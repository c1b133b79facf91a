"""One data file into raw polars frames, or one error that says which line is wrong and what to do about it."""

import gzip
import json
import re
import shlex
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from sentiment.config.dataset import DatasetConfig, Format
from sentiment.data.dialect import (
    any_length,
    check_separator,
    count_rows,
    fitting_separator,
    header,
    hint,
    reader,
    unquote,
)
from sentiment.data.encoding import BLOCK, OTHER_FILE, UTF8, as_utf8, blocks, encoding_of
from sentiment.data.names import counted, listed, masked
from sentiment.errors import OR, DataError, option

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
# Text packs to a tenth; what grows a hundred times beyond a gigabyte was made to fill a disk.
MOST_TIMES = 100
UNPACKED_BYTES = 1 << 30
_LONGEST_HINT = 16
_BOM = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
NO_ROWS = f"Write rows below the header{OR}{OTHER_FILE}"
_SEPARATORS = {"csv": ",", "tsv": "\t"}
# Half a character in JSON's escapes: what emoji become when a text is cut between their two.
_HALF = re.compile(rb"(?<!\\)(?:\\\\)*(\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2}))")
_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


def format_of(path: Path) -> Format | None:
    """The format by the name's suffix (a final `.gz` aside); None when it says nothing."""
    return SUFFIXES.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)


def batches(path: Path, config: DatasetConfig, *, rows: int) -> Iterator[pl.DataFrame]:
    """Read a file (gzipped if it ends in `.gz`) in frames of at most `rows` rows. Columns of CSV and TSV stay strings.

    Memory does not grow with the file. Raises DataError for an unknown format, an empty file, no rows, another
    encoding or separator, bytes that are no text, quotes that swallow rows, and rows that do not fit; rows before a bad
    one may have been given out by then.
    """
    form = config.format or format_of(path)
    with tempfile.TemporaryDirectory(prefix="reading-") as folder:
        plain = unpacked(path, Path(folder))
        if _is_blank(plain):
            raise DataError(f"{path} is empty.", f"Write or download it again{OR}{OTHER_FILE}")
        if form is None:
            raise DataError(
                f"{path}: the name does not say which format this is.",
                f"Its content looks like this: {option('dataset.format', looks_like(plain))}{_encoding_of(plain)}",
            )
        if form != "parquet":
            plain = as_utf8(path, plain, config.encoding, Path(folder))
        if form == "parquet":
            frames = _parquet(path, plain, rows)
        elif form == "jsonl":
            frames = _jsonl(path, plain, rows)
        else:
            plain, hinted = _without_hint(_with_line_feeds(plain, Path(folder)), Path(folder))
            frames = _csv(path, plain, config.separator or hinted or _SEPARATORS[form], config.quote_char, rows)
        found = False
        for frame in frames:
            found |= len(frame) > 0
            yield from (piece for piece in frame.iter_slices(rows) if len(piece))
        if not found:
            columns = listed(_columns(plain, form, config))
            raise DataError(f"{path} has a header ({columns}) but no rows.", NO_ROWS)


def _columns(plain: Path, form: Format, config: DatasetConfig) -> list[str]:
    if form == "jsonl":
        return []
    if form == "parquet":
        return pl.scan_parquet(plain, glob=False).collect_schema().names()
    return header(plain, config.separator or _SEPARATORS[form], config.quote_char)


def unpacked(path: Path, folder: Path) -> Path:
    """The file, or what is in it when its name ends in `.gz`. Raises DataError when it cannot be read."""
    try:
        if path.suffix != ".gz":
            path.open("rb").close()
            return path
        target = folder / "unpacked"
        with gzip.open(path) as packed, target.open("wb") as file:
            most = max(UNPACKED_BYTES, MOST_TIMES * path.stat().st_size)
            while block := packed.read(BLOCK):
                file.write(block)
                if file.tell() > most:
                    raise DataError(
                        f"{path} unpacks to more than {MOST_TIMES} times its size.",
                        "If you trust it, unpack it yourself: "
                        f"gzip -dc {shlex.quote(str(path))} > {shlex.quote(str(path.with_suffix('')))}",
                    )
    except gzip.BadGzipFile:
        plainly = shlex.quote(str(path.with_suffix("")))
        raise DataError(
            f"{path} is not packed, although its name says so.", f"Rename it: mv {shlex.quote(str(path))} {plainly}"
        ) from None
    except (EOFError, zlib.error):
        raise DataError(f"{path} is cut off or damaged.", "Write or download it again.") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DataError(
            f"{path} cannot be read: {why[:1].lower()}{why[1:]}.", f"Allow it: chmod u+r {shlex.quote(str(path))}"
        ) from None
    return target


def looks_like(path: Path) -> Format:
    """The format that the content of a file has."""
    with path.open("rb") as file:
        start = file.read(BLOCK)
    if start.startswith(_PARQUET):
        return "parquet"
    text = start.decode(encoding_of(path) or UTF8, errors="replace").removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)
    if text.lstrip()[:1] in {"{", "["}:
        return "jsonl"
    return "tsv" if fitting_separator(lines, ",", '"') == "\t" else "csv"


def _encoding_of(path: Path) -> str:
    """The option that says an encoding which is not the usual one."""
    found = encoding_of(path)
    return f" {option('dataset.encoding', found)}" if found not in {UTF8, None} else ""


def _is_blank(plain: Path) -> bool:
    with plain.open("rb") as file:
        return all(not block.removeprefix(_BOM).strip() for block in blocks(file))


def _parquet(path: Path, plain: Path, rows: int) -> Iterator[pl.DataFrame]:
    try:
        yield from pl.scan_parquet(plain, glob=False).collect_batches(chunk_size=rows)
    except (pl.exceptions.PolarsError, OSError):
        form = looks_like(plain)
        raise DataError(
            f"{path} is not a Parquet file, or only a part of one.",
            "Write or download it again."
            if form == "parquet"
            else f"Its content looks like another format: {option('dataset.format', form)}",
        ) from None


def _with_line_feeds(plain: Path, folder: Path) -> Path:
    """The file, or a copy of one whose lines end in carriage returns alone, as old programs write them."""
    with plain.open("rb") as file:
        if any(b"\n" in block for block in blocks(file)):
            return plain
    target = folder / "lines"
    with plain.open("rb") as file, target.open("wb") as copy:
        copy.writelines(block.replace(b"\r", b"\n") for block in blocks(file))
    return target


def _without_hint(plain: Path, folder: Path) -> tuple[Path, str | None]:
    """The file without the line in which Excel names the separator, and that separator."""
    with plain.open("rb") as file:
        separator = hint(file.readline(_LONGEST_HINT).decode("utf-8", errors="replace"))
        if separator is None:
            return plain, None
        target = folder / "table"
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy, BLOCK)
    return target, separator


def _csv(path: Path, plain: Path, separator: str, quote_char: str | None, rows: int) -> Iterator[pl.DataFrame]:
    check_separator(path, plain, separator, quote_char)
    expected = count_rows(path, plain, separator, quote_char)
    checked, found = False, 0
    try:
        scan = pl.scan_csv(plain, separator=separator, quote_char=quote_char, infer_schema=False, glob=False)
        for frame in scan.collect_batches(chunk_size=rows):
            # A row that is too short reads as one that ends in nulls.
            if not checked and len(frame) and frame.columns and frame[frame.columns[-1]].null_count():
                _check_rows(path, plain, separator, quote_char)
                checked = True
            found += len(frame)
            yield frame
    except pl.exceptions.PolarsError:
        _check_rows(path, plain, separator, quote_char)
        raise DataError(f"{path}: its quotes or line ends are mixed.", unquote(path)) from None
    if found != expected:
        raise DataError(
            f"{path} has {counted(expected)}, but {found:,} can be read: its quotes or line ends are mixed.",
            unquote(path),
        )


def _check_rows(path: Path, plain: Path, separator: str, quote_char: str | None) -> None:
    """Raise DataError for the first row with another number of fields than the header."""
    with any_length(plain), plain.open(encoding="utf-8-sig", newline="") as lines:
        rows = reader(lines, separator, quote_char)
        names = next(rows)
        for row in rows:
            if row and len(row) != len(names):
                line, found = rows.line_num, counted(len(row), "field")
                raise DataError(
                    f"{path}, line {line}: {found} where the header has {len(names)}.",
                    _other_width(path, line, len(row) > len(names), separator, quote_char),
                )


def _other_width(path: Path, line: int, wide: bool, separator: str, quote_char: str | None) -> str:
    """The ways out for a row with more fields than the header, or with fewer."""
    shown, file = repr(separator), masked(path.name)
    mend = (
        f"Write the text of line {line} between double quotes, so that {shown} in it is part of the text"
        if wide
        else f"Write all fields of line {line} in {file}: an empty one still has its {shown}"
    )
    if quote_char is None:
        return f"{mend}{OR}If the file quotes texts: {option('dataset.quote_char', chr(34))}"
    return f"{mend}{OR}Take the line out of {file}"


def _jsonl(path: Path, plain: Path, rows: int) -> Iterator[pl.DataFrame]:
    """Two passes: only the whole file says which keys there are, and that a key holds numbers and strings."""
    check_json_shape(path, plain)
    try:
        empty = [pl.read_ndjson(lines, infer_schema_length=None).clear() for lines in _lines(plain, rows)]
        schema = pl.concat(empty, how="diagonal_relaxed").schema
        for lines in _lines(plain, rows):
            yield pl.read_ndjson(lines, schema=schema)
    except pl.exceptions.PolarsError:
        _check_json(path, plain)
        raise DataError(
            f"{path}: a key has an object or a list in one line, and something else in another.",
            "Write one kind of value under each key; texts, numbers, true and false go together.",
        ) from None


def check_json_shape(path: Path, plain: Path) -> None:
    """Raise DataError for a JSON array, and for half a character, of which the reader would make a zero byte."""
    begun = False
    with plain.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not begun and (content := line.removeprefix(_BOM).strip()):
                begun = True
                if content.startswith(b"["):
                    command = "import json, sys; [print(json.dumps(row)) for row in json.load(sys.stdin)]"
                    source, target = shlex.quote(str(path)), shlex.quote(f"{path.with_suffix('')}.jsonl")
                    if str(path) == f"{path.with_suffix('')}.jsonl":
                        target = shlex.quote(f"{path.with_suffix('')}-lines.jsonl")
                    raise DataError(
                        f"{path} is a JSON array, not one object a line.",
                        f"Write one object a line: python -c '{command}' < {source} > {target}",
                    )
            if b"\\u" in line and (half := _HALF.search(_PAIR.sub(b"", line))):
                raise DataError(
                    f"{path}, line {number} holds half a character ({half[1].decode()}): a text is cut in an emoji.",
                    f"Take {half[1].decode()} out of line {number}, or the whole line: {without_line(path, number)}",
                )


def _lines(plain: Path, rows: int) -> Iterator[bytes]:
    """Blocks of at most `rows` lines that hold something."""
    with plain.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        filled = (line for line in file if line.strip())
        while block := b"".join(islice(filled, rows)):
            yield block


def _check_json(path: Path, plain: Path) -> None:
    """Raise DataError for the first line that is no JSON object, or that the reader does not take."""
    with plain.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                check_json_line(path, number, line)
                try:
                    pl.read_ndjson(line)
                except pl.exceptions.PolarsError:
                    raise DataError(
                        f"{path}, line {number} holds a number or a nesting that is too large.",
                        f"Write the number as a text, in quotes, or take the line out: {without_line(path, number)}",
                    ) from None


def check_json_line(path: Path, number: int, line: bytes | str) -> dict[str, Any]:
    """The object in a line. Raises DataError for a line that is none."""
    try:
        row = json.loads(line, parse_constant=_refused)
    except _ConstantError as error:
        raise DataError(
            f"{path}, line {number} is not JSON: it has {error}.", f"Write null in place of {error}."
        ) from None
    except (ValueError, RecursionError) as error:
        why = (
            f"{error.msg} at character {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else "it cannot be read"
        )
        raise DataError(
            f"{path}, line {number} is not JSON: {why[:1].lower()}{why[1:]}.", _one_object_a_line(path, number)
        ) from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number} is not a JSON object.", _one_object_a_line(path, number))
    return row


class _ConstantError(ValueError):
    """A value that Python writes into JSON and JSON does not have."""


def _refused(constant: str) -> object:
    raise _ConstantError(constant)


def _one_object_a_line(path: Path, number: int) -> str:
    return f"Write line {number} as one object in braces, or take it out: {without_line(path, number)}"


def without_line(path: Path, number: int) -> str:
    """The command that writes a file without one of its lines."""
    target = path.with_name(f"{path.stem}-without-{number}{path.suffix}")
    return f"sed {number}d {shlex.quote(str(path))} > {shlex.quote(str(target))}"
