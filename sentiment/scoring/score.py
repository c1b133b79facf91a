"""Score one shard: predict in chunks, and write each chunk in a second thread while the next is predicted."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from sentiment.data.names import counted
from sentiment.errors import SentimentError
from sentiment.models.base import Model
from sentiment.scoring.parquet import ParquetFiles
from sentiment.stats import Probabilities
from sentiment.store.scores import TIME_FORMAT, ScoreStore, Target
from sentiment.stored import ROLL_BACK, Report
from sentiment.tasks import task_of
from sentiment.text.pii import mask_series

# As many texts as a classifier sorts by length and takes at once (`sentiment.models.onnx.CHUNK_TEXTS`).
CHUNK_ROWS = 8_192
# A transaction holds this many rows, or those of this many seconds. Keys are random, so a small transaction rewrites
# as many pages of the index as a large one: 675,000 rows cost SQLite 1.6 times as much in transactions of 8,192 as in
# those of 65,536. The last one is written after the last prediction, so it must not be too large either.
TRANSACTION_ROWS = 32_768
TRANSACTION_SECONDS = 5.0
DIGITS = 6

# Called with the rows that are done (written, or there before) and how many there are.
OnProgress = Callable[[int, int], None]


class ShardReport(Report):
    """One scored shard: `skipped` rows were in the table before."""

    rows: int
    scored: int
    skipped: int
    started: datetime
    finished: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished - self.started).total_seconds()

    @property
    def summary(self) -> str:
        """The counts in one line."""
        scored = f"{counted(self.scored)} scored at {self.scored / max(self.seconds, 1e-9):,.0f} a second"
        there = f"{counted(self.skipped)} {'was' if self.skipped == 1 else 'were'} there"
        return ", ".join([scored] * bool(self.scored) + [there] * bool(self.skipped)) or "no rows"


def score_shard(
    shard: ParquetFiles, classifier: Model, target: Target, database_url: str, *, on_progress: OnProgress
) -> ShardReport:
    """Bring every row of the shard into the table; rows that are there are not predicted again.

    May be killed at any moment and run again, or run twice at once. Raises StackError when the database fails; what
    was written until then stays.
    """
    started = datetime.now(UTC)
    total, scored = len(shard), 0
    with closing(ScoreStore(database_url)) as store, _Writer(store, classifier, target) as writer:
        resumed = store.has_begun(target)
        for chunk in shard.chunks(CHUNK_ROWS):
            rows = chunk
            if resumed:
                keys = target.keys(chunk["id"])
                rows = chunk.filter(~keys.is_in(store.present(keys.to_list())))
            if len(rows):
                writer.put(rows, classifier.predict_proba(rows["text"].to_list()))
                scored += len(rows)
            writer.there += len(chunk) - len(rows)
            on_progress(writer.there, total)
    on_progress(total, total)
    return ShardReport(rows=total, scored=scored, skipped=total - scored, started=started, finished=datetime.now(UTC))


class _Writer:
    """Writes in a second thread. One transaction is under way, the next is gathered; a slow database holds `put` up.

    `there` counts the rows that are in the table. On leaving `with`, all of them are, or an error is raised.
    """

    def __init__(self, store: ScoreStore, model: Model, target: Target) -> None:
        self.there = 0
        self._store, self._model, self._target = store, model, target
        self._thread = ThreadPoolExecutor(1, "score-writer")
        self._written: Future[int] | None = None
        self._gathered: list[tuple[pl.DataFrame, Probabilities]] = []
        self._last = time.monotonic()

    def put(self, rows: pl.DataFrame, probabilities: Probabilities) -> None:
        """Take some rows. Raises StackError when those before could not be written."""
        self._gathered.append((rows, probabilities))
        gathered = sum(len(rows) for rows, _ in self._gathered)
        if gathered >= TRANSACTION_ROWS or time.monotonic() - self._last >= TRANSACTION_SECONDS:
            self._send()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._send()
                self._wait()
        finally:
            self._thread.shutdown()

    def _send(self) -> None:
        self._wait()
        gathered, self._gathered = self._gathered, []
        self._written = self._thread.submit(self._write, gathered)
        self._last = time.monotonic()

    def _wait(self) -> None:
        if self._written:
            self.there += self._written.result()
            self._written = None

    def _write(self, gathered: list[tuple[pl.DataFrame, Probabilities]]) -> int:
        now = datetime.now(UTC)
        parts = [table_rows(rows, found, self._model, self._target, now) for rows, found in gathered]
        if parts:
            self._store.insert(pl.concat(parts))
        return sum(map(len, parts))


def table_rows(
    rows: pl.DataFrame,
    probabilities: Probabilities,
    model: Model,
    target: Target,
    now: datetime,
) -> pl.DataFrame:
    """The rows of the table `scores` for reviews (columns as in a snapshot) and their probabilities.

    Texts are masked; probabilities have six digits. Raises SentimentError when a probability is no number.
    """
    if not np.isfinite(probabilities).all():
        raise SentimentError("The model gave a probability that is no number.", ROLL_BACK)
    columns = [pl.Series(values).round(DIGITS) for values in probabilities.astype(np.float64).T]
    best = task_of(model.task).answers(probabilities)
    members: list[pl.Expr | pl.Series] = []
    for position, (label, values) in enumerate(zip(model.labels, columns, strict=True)):
        members += [pl.lit(f"{', ' if position else '{'}{json.dumps(label, ensure_ascii=False)}: "), values]
    return rows.select(
        id=target.keys(rows["id"]),
        batch=pl.lit(target.batch),
        review_id=pl.col("id"),
        model_name=pl.lit(target.model_name),
        model_version=pl.lit(target.model_version),
        time=pl.lit(now.replace(tzinfo=None)).dt.strftime(TIME_FORMAT),
        text=mask_series(rows["text"]),
        label=pl.Series(np.array(model.labels, dtype=object)[best], dtype=pl.String),
        confidence=pl.Series(probabilities.max(axis=1).astype(np.float64)).round(DIGITS),
        probabilities=pl.concat_str([*members, pl.lit("}")]),
        created_at=pl.col("created_at").dt.strftime(TIME_FORMAT),
        category=pl.col("category"),
        language=pl.col("language"),
        source=pl.col("source"),
    )
