"""Parquet files that are read and written in pieces: what flows between the steps of scoring."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pyarrow as pa
from pyarrow import parquet


@dataclass(frozen=True)
class ParquetFiles:
    """Files with the same columns. `folder`, when they lie in a temporary one, keeps it for as long as this lives."""

    paths: tuple[Path, ...]
    folder: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def temporary(cls, names: Sequence[str]) -> Self:
        """Files of these names, yet to be written, in a folder that goes with this object."""
        folder = tempfile.TemporaryDirectory(prefix="scoring-", ignore_cleanup_errors=True)
        return cls(tuple(Path(folder.name) / f"{name}.parquet" for name in names), folder)

    def chunks(self, rows: int) -> Iterator[pl.DataFrame]:
        """All rows, file after file, in frames of at most `rows` rows."""
        for path in self.paths:
            with parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(rows):
                    yield pl.DataFrame(pa.Table.from_batches([batch]))

    def __len__(self) -> int:
        """The number of rows."""
        return sum(parquet.read_metadata(path).num_rows for path in self.paths)


class ParquetSink:
    """Writes frames of one schema into a file; `with` closes it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = parquet.ParquetWriter(path, schema, compression="zstd")

    def write(self, frame: pl.DataFrame) -> None:
        """Append the frame's columns of the schema."""
        if len(frame):
            self._writer.write_table(frame.select(self._schema.names).to_arrow().cast(self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()
