"""One data file into raw polars frames, or one error that says which line is wrong and what to do about it."""

import csv
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from sentiment.config.dataset import Format
from sentiment.data.encoding import BLOCK, as_utf8, blocks
from sentiment.data.names import listed, other_separator
from sentiment.errors import DataError
from sentiment.text.pii import mask

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
_BOM = b"\xef\xbb\xbf"


def format_of(path: Path) -> Format | None:
    """The format by the name's suffix (a final `.gz` aside); None when it says nothing."""
    return SUFFIXES.get(path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix)


def batches(
    path: Path, form: Format | None, encoding: str, quote_char: str | None, *, rows: int
) -> Iterator[pl.DataFrame]:
    """Read a file (gzipped if it ends in `.gz`) in frames of at most `rows` rows. Columns of CSV and TSV stay strings.

    Memory does not grow with the file. Raises DataError for an unknown format, an empty file, no rows, another
    encoding, bytes that are no text, and rows that do not fit; rows before a bad one may have been given out by then.
    """
    form = form or format_of(path)
    if form is None:
        raise DataError(
            f"{path}: the name does not say which format this is.",
            "Set dataset.format to csv, tsv, jsonl or parquet.",
        )
    with tempfile.TemporaryDirectory(prefix="reading-") as folder:
        plain = _unpacked(path, Path(folder))
        if _is_blank(plain):
            raise DataError(f"{path} is empty.", "Check that it was written or downloaded completely.")
        if form != "parquet":
            plain = as_utf8(path, plain, encoding, Path(folder))
        if form == "parquet":
            frames = _parquet(path, plain, rows)
        elif form == "jsonl":
            frames = _jsonl(path, plain, rows)
        else:
            frames = _csv(path, plain, "," if form == "csv" else "\t", quote_char, rows)
        found = False
        for frame in frames:
            found |= len(frame) > 0
            yield from (piece for piece in frame.iter_slices(rows) if len(piece))
        if not found:
            raise DataError(f"{path} has a header ({listed(_columns(plain, form, quote_char))}) but no rows.")


def _columns(plain: Path, form: Format, quote_char: str | None) -> list[str]:
    if form == "jsonl":
        return []
    if form == "parquet":
        return pl.scan_parquet(plain, glob=False).collect_schema().names()
    separator = "," if form == "csv" else "\t"
    scan = pl.scan_csv(plain, separator=separator, quote_char=quote_char, infer_schema=False, glob=False)
    return scan.collect_schema().names()


def _unpacked(path: Path, folder: Path) -> Path:
    try:
        if path.suffix != ".gz":
            path.open("rb").close()
            return path
        target = folder / "unpacked"
        with gzip.open(path) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    return target


def _is_blank(plain: Path) -> bool:
    with plain.open("rb") as file:
        return all(not block.strip() for block in blocks(file))


def _parquet(path: Path, plain: Path, rows: int) -> Iterator[pl.DataFrame]:
    try:
        yield from pl.scan_parquet(plain, glob=False).collect_batches(chunk_size=rows)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {_sentence(error)}.", "Check dataset.format.") from None


def _csv(path: Path, plain: Path, separator: str, quote_char: str | None, rows: int) -> Iterator[pl.DataFrame]:
    checked = False
    try:
        scan = pl.scan_csv(plain, separator=separator, quote_char=quote_char, infer_schema=False, glob=False)
        for frame in scan.collect_batches(chunk_size=rows):
            # A row that is too short reads as one that ends in nulls.
            if not checked and len(frame) and frame.columns and frame[frame.columns[-1]].null_count():
                _check_rows(path, plain, separator, quote_char)
                checked = True
            yield frame
    except pl.exceptions.NoDataError:
        raise DataError(f"{path} has no header line.") from None
    except pl.exceptions.PolarsError as error:
        _check_rows(path, plain, separator, quote_char)
        raise DataError(
            f"{path} is not readable as separated values: {_sentence(error)}.",
            "Check dataset.format; set dataset.quote_char=null if the file quotes nothing.",
        ) from None


def _check_rows(path: Path, plain: Path, separator: str, quote_char: str | None) -> None:
    """Raise DataError for the first row with another number of fields than the header."""
    limit = csv.field_size_limit(plain.stat().st_size)
    try:
        with plain.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(
                lines,
                delimiter=separator,
                quotechar=quote_char,
                quoting=csv.QUOTE_MINIMAL if quote_char else csv.QUOTE_NONE,
            )
            header = next(rows)
            for row in rows:
                if row and len(row) != len(header):
                    raise DataError(
                        f"{path}, line {rows.line_num}: {len(row)} fields where the header has {len(header)}.",
                        other_separator(header)
                        or "Quote texts that hold the separator, or set dataset.format and dataset.quote_char.",
                    )
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}.", "Check the quoting of the file.") from None
    finally:
        csv.field_size_limit(limit)


def _jsonl(path: Path, plain: Path, rows: int) -> Iterator[pl.DataFrame]:
    """Two passes: only the whole file says which keys there are, and that a key holds numbers and strings."""
    try:
        empty = [pl.read_ndjson(lines, infer_schema_length=None).clear() for lines in _lines(plain, rows)]
        schema = pl.concat(empty, how="diagonal_relaxed").schema
        for lines in _lines(plain, rows):
            yield pl.read_ndjson(lines, schema=schema)
    except pl.exceptions.PolarsError as polars_error:
        _check_json(path, plain)
        raise DataError(f"{path} is not readable as JSON lines: {_sentence(polars_error)}.") from None


def _lines(plain: Path, rows: int) -> Iterator[bytes]:
    """Blocks of at most `rows` lines that hold something."""
    with plain.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        filled = (line for line in file if line.strip())
        while block := b"".join(islice(filled, rows)):
            yield block


def _check_json(path: Path, plain: Path) -> None:
    """Raise DataError for the first line that is no JSON object."""
    with plain.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line) if line.strip() else {}
            except ValueError as error:
                raise DataError(f"{path}, line {number} is not JSON: {error}.", "Write one object a line.") from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number} is no JSON object.", "Write one object a line.") from None


def _sentence(error: Exception) -> str:
    return mask(str(error).strip().splitlines()[0].rstrip("."))[:200]
