"""The source, read once as a stream, as Parquet shards: what is scored stays the same while it is scored."""

import hashlib
from collections import Counter
from contextlib import ExitStack

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sentiment.config.dataset import DatasetConfig
from sentiment.data.names import counted
from sentiment.data.read import ReadingReport, ReviewStream
from sentiment.data.stream import ROWS
from sentiment.errors import OR, DataError, option
from sentiment.scoring.parquet import ParquetFiles, ParquetSink
from sentiment.stored import Report
from sentiment.text.normalise import rows_that_say_nothing

# As many characters as fit, with the batch's name, into an entry of PostgreSQL's index.
LONGEST_ID = 400
SCHEMA = pa.schema(
    [
        ("id", pa.large_string()),
        ("text", pa.large_string()),
        ("category", pa.large_string()),
        ("language", pa.large_string()),
        ("created_at", pa.timestamp("us")),
        ("source", pa.large_string()),
    ]
)
_TEXTS = [name for name in SCHEMA.names if name != "created_at"]

# Columns that only training reads: whatever stands in them, the texts can be scored.
NOT_READ = ("label_column", "rating_column", "split_column")


class SnapshotReport(Report):
    """What was read, and which rows are not scored. Of rows with the same id the first is scored."""

    reading: ReadingReport
    left_out: dict[str, int]
    planned: int
    shards: tuple[int, ...]

    @property
    def summary(self) -> str:
        """The counts in one line."""
        left_out = "".join(f"; {rows:,} {reason}" for reason, rows in self.left_out.items())
        noticed = f"; {self.reading.losses}" if self.reading.losses else ""
        shards = f" in {len(self.shards)} shards" if len(self.shards) > 1 else ""
        return f"{counted(self.planned, 'review')} to score{shards}{left_out}{noticed}"


def take_snapshot(config: DatasetConfig, shards: int, *, chunk_rows: int = ROWS) -> tuple[ParquetFiles, SnapshotReport]:
    """Read the source and deal its rows out to `shards` files, each review to the one that its id says.

    Labels, ratings and splits are not looked at. In memory are one chunk and eight bytes for every row's id. Raises
    DataError for what makes the source unusable (see `ReviewStream`), for an id that is too long for a key, and when no
    row is left to score.
    """
    files = ParquetFiles.temporary([f"shard-{number:03d}" for number in range(shards)])
    stream = ReviewStream(config.model_copy(update=dict.fromkeys(NOT_READ, "")), chunk_rows)
    left_out: Counter[str] = Counter()
    written = np.zeros(shards, dtype=np.int64)
    seen = SeenHashes()
    with ExitStack() as stack:
        sinks = [stack.enter_context(ParquetSink(path, SCHEMA)) for path in files.paths]
        for chunk in stream:
            rows = _scorable(chunk, config, left_out)
            hashes = _hashes(rows["id"])
            new = seen.add(hashes)
            left_out["repeated id"] += int((~new).sum())
            rows, homes = rows.filter(pl.Series(new)), hashes[new] % np.uint64(shards)
            for number, sink in enumerate(sinks):
                mine = rows.filter(pl.Series(homes == number)) if shards > 1 else rows
                sink.write(mine)
                written[number] += len(mine)
    left_out = +left_out
    planned = int(written.sum())
    if not planned:
        reasons = ", ".join(f"{reason}: {rows}" for reason, rows in left_out.items())
        raise DataError(
            f"{config.name} has no row to score ({reasons}).",
            "Name the column that has the texts: --set dataset.text_column=NAME",
        )
    report = SnapshotReport(
        reading=stream.report(), left_out=dict(left_out), planned=planned, shards=tuple(written.tolist())
    )
    return files, report


class SeenHashes:
    """Which of many hashes came before, at eight bytes each: sorted runs, each at least twice as long as the next.

    Two ids with the same 64-bit hash would be taken for one: a chance of 1 in 37 million for a million rows.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.uint64]] = []

    def add(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """True where a hash was not seen before, neither here nor earlier; all are seen from now on."""
        distinct, first = np.unique(hashes, return_index=True)
        new = np.ones(len(distinct), dtype=bool)
        for run in self._runs:
            found = np.minimum(np.searchsorted(run, distinct), len(run) - 1)
            new &= run[found] != distinct
        if new.any():
            self._runs.append(distinct[new])
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort()
            self._runs.append(merged)
        answer = np.zeros(len(hashes), dtype=bool)
        answer[first[new]] = True
        return answer


def _scorable(chunk: pl.DataFrame, config: DatasetConfig, left_out: Counter[str]) -> pl.DataFrame:
    # No database takes a NUL in a text.
    rows = chunk.select(pl.col(_TEXTS).str.replace_all("\0", "\ufffd", literal=True), pl.col("created_at"))
    too_long_ids = rows.filter(pl.col("id").str.len_chars() > LONGEST_ID)
    if len(too_long_ids):
        raise DataError(
            f"{config.name}: {counted(len(too_long_ids), 'id')} of more than {LONGEST_ID} characters.",
            f"Number the rows instead: {option('dataset.id_column', '')}"
            f"{OR}Name the column of the ids: --set dataset.id_column=NAME",
        )
    empty = rows_that_say_nothing(rows["text"])
    too_long = rows["text"].str.len_chars() > config.max_chars
    left_out["empty text"] += int(empty.sum())
    left_out[f"longer than max_chars ({config.max_chars:,})"] += int(too_long.sum())
    return rows.filter(~(empty | too_long))


def _hashes(ids: pl.Series) -> NDArray[np.uint64]:
    digests = b"".join(hashlib.blake2b(each.encode(), digest_size=8).digest() for each in ids.to_list())
    return np.frombuffer(digests, dtype="<u8")
