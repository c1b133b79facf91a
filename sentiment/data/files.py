"""One data file into a raw polars frame, or one error that says which line is wrong and what to do about it."""

import codecs
import csv
import gzip
import io
import json
from pathlib import Path

import polars as pl

from sentiment.config.dataset import Format
from sentiment.data.pii import mask
from sentiment.errors import DataError

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_UTF8 = "utf-8"


def format_of(path: Path) -> Format | None:
    """The format by the name's suffix (a final `.gz` aside); None when it says nothing."""
    return SUFFIXES.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)


def load(path: Path, kind: Format | None, encoding: str, quote_char: str | None) -> pl.DataFrame:
    """Read a file (gzipped if it ends in `.gz`). Columns of CSV and TSV stay strings.

    Raises DataError for an unknown format, an empty file, no rows, another encoding, bytes that are no text, and rows
    that do not fit.
    """
    kind = kind or format_of(path)
    if kind is None:
        raise DataError(
            f"{path}: the name does not say which format this is.",
            "Set dataset.format to csv, tsv, jsonl or parquet.",
        )
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if not content.strip():
        raise DataError(f"{path} is empty.", "Check that it was written or downloaded completely.")
    if kind == "parquet":
        frame = _parquet(path, content)
    else:
        content = _as_utf8(path, content, encoding)
        frame = (
            _jsonl(path, content)
            if kind == "jsonl"
            else _csv(path, content, "," if kind == "csv" else "\t", quote_char)
        )
    if frame.is_empty():
        raise DataError(f"{path} has a header ({', '.join(frame.columns)}) but no rows.")
    return frame


def _parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(content)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {_sentence(error)}.", "Check dataset.format.") from None


def _as_utf8(path: Path, content: bytes, encoding: str) -> bytes:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"dataset.encoding is {encoding!r}, which is no encoding.", "Use utf-8 or cp949.") from None
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        raise _encoding_error(path, content, name, error.start) from None
    if "\x00" in text:
        position = content.index(b"\x00")
        raise DataError(
            f"{path} holds binary data, not {encoding} text (a zero byte at byte {position}).",
            "Check the path, dataset.format and dataset.encoding.",
        )
    return content if name == _UTF8 else text.encode()


def _encoding_error(path: Path, content: bytes, encoding: str, position: int) -> DataError:
    line = content.count(b"\n", 0, position) + 1
    where = f"{path} is not {encoding} text (line {line}, byte {position})"
    likely = next((name for name in ("utf-8", "cp949", "utf-16") if name != encoding and _is_text(content, name)), None)
    if likely is None:
        return DataError(f"{where}.", "Set dataset.encoding to the file's encoding, or check that it is a text file.")
    return DataError(f"{where}, but it reads as {likely}.", f"Set dataset.encoding={likely}.")


def _is_text(content: bytes, encoding: str) -> bool:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return False
    sample = text[:10_000]
    return sum(character.isprintable() or character.isspace() for character in sample) > 0.99 * len(sample)


def _csv(path: Path, content: bytes, separator: str, quote_char: str | None) -> pl.DataFrame:
    try:
        frame = pl.read_csv(content, separator=separator, quote_char=quote_char, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise DataError(f"{path} has no header line.") from None
    except pl.exceptions.PolarsError as error:
        _check_rows(path, content, separator, quote_char)
        raise DataError(
            f"{path} is not readable as separated values: {_sentence(error)}.",
            "Check dataset.format; set dataset.quote_char=null if the file quotes nothing.",
        ) from None
    # A row that is too short reads as one that ends in nulls.
    if len(frame) and frame.columns and frame[frame.columns[-1]].null_count():
        _check_rows(path, content, separator, quote_char)
    return frame


def _check_rows(path: Path, content: bytes, separator: str, quote_char: str | None) -> None:
    """Raise DataError for the first row with another number of fields than the header."""
    lines = io.StringIO(content.decode().removeprefix("\ufeff"), newline="")
    rows = csv.reader(
        lines,
        delimiter=separator,
        quotechar=quote_char,
        quoting=csv.QUOTE_MINIMAL if quote_char else csv.QUOTE_NONE,
    )
    limit = csv.field_size_limit(len(content))
    try:
        header = next(rows)
        for row in rows:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path}, line {rows.line_num}: {len(row)} fields where the header has {len(header)}.",
                    "Quote texts that hold the separator, or set dataset.format and dataset.quote_char.",
                )
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}.", "Check the quoting of the file.") from None
    finally:
        csv.field_size_limit(limit)


def _jsonl(path: Path, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_ndjson(content, infer_schema_length=None)
    except pl.exceptions.PolarsError as polars_error:
        for number, line in enumerate(content.splitlines(), start=1):
            try:
                row = json.loads(line) if line.strip() else {}
            except ValueError as error:
                raise DataError(f"{path}, line {number} is not JSON: {error}.", "Write one object a line.") from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number} is no JSON object.", "Write one object a line.") from None
        raise DataError(f"{path} is not readable as JSON lines: {_sentence(polars_error)}.") from None


def _sentence(error: Exception) -> str:
    return mask(str(error).strip().splitlines()[0].rstrip("."))[:200]
