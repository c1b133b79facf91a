"""`PredictionLog`: every prediction into a database, off the request path and exactly once.

    put ─► queue in memory ─► spool on disk ─► database
               50 ms           0.2 s

A row goes through the spool even when all is well, so an outage of the database needs no second way: the spool grows,
and is written from where it stopped. Two threads move the rows, so a database that hangs never delays the disk.

What can be lost: a killed process loses what was put in its last 50 milliseconds; a machine that loses power no more,
since the spool is synced. When the disk fails (or holds 1 GiB of rows), rows go from memory straight to the database;
only when that is out of reach too and the queue is full are rows dropped, and counted.
Why no row is written twice: a row's id is its primary key, and an insert that finds it there does nothing.
"""

import logging
import math
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from sentiment.errors import ConfigError
from sentiment.store.database import StoreError, reason_of
from sentiment.store.log.spool import Spool
from sentiment.store.predictions import PredictionDatabase
from sentiment.store.records import (
    ENDPOINT_SOURCE,
    SMOKE_TEST_CALLER,
    TRYOUT_CALLER,
    Event,
    FeedbackRecord,
    PredictionRecord,
    Summary,
    from_line,
    storable,
    to_line,
)
from sentiment.text.pii import mask

GATHER_SECONDS = 0.05
WRITE_SECONDS = 0.2
BATCH = 500
MANY = 200
LONGEST_BACKOFF_SECONDS = 5.0
RETENTION_SECONDS = 3600.0
LONGEST_SPOOL_BACKOFF_SECONDS = 1.0
WARNING_SECONDS = 60.0
LATEST = 200
LONGEST_ID = 64
_ID = re.compile(rb'\{"id": "([0-9a-f]{1,64})"')  # as `to_line` begins

_logger = logging.getLogger(__name__)


class _CannotTellError(Exception):
    """Whether a prediction exists is not known now."""


