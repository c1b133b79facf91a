"""Champion and candidate: who answers a request, what is scored on the side, and when a canary is taken back.

Shadow: the champion answers everything; the candidate scores the same texts afterwards. Canary: the candidate answers
the callers whose key hashes below the share, always the same ones, until its errors or its latency breach the limits;
from then on, until the server starts again, the champion answers everything. The candidate is a model folder beside the
champion's, or has a server of its own.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from sentiment.errors import SentimentError
from sentiment.models.base import Model, TextClassifier
from sentiment.models.folder import load_classifier, saved_folder
from sentiment.stats import Probabilities
from sentiment.tasks import task_of
from serving.batching import InferenceError, MicroBatcher, QueueFullError
from serving.metrics import CANARY_STATES, Metrics
from serving.remote import RemoteModel
from serving.schemas import Role, SideOfTraffic, TrafficReport
from serving.settings import ServingSettings

logger = logging.getLogger(__name__)

SERVED = "served.json"
WARM_UP = ("다시 보고 싶은 영화", "Not worth the money, sadly.")
JUDGE_EVERY = 10
JITTER_MS = 10.0  # what a busy machine adds now and then; no ratio of two quick models' p95 says anything below it
State = Literal["off", "shadowing", "live", "fallen_back"]


class Served(BaseModel):
    """`served.json`, beside the model folder: what the deploy pipeline knew about this version."""

    model_config = ConfigDict(extra="ignore")

    model_name: str = "sentiment"
    version: str = "unknown"
    data_digest: str | None = None
    git_commit: str | None = None
    metrics: dict[str, float] = {}
    card: str = ""
    dataset: str = ""
    trained: datetime | None = None
    gate: str = ""
    promotion: str = ""
    forced: bool = False


ModelT = TypeVar("ModelT", bound=Model)


@dataclass
class Side(Generic[ModelT]):
    """A model and its last requests."""

    classifier: ModelT
    served: Served
    digest: str
    batcher: MicroBatcher
    outcomes: deque[tuple[bool, float]]  # whether it answered, and in how many seconds
    labels: Counter[str] = field(default_factory=Counter)
    answer: Callable[[Sequence[float]], int] = field(init=False)

    def __post_init__(self) -> None:
        self.answer = task_of(self.classifier.task).answer

    @staticmethod
    def load(folder: Path, settings: ServingSettings, on_batch: Callable[[int], None]) -> "Side[TextClassifier]":
        """Load, verify and warm up a model folder. Raises SentimentError when it cannot serve."""
        classifier = load_classifier(folder)
        classifier.serve_threads()
        classifier.predict_proba(WARM_UP)
        served, digest = read_served(folder.parent / SERVED), saved_folder(classifier).digest
        return Side(classifier, served, digest, _batcher(classifier, settings, on_batch), _outcomes(settings))

    @staticmethod
    def remote(url: str, settings: ServingSettings, on_batch: Callable[[int], None]) -> "Side[RemoteModel]":
        """The model of another server. Raises SentimentError when it does not answer."""
        model = RemoteModel.connect(url, settings.api_key.get_secret_value() if settings.api_key else None)
        batcher = _batcher(model, settings, on_batch, blocking=True)
        return Side(model, Served.model_validate(model.card), model.card["digest"], batcher, _outcomes(settings))

    async def score(self, texts: Sequence[str]) -> Probabilities:
        """Score, and remember how it went."""
        start = time.perf_counter()
        try:
            probabilities = await self.batcher.score(texts)
        except (QueueFullError, InferenceError):  # a caller that went away says nothing about the model
            self.outcomes.append((False, time.perf_counter() - start))
            raise
        self.outcomes.append((True, time.perf_counter() - start))
        return probabilities

    def report(self) -> SideOfTraffic:
        """The last requests in figures."""
        p50, p95 = self.latency_ms(50), self.latency_ms(95)
        return SideOfTraffic(
            version=self.served.version,
            requests=len(self.outcomes),
            error_rate=self.error_rate(),
            p50_ms=p50,
            p95_ms=p95,
            labels=dict(self.labels),
        )

    def error_rate(self) -> float:
        """The share of the last requests that failed."""
        return sum(not answered for answered, _ in self.outcomes) / max(1, len(self.outcomes))

    def latency_ms(self, percentile: float) -> float | None:
        """Of the last answered requests; None before the first."""
        seconds = [taken for answered, taken in self.outcomes if answered]
        return 1_000 * float(np.percentile(seconds, percentile)) if seconds else None


def _batcher(
    model: Model, settings: ServingSettings, on_batch: Callable[[int], None], *, blocking: bool = False
) -> MicroBatcher:
    return MicroBatcher(
        model.predict_proba,
        batch_texts=settings.batch_texts,
        batch_chars=settings.batch_chars,
        queue_texts=settings.queue_texts,
        threads=settings.threads,
        on_batch=on_batch,
        blocking=blocking,
    )


def _outcomes(settings: ServingSettings) -> deque[tuple[bool, float]]:
    return deque(maxlen=settings.canary_window)


def read_served(path: Path) -> Served:
    """What stands beside a model folder; version "unknown" when nothing does."""
    return Served.model_validate(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Served()


class Scored(NamedTuple):
    """An answer and whose it is: the probabilities of each text, and the position of its label."""

    rows: list[list[float]]
    best: list[int]
    side: Side[Any]
    role: Role

    @classmethod
    def of(cls, probabilities: Probabilities, side: Side[Any], role: Role) -> Self:
        """As lists: for a text or two they are quicker than arrays."""
        rows: list[list[float]] = probabilities.tolist()
        return cls(rows, list(map(side.answer, rows)), side, role)


class ShadowScored(NamedTuple):
    """What the candidate said about texts the champion answered."""

    texts: Sequence[str]
    scored: Scored
    seconds: float


class Traffic:
    """Sends texts to the champion or the candidate. `on_shadow` is told of every text scored on the side."""

    def __init__(
        self,
        settings: ServingSettings,
        metrics: Metrics,
        champion: Side[TextClassifier],
        candidate: Side[Any] | None,
        on_shadow: Callable[[ShadowScored], None],
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.champion = champion
        self.candidate = candidate
        self.on_shadow = on_shadow
        self.reason: str | None = None
        self._judged = 0
        self._agreed = self._compared = self._dropped = 0
        self._shadows: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        starts: dict[str, State] = {"off": "off", "shadow": "shadowing", "canary": "live"}
        self._enter(starts[settings.traffic])

    @classmethod
    def load(cls, settings: ServingSettings, metrics: Metrics, on_shadow: Callable[[ShadowScored], None]) -> Self:
        """Load the folders that the settings name; a candidate with a server of its own is asked for its model.

        A champion whose candidate's server is gone answers everything. Raises SentimentError when a folder cannot
        serve, is missing, or the two models have different labels.
        """
        champion = Side.load(settings.model_dir, settings, metrics.batch_size.observe)
        if settings.traffic == "off":
            return cls(settings, metrics, champion, None, on_shadow)
        if settings.candidate_url:
            try:
                candidate: Side[Any] = Side.remote(settings.candidate_url, settings, metrics.batch_size.observe)
            except SentimentError as error:
                traffic = cls(settings, metrics, champion, None, on_shadow)
                traffic.fall_back(error.cause)
                return traffic
        elif settings.candidate_dir:
            candidate = Side.load(settings.candidate_dir, settings, metrics.batch_size.observe)
        else:
            raise SentimentError(
                f"Traffic is {settings.traffic!r}, but there is no candidate.", "Set SENTIMENT_CANDIDATE_DIR."
            )
        if candidate.classifier.task != champion.classifier.task:
            raise SentimentError(
                f"The candidate's task is {candidate.classifier.task!r}, the champion's {champion.classifier.task!r}.",
                "Train it for the same task.",
            )
        if candidate.classifier.labels != champion.classifier.labels:
            raise SentimentError(
                f"The candidate's labels {candidate.classifier.labels} are not the champion's.",
                "Train it on the same labels.",
            )
        return cls(settings, metrics, champion, candidate, on_shadow)

    async def __aenter__(self) -> Self:
        for side in (self.champion, self.candidate):
            if side is not None:
                await self._stack.enter_async_context(side.batcher)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._shadows:
            await asyncio.wait(self._shadows)
        await self._stack.aclose()

    async def score(self, texts: Sequence[str], caller: str) -> Scored:
        """Answer `texts` for `caller`.

        What the canary fails to answer, the champion answers. Raises QueueFullError and InferenceError.
        """
        if self.candidate and self.state == "live" and in_share(caller, self.settings.canary_share):
            try:
                return self._count(Scored.of(await self.candidate.score(texts), self.candidate, "canary"))
            except (QueueFullError, InferenceError):
                logger.warning("The canary failed; the champion answers.", exc_info=True)
            finally:
                self._judge()
        scored = self._count(Scored.of(await self.champion.score(texts), self.champion, "champion"))
        if self.candidate and self.state == "shadowing":
            task = asyncio.create_task(self._shadow(self.candidate, texts, scored.best))
            self._shadows.add(task)
            task.add_done_callback(self._shadows.discard)
        return scored

    @property
    def sides(self) -> "list[Side[Any]]":
        """The champion, and the candidate if there is one."""
        return [side for side in (self.champion, self.candidate) if side]

    def depth(self) -> int:
        """Texts that wait for a model."""
        return self.champion.batcher.depth + (self.candidate.batcher.depth if self.candidate else 0)

    def report(self) -> TrafficReport:
        """Champion and candidate side by side."""
        return TrafficReport(
            mode=self.settings.traffic,
            state=self.state,
            reason=self.reason,
            share=self.settings.canary_share if self.state == "live" else 0.0,
            champion=self.champion.report(),
            candidate=self.candidate.report() if self.candidate else None,
            agreement=self._agreed / self._compared if self._compared else None,
            compared=self._compared,
            dropped=self._dropped,
        )

    def fall_back(self, reason: str) -> None:
        """Let the champion answer everything from now on."""
        self.reason = reason
        self._enter("fallen_back")
        logger.error("The candidate is taken back: %s", reason)

    async def _shadow(self, candidate: Side[Any], texts: Sequence[str], answered: list[int]) -> None:
        start = time.perf_counter()
        try:
            scored = self._count(Scored.of(await candidate.score(texts), candidate, "shadow"))
        except QueueFullError:
            self._dropped += len(texts)
            self.metrics.shadow_dropped.inc(len(texts))
            return
        except InferenceError:
            logger.warning("The shadow failed.", exc_info=True)
            return
        self._compared += len(texts)
        self._agreed += sum(ours == theirs for ours, theirs in zip(scored.best, answered, strict=True))
        self.on_shadow(ShadowScored(texts, scored, time.perf_counter() - start))

    def _count(self, scored: Scored) -> Scored:
        labels = scored.side.classifier.labels
        for best, row in zip(scored.best, scored.rows, strict=True):
            scored.side.labels[labels[best]] += 1
            self.metrics.predictions_of(labels[best], scored.side.served.version, scored.role).inc()
            if scored.role == "champion":
                self.metrics.confidence_of(labels[best]).observe(row[best])
        return scored

    def _judge(self) -> None:
        self._judged += 1
        if self.state != "live" or self._judged % JUDGE_EVERY or self.candidate is None:
            return
        if reason := breach(self.champion, self.candidate, self.settings):
            self.fall_back(reason)

    def _enter(self, state: State) -> None:
        self.state: State = state
        self.metrics.canary_state.set(CANARY_STATES[state])


def in_share(caller: str, share: float) -> bool:
    """Whether `caller` belongs to the share: the same answer every time, on every replica."""
    digest = hashlib.blake2b(caller.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def breach(champion: Side[Any], canary: Side[Any], settings: ServingSettings) -> str | None:
    """Why the canary must not go on, or None. Too few requests on either side are no reason."""
    if len(canary.outcomes) < settings.canary_min_requests:
        return None
    if canary.error_rate() > settings.canary_max_error_rate:
        return f"{canary.error_rate():.1%} of its requests failed; {settings.canary_max_error_rate:.1%} are allowed."
    if len(champion.outcomes) < settings.canary_min_requests:
        return None
    ours, theirs = canary.latency_ms(95), champion.latency_ms(95)
    if ours and theirs and ours > settings.canary_max_latency_ratio * theirs + JITTER_MS:
        return f"Its p95 is {ours:.1f} ms against {theirs:.1f} ms of the champion."
    return None
