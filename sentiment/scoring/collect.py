"""After the shards: every planned row is looked for in the table, counted and written to one Parquet file."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from sentiment.data.names import counted
from sentiment.errors import StackError
from sentiment.scoring.parquet import ParquetFiles, ParquetSink
from sentiment.scoring.score import CHUNK_ROWS
from sentiment.scoring.summary import CONFIDENCE_BINS, LabelCount, Tally
from sentiment.store.scores import ScoreStore, Target

_TEXTS = ("review_id", "label", "probabilities", "text", "category", "language", "source", "batch", "model_version")
SCHEMA = pa.schema(
    [
        *((name, pa.large_string()) for name in _TEXTS[:2]),
        ("confidence", pa.float64()),
        *((name, pa.large_string()) for name in _TEXTS[2:]),
        ("created_at", pa.timestamp("us")),
        ("time", pa.timestamp("us")),
    ]
)


def collect(
    shards: ParquetFiles,
    target: Target,
    labels: Sequence[str],
    database_url: str,
    result: Path,
) -> Tally:
    """Read back every row of the shards into `result`, in the order of the shards, and count.

    A key is there at most once, as it is the table's primary key. Raises StackError when one is missing, or the
    database is out of reach.
    """
    total, missing = len(shards), 0
    rows, confidence = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    bins = np.zeros(CONFIDENCE_BINS, dtype=np.int64)
    with closing(ScoreStore(database_url)) as store, ParquetSink(result, SCHEMA) as sink:
        for chunk in shards.chunks(CHUNK_ROWS):
            keys = pl.DataFrame({"key": target.keys(chunk["id"]), "planned": chunk["id"]})
            found = keys.join(
                store.fetch(keys["key"].to_list()), left_on="key", right_on="id", how="left", maintain_order="left"
            )
            there = found.filter(
                (pl.col("planned") == pl.col("review_id")) & (pl.col("model_version") == target.model_version)
            )
            missing += len(keys) - len(there)
            sink.write(there)
            for label, language, count, total_confidence in _counts(there).iter_rows():
                rows[label, language] += count
                confidence[label, language] += total_confidence
            bins += _histogram(there["confidence"], len(labels))
    if missing:
        raise StackError(
            f"{missing:,} of the {counted(total)} of the batch {target.batch!r} are not in the table after scoring.",
            "Run the same command again: what is missing is scored.",
        )
    counts = tuple(
        LabelCount(label=label, language=language, rows=count, confidence=confidence[label, language] / count)
        for (label, language), count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    )
    return Tally(rows=total, counts=counts, confidence=tuple(bins.tolist()))


def _counts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("label", pl.col("language").fill_null("unknown")).agg(
        rows=pl.len().cast(pl.Int64), confidence=pl.col("confidence").sum()
    )


def _histogram(confidence: pl.Series, labels: int) -> NDArray[np.int64]:
    counted, _ = np.histogram(confidence.to_numpy(), bins=CONFIDENCE_BINS, range=(1 / labels - 1e-5, 1 + 1e-5))
    return counted