class PredictionLog:
    """Takes predictions and feedback, and answers for what it took: one model's, whoever else uses the database.

    `spool` is a folder on a local disk that the servers of one machine may share, those of other models too: a row
    keeps its own `model_name`, whichever server writes it. `queue_size` bounds the rows in
    memory; rows older than `retention_days` are deleted, those that people labelled after `label_retention_days`:
    retraining learns from them. `put` may be called from an event loop; `feedback`,
    `recent`, `summary` and `label_of` ask the database, so call them from a thread.

    `written`, `spooled` (had to wait on disk for a database out of reach), `dropped` (lost) and `quarantined` (put
    aside in a file since no database takes them) count rows since the start.

    Raises ConfigError for a database that is not supported or a retention below one day. A database out of reach is
    no error, now or later.
    """

    def __init__(
        self,
        database_url: str,
        spool: Path,
        model_name: str,
        *,
        queue_size: int = 10_000,
        retention_days: int = 90,
        label_retention_days: int = 730,
    ) -> None:
        if retention_days < 1:
            raise ConfigError(
                f"A retention of {retention_days} days keeps nothing.", "Set it: export SENTIMENT_RETENTION_DAYS=90"
            )
        if label_retention_days < retention_days:
            raise ConfigError(
                "Labels cannot be kept for less long than their predictions.",
                f"Keep them as long: export SENTIMENT_LABEL_RETENTION_DAYS={retention_days}",
            )
        self.model_name = model_name
        self._database = PredictionDatabase(database_url, model_name)
        self._spool = Spool(spool)
        self._queue_size = queue_size
        self._retention = timedelta(days=retention_days)
        self._label_retention = timedelta(days=label_retention_days)
        self._retention_due = 0.0
        self._queue: deque[Event] = deque()
        # Label and time of everything that is not in the database yet, by id, oldest first.
        self._pending: dict[str, tuple[str, float]] = {}
        self._latest: deque[PredictionRecord] = deque(maxlen=LATEST)
        self._lock = threading.Lock()
        self._draining = threading.Lock()
        self._arrived = threading.Event()
        self._readable = threading.Event()
        self._closing = threading.Event()
        self._deadline = math.inf
        self._down_since: float | None = None
        self._spool_broken = False
        self._warning_due: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._kept_running, args=(loop,), name=name, daemon=True)
            for name, loop in (("prediction-spool", self._spool_loop), ("prediction-writer", self._write_loop))
        ]
        self.written = self.spooled = self.dropped = self.quarantined = 0

    def start(self) -> None:
        """Start writing; what an earlier process left in the spool goes first."""
        with suppress(OSError):  # Tried again with every batch, and said there.
            self._spool.open()
        for thread in self._threads:
            thread.start()

    def put(self, record: PredictionRecord) -> None:
        """Take one prediction, with personal data masked; never waits for disk or database."""
        text = mask(storable(record.text))
        caller = None if record.caller is None else storable(record.caller)
        if (text, caller) != (record.text, record.caller):
            record = replace(record, text=text, caller=caller)
        with self._lock:
            self._latest.append(record)
        self._enqueue(record)

    def feedback(
        self, prediction_id: str, label: str, *, source: str = ENDPOINT_SOURCE, caller: str | None = None
    ) -> bool:
        """Take the right label of a prediction; False when there is no such prediction.

        Answers to the same prediction are all kept. When it cannot be told whether the id exists (the database is
        out of reach, or an earlier process's rows still wait on disk), the answer is taken.
        """
        try:
            if self._find(prediction_id) is None:
                return False
        except _CannotTellError:
            pass
        self._enqueue(
            FeedbackRecord(
                id=uuid.uuid4().hex,
                prediction_id=prediction_id,
                time=datetime.now(UTC),
                model_name=self.model_name,
                label=storable(label),
                source=source,
                caller=None if caller is None else storable(caller),
            )
        )
        return True

    def label_of(self, prediction_id: str) -> str | None:
        """The label that was predicted; None when the id is unknown or the database out of reach."""
        try:
            return self._find(prediction_id)
        except _CannotTellError:
            return None

    def recent(self, limit: int, *, tryouts: bool = False) -> list[PredictionRecord]:
        """The latest predictions, newest first; with the database out of reach, this process's own.

        Left out are those of smoke tests, and try-outs unless asked for.
        """
        others = {SMOKE_TEST_CALLER, *(() if tryouts else (TRYOUT_CALLER,))}
        with self._lock:
            found = {record.id: record for record in self._latest if record.caller not in others}
        try:
            if self._down_since is None:
                found.update((record.id, record) for record in self._database.recent(limit, tryouts=tryouts))
        except StoreError as error:
            _logger.debug("recent: %s", error.reason)
        return sorted(found.values(), key=lambda record: record.time, reverse=True)[:limit]

    def summary(self, hours: float) -> Summary:
        """Counts of the last hours; an empty one with `complete` False when the database is out of reach."""
        since = datetime.now(UTC) - timedelta(hours=hours)
        try:
            if self._down_since is None:
                return self._database.summary(since)
        except StoreError as error:
            _logger.debug("summary: %s", error.reason)
        return Summary(since=since, complete=False)

    def lag_seconds(self) -> float:
        """Age of the oldest row that is not in the database yet; 0 when all are."""
        _, oldest = self._spool.adopted()
        with self._lock:
            oldest = oldest or next((since for _, since in self._pending.values()), 0.0)
        return max(0.0, time.time() - oldest) if oldest else 0.0

    def depth(self) -> int:
        """Rows that are not in the database yet."""
        return self._spool.adopted()[0] + len(self._pending)

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Write what is left until the deadline; the rest stays in the spool for the next start."""
        self._deadline = time.monotonic() + timeout_seconds
        self._closing.set()
        self._arrived.set()
        self._readable.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, self._deadline - time.monotonic()))
        self._spool.close()
        self._database.close()
        with self._lock:
            lost = len(self._queue)
            self.dropped += lost
        if lost:
            _logger.error("The prediction log lost %d rows: neither its spool nor its database took them.", lost)

    def _find(self, prediction_id: str) -> str | None:
        with self._lock:
            label, _ = self._pending.get(prediction_id, (None, 0.0))
        if label is not None:
            return label
        if len(prediction_id) > LONGEST_ID or storable(prediction_id) != prediction_id:
            return None
        if self._down_since is not None:
            raise _CannotTellError
        try:
            label = self._database.label_of(prediction_id)
        except StoreError as error:
            raise _CannotTellError from error
        if label is None and self._spool.adopted()[0]:
            raise _CannotTellError
        return label

    def _enqueue(self, event: Event) -> None:
        with self._lock:
            if len(self._queue) >= self._queue_size:
                self.dropped += 1
                return
            self._queue.append(event)
            self._pending[event.id] = (event.label, time.time())
        if not self._arrived.is_set():
            self._arrived.set()

    def _kept_running(self, loop: Callable[[], None]) -> None:
        """Run one of the two loops to its end at `close`; should anything else end it, say so and start it again."""
        name = threading.current_thread().name
        while True:
            try:
                loop()
            except Exception:
                self._warn(name, "The thread %s ended and is started again.", name, exc_info=True)
            else:
                return
            self._arrived.set()
            if self._closing.wait(1.0) and time.monotonic() >= self._deadline:
                return

    def _warn(self, about: str, message: str, *values: object, exc_info: bool = False) -> None:
        """One warning a minute about the same thing: what fails is tried again many times."""
        if time.monotonic() >= self._warning_due.get(about, 0.0):
            self._warning_due[about] = time.monotonic() + WARNING_SECONDS
            _logger.warning(message, *values, exc_info=exc_info)

    def _spool_loop(self) -> None:
        failures = 0
        while not self._closing.is_set():
            self._arrived.wait()
            self._closing.wait(GATHER_SECONDS)
            self._arrived.clear()
            failures = 0 if self._spool_queue() else failures + 1
            if failures:
                self._arrived.set()  # what waits in memory is tried again, whether or not more comes
                self._closing.wait(min(LONGEST_SPOOL_BACKOFF_SECONDS, GATHER_SECONDS * 2**failures))
        self._spool_queue()

    def _spool_queue(self) -> bool:
        """From memory to disk: whether the disk took all. Rows leave the queue only when they are on disk."""
        with self._draining:
            while events := self._head():
                lines, unreadable = _to_lines(events)
                try:
                    self._spool.append(lines)
                except OSError as error:
                    self._note_broken_spool(error)
                    break
                self._spool_broken = False
                self._remove_head(len(events))
                if self._down_since is not None:
                    self.spooled += len(lines)
                self._settle(unreadable, unreadable)
                self._set_aside([repr(event).encode() + b"\n" for event in unreadable])
        self._readable.set()
        return not self._spool_broken

    def _write_loop(self) -> None:
        connected, failures = False, 0
        while time.monotonic() < self._deadline:
            try:
                if not connected:
                    self._database.connect()
                    connected = True
                rows = self._write_spool() or self._write_queue()
                more = self._delete_outdated()
                if not rows:
                    self._count_vanished()
                failures = 0
                self._note_up()  # only now: a database may answer and take nothing
            except (StoreError, OSError) as error:
                connected, failures = False, failures + 1
                self._note_down(error)
                if self._closing.wait(min(LONGEST_BACKOFF_SECONDS, 0.2 * 2**failures)):
                    return
                continue
            if not rows:
                if self._closing.is_set() and not self._threads[0].is_alive():
                    return
                self._readable.wait(timeout=1.0)
            if rows < MANY and not more:
                self._readable.clear()
                self._closing.wait(WRITE_SECONDS)

    def _write_spool(self) -> int:
        """From disk to the database: how many rows."""
        try:
            lines = self._spool.peek()
        except OSError:
            return 0  # The thread that fills it has said so.
        events, unreadable = _from_lines(lines, self.model_name)
        refused = self._database.insert(events) if events else []
        self._set_aside([*unreadable, *map(to_line, refused)])
        self._spool.discard()
        self._settle(events, refused)
        self._forget(unreadable)
        return len(lines)

    def _forget(self, unreadable: Sequence[bytes]) -> None:
        """Rows of this process whose lines cannot be read back wait no more, where their ids can still be told."""
        ids = [found[1].decode() for line in unreadable if (found := _ID.match(line))]
        with self._lock:
            for each in ids:
                self._pending.pop(each, None)

    def _write_queue(self) -> int:
        """From memory to the database, while the disk does not do its part: how many rows."""
        if not self._spool_broken:
            return 0
        with self._draining:
            events = self._head()
            if events:
                refused = self._database.insert(events)
                self._remove_head(len(events))
                self._settle(events, refused)
                self._set_aside([repr(event).encode() + b"\n" for event in refused])
        return len(events)

    def _count_vanished(self) -> None:
        """Rows that are neither in memory nor on disk any more: somebody has deleted a file of the spool."""
        with self._draining, self._lock:
            if self._pending and not self._queue and not self._spool.peek():
                _logger.error("The prediction log lost %d rows: files of its spool are gone.", len(self._pending))
                self.dropped += len(self._pending)
                self._pending.clear()

    def _delete_outdated(self) -> bool:
        if time.monotonic() < self._retention_due:
            return False
        now = datetime.now(UTC)
        more = self._database.delete_before(now - self._retention, now - self._label_retention)
        if not more:
            self._retention_due = time.monotonic() + RETENTION_SECONDS
        return more

    def _head(self) -> list[Event]:
        with self._lock:
            return list(islice(self._queue, BATCH))

    def _remove_head(self, count: int) -> None:
        with self._lock:
            for _ in range(count):
                self._queue.popleft()

    def _settle(self, events: Sequence[Event], refused: Sequence[Event]) -> None:
        """They wait no more."""
        with self._lock:
            for event in events:
                self._pending.pop(event.id, None)
        self.written += len(events) - len(refused)

    def _set_aside(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        self.quarantined += len(lines)
        try:
            self._spool.quarantine(lines)
        except OSError as error:
            self._warn(
                "quarantine", "The prediction log cannot keep %d rows that no database takes: %s.", len(lines), error
            )

    def _note_broken_spool(self, error: OSError) -> None:
        self._spool_broken = True
        self._warn("spool", "The prediction log cannot write its spool, rows wait in memory: %s.", error)

    def _note_down(self, error: Exception) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            self.spooled += self.depth() - len(self._queue)
            _logger.warning("The prediction database is out of reach; rows wait in the spool. %s", reason_of(error))

    def _note_up(self) -> None:
        if self._down_since is not None:
            seconds = time.monotonic() - self._down_since
            self._down_since = None
            _logger.warning("The prediction database is back after %.0f s; %d rows wait.", seconds, self.depth())


def _to_lines(events: Sequence[Event]) -> tuple[list[bytes], list[Event]]:
    """Lines, and the rows that are no JSON (a probability that is no number, say)."""
    lines, unreadable = [], []
    for event in events:
        try:
            lines.append(to_line(event))
        except (TypeError, ValueError):
            unreadable.append(event)
    return lines, unreadable


def _from_lines(lines: Sequence[bytes], model_name: str) -> tuple[list[Event], list[bytes]]:
    events, unreadable = [], []
    for line in lines:
        try:
            events.append(from_line(line, model_name))
        except ValueError:
            unreadable.append(line)
    return events, unreadable
