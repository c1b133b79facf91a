"""`MicroBatcher`: concurrent requests scored together, without a timer.

While one batch is scored, what arrives waits; the next batch is whatever has waited, up to a limit. An idle server
scores a request at once, a busy one scores larger batches: the batch size follows the load, as in Clipper (Crankshaw
and others 2017, section 4.3) with a delay of zero.

Handing a batch to a thread and its result back wakes two threads, which costs as much as a small model does. So a
single short text that finds an idle server is scored on the event loop, as long as the model is quick.

A request of many characters is scored in pieces that wait their turn like any other request. So it holds a thread for
no longer than a batch may take, and what is left of it is not scored once its caller has gone or its time is over.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final, Self

import numpy as np

from sentiment.stats import Probabilities

Predict = Callable[[Sequence[str]], Probabilities]

# A text that may be scored on the event loop, how quick the model must be, and of how many such texts that is the
# median: everybody else waits while it is scored.
SHORT_CHARS: Final = 500
QUICK_SECONDS: Final = 0.001
MEASURED_TEXTS: Final = 25
# Past it a caller is told that too much is waiting, and the text is not scored.
PATIENCE_SECONDS: Final = 60.0
DRAIN_POLL_SECONDS: Final = 0.01


class QueueFullError(Exception):
    """More texts wait than the queue may hold, or a text has waited too long."""


class InferenceError(Exception):
    """The model failed on a batch; the cause is attached."""


@dataclass(slots=True)
class _Waiting:
    texts: Sequence[str]
    characters: int
    done: asyncio.Future[Probabilities]


class MicroBatcher:
    """Scores texts in `threads` worker threads, so that the event loop stays free; quick ones on the event loop.

    `queue_texts` bounds what waits, `batch_texts` and `batch_chars` what is scored together; one request is split only
    where it has more characters. `on_batch` is told the size of every batch. A model that waits for others, and so must
    never be on the event loop, is `blocking`.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        batch_texts: int,
        batch_chars: int,
        queue_texts: int,
        threads: int,
        on_batch: Callable[[int], None] = lambda _: None,
        blocking: bool = False,
    ) -> None:
        self._predict = predict
        self._batch_texts = batch_texts
        self._batch_chars = batch_chars
        self._queue_texts = queue_texts
        self._threads = threads
        self._on_batch = on_batch
        self._blocking = blocking
        self._waiting: deque[_Waiting] = deque()
        self._due = False
        self._busy = 0
        self._seconds: list[float] = []
        self._quick = False
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self.depth = 0

    async def score(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), labels).

        Raises QueueFullError when the texts do not fit into the queue or are not scored in `PATIENCE_SECONDS`,
        InferenceError when the model fails.
        """
        if self.depth and self.depth + len(texts) > self._queue_texts:
            raise QueueFullError
        until = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        rows: list[Probabilities] = []
        left = len(texts)
        self.depth += left
        try:
            for piece in _pieces(texts, self._batch_chars):
                left -= len(piece)
                rows.append(await self._scored(piece, until))
        finally:
            self.depth -= left  # the pieces that never waited
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    async def _scored(self, texts: Sequence[str], until: float) -> Probabilities:
        """The probabilities of one piece, which `depth` counts until it is scored. Raises as `score`."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(texts, sum(map(len, texts)), loop.create_future())
        self._waiting.append(waiting)
        if not self._due:
            # After the requests that arrived together with this one, so that they are scored together.
            self._due = True
            loop.call_soon(self._start)
        patience = loop.call_at(until, _give_up, waiting.done)
        try:
            return await waiting.done
        finally:
            patience.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer what waits, then let the threads go."""
        while self.depth or self._busy:
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        self._pool.shutdown()

    def _start(self) -> None:
        self._due = False
        while self._busy < self._threads and (batch := self._next_batch()):
            texts = [text for waiting in batch for text in waiting.texts]
            self._on_batch(len(texts))
            if self._quick and not self._busy and not self._waiting and _is_short(texts):
                self._answer(batch, *self._attempt(texts))
            else:
                self._busy += 1
                self._pool.submit(self._in_thread, batch, texts, asyncio.get_running_loop())

    def _in_thread(self, batch: list[_Waiting], texts: list[str], loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._finish, batch, *self._attempt(texts))

    def _finish(self, batch: list[_Waiting], outcome: Probabilities | Exception, seconds: float) -> None:
        self._busy -= 1
        self._answer(batch, outcome, seconds)
        self._start()

    def _attempt(self, texts: list[str]) -> tuple[Probabilities | Exception, float]:
        """What the model says, or why it says nothing, and after how many seconds."""
        start = perf_counter()
        outcome: Probabilities | Exception
        try:
            outcome = self._predict(texts)
        except Exception as error:
            outcome = error
        return outcome, perf_counter() - start

    def _answer(self, batch: list[_Waiting], outcome: Probabilities | Exception, seconds: float) -> None:
        start = 0
        for waiting in batch:
            end = start + len(waiting.texts)
            if waiting.done.done():
                pass  # the caller has gone
            elif isinstance(outcome, Exception):
                waiting.done.set_exception(_inference_error(outcome))
            else:
                waiting.done.set_result(outcome[start:end])
            start = end
        if len(batch) == 1 and _is_short(batch[0].texts) and not self._blocking:
            self._measure(seconds)

    def _measure(self, seconds: float) -> None:
        self._seconds.append(seconds)
        if len(self._seconds) == MEASURED_TEXTS:
            self._quick = median(self._seconds) < QUICK_SECONDS
            self._seconds.clear()

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = characters = 0
        while self._waiting and (not batch or self._fits(self._waiting[0], size, characters)):
            waiting = self._waiting.popleft()
            self.depth -= len(waiting.texts)
            if not waiting.done.done():  # else its caller has gone
                batch.append(waiting)
                size += len(waiting.texts)
                characters += waiting.characters
        return batch

    def _fits(self, waiting: _Waiting, size: int, characters: int) -> bool:
        return size + len(waiting.texts) <= self._batch_texts and characters + waiting.characters <= self._batch_chars


def _pieces(texts: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """`texts` in slices of at most `most` characters, or of one text that has more."""
    start = characters = 0
    for position, text in enumerate(texts):
        if characters and characters + len(text) > most:
            yield texts[start:position]
            start, characters = position, 0
        characters += len(text)
    yield texts[start:]


def _is_short(texts: Sequence[str]) -> bool:
    return len(texts) == 1 and len(texts[0]) <= SHORT_CHARS


def _give_up(done: asyncio.Future[Probabilities]) -> None:
    if not done.done():
        done.set_exception(QueueFullError())


def _inference_error(cause: Exception) -> InferenceError:
    error = InferenceError(f"The model failed: {type(cause).__name__}.")
    error.__cause__ = cause
    return error
