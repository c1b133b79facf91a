"""`MicroBatcher`: concurrent requests scored together, without a timer.

While one batch is scored, what arrives waits; the next batch is whatever has waited, up to a limit. An idle server
scores a request at once, a busy one scores larger batches: the batch size follows the load, as in Clipper (Crankshaw
and others 2017, section 4.3) with a delay of zero.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from sentiment.models.base import Probabilities

Predict = Callable[[Sequence[str]], Probabilities]


class QueueFullError(Exception):
    """More texts wait than the queue may hold."""


class InferenceError(Exception):
    """The model failed on a batch; the cause is attached."""


@dataclass(slots=True)
class _Waiting:
    texts: Sequence[str]
    done: asyncio.Future[Probabilities]


class MicroBatcher:
    """Scores texts in `threads` worker threads, so that the event loop stays free.

    `queue_texts` bounds what waits, `batch_texts` what is scored together; one request is never split. `on_batch` is
    told the size of every batch.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        batch_texts: int,
        queue_texts: int,
        threads: int,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._predict = predict
        self._batch_texts = batch_texts
        self._queue_texts = queue_texts
        self._threads = threads
        self._on_batch = on_batch
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._workers = 0  # not len(_running): a task that ended leaves the set only after its callers have gone on
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self.depth = 0

    async def score(self, texts: Sequence[str]) -> Probabilities:
        """Probabilities of shape (len(texts), labels).

        Raises QueueFullError when the texts do not fit into the queue, InferenceError when the model fails.
        """
        if self.depth and self.depth + len(texts) > self._queue_texts:
            raise QueueFullError
        waiting = _Waiting(texts, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self.depth += len(texts)
        if self._workers < self._threads:
            self._workers += 1
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await waiting.done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Answer what waits, then let the threads go."""
        await asyncio.gather(*self._running)
        self._pool.shutdown()

    async def _work(self) -> None:
        while batch := self._next_batch():
            texts = [text for waiting in batch for text in waiting.texts]
            self._on_batch(len(texts))
            scoring = asyncio.get_running_loop().run_in_executor(self._pool, self._predict, texts)
            await asyncio.wait((scoring,))
            failure = scoring.exception()
            start = 0
            for waiting in batch:
                end = start + len(waiting.texts)
                if waiting.done.cancelled():
                    pass  # the caller has gone
                elif failure is None:
                    waiting.done.set_result(scoring.result()[start:end])
                else:
                    waiting.done.set_exception(_inference_error(failure))
                start = end
        self._workers -= 1

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].texts) <= self._batch_texts):
            waiting = self._waiting.popleft()
            self.depth -= len(waiting.texts)
            if not waiting.done.cancelled():
                batch.append(waiting)
                size += len(waiting.texts)
        return batch


def _inference_error(cause: BaseException) -> InferenceError:
    error = InferenceError(f"The model failed: {type(cause).__name__}.")
    error.__cause__ = cause
    return error
