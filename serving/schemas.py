"""The bodies of requests and responses; /docs is made from them."""

import os
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, create_model
from pydantic_core import PydanticCustomError

from sentiment.messages import Message, say
from sentiment.store.queries import Origin
from sentiment.text.normalise import says_nothing
from serving.settings import ServingSettings

# At least one character that shows: no space, control, zero-width or direction mark, blank. The schema can say so much;
# that markup alone says nothing either, it cannot.
VISIBLE: Final = (
    r"[^\s\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0"
    r"\ufff9-\ufffb]"
)
Role = Literal["champion", "shadow", "canary"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Request):
    """One text."""

    text: str


class PredictBatchRequest(_Request):
    """Several texts, scored in one go."""

    texts: list[str]


class FeedbackRequest(_Request):
    """The label a person says is right for an earlier prediction."""

    prediction_id: str = Field(min_length=1, max_length=64)
    label: str = Field(min_length=1, max_length=100)


def _something(text: str) -> str:
    """Refuse a text of which the normaliser leaves nothing: no model can say anything about it."""
    if says_nothing(text):
        raise PydanticCustomError("says_nothing", "it is empty")
    return text


class Requests:
    """The request models with this server's limits."""

    def __init__(self, settings: ServingSettings) -> None:
        text = Annotated[
            str,
            StringConstraints(pattern=VISIBLE, max_length=settings.max_text_chars),
            AfterValidator(_something),
        ]
        texts = Annotated[list[text], Field(min_length=1, max_length=settings.max_batch)]
        self.predict = create_model("PredictRequest", __base__=PredictRequest, text=(text, ...))
        self.predict_batch = create_model("PredictBatchRequest", __base__=PredictBatchRequest, texts=(texts, ...))
        self.feedback = FeedbackRequest


class Prediction(BaseModel):
    """The most probable label and the probability of every label."""

    prediction_id: str
    prediction: str
    confidence: float
    probabilities: dict[str, float]
    model_version: str


class PredictionList(BaseModel):
    """One prediction per text, in order."""

    predictions: list[Prediction]


class FeedbackAccepted(BaseModel):
    """The feedback was noted."""

    prediction_id: str
    label: str


class WordWeight(BaseModel):
    """A word and what it adds to the log-odds of the predicted label."""

    word: str
    weight: float


class Explanation(BaseModel):
    """Which words pushed the prediction there, in the order of the text."""

    prediction: str
    confidence: float
    words: list[WordWeight]


class Model(BaseModel):
    """What is served: version, evidence, labels, normaliser; who promoted it and why, `forced` against the gate."""

    model_name: str
    version: str
    kind: str
    digest: str
    labels: list[str]
    normaliser: dict[str, Any]
    metrics: dict[str, float]
    data_digest: str | None
    git_commit: str | None
    card: str
    dataset: str
    trained: datetime | None
    gate: str
    promotion: str
    forced: bool
    limits: dict[str, int]


class RecentPrediction(BaseModel):
    """A row of the prediction log; its text is masked. A `tryout` was asked on the page, and counts nowhere."""

    prediction_id: str
    time: str
    text: str
    label: str
    confidence: float
    model_version: str
    role: Role
    tryout: bool


class RecentPredictions(BaseModel):
    """The newest first."""

    predictions: list[RecentPrediction]


class Said(BaseModel):
    """The same in both languages; what an earlier version stored as a sentence is the same sentence in both."""

    en: str
    ko: str

    @classmethod
    def of(cls, message: Message | str) -> "Said":
        """Write the message out."""
        return cls(en=say(message, "en"), ko=say(message, "ko"))


class Answered(BaseModel):
    """A label that somebody said is right."""

    label: str
    time: datetime
    source: str


class Event(BaseModel):
    """What happened to the version: promoted, rolled back to, deployed; `forced` against the gate."""

    time: datetime
    kind: Literal["promotion", "rollback", "deployment"]
    said: Said
    forced: bool


class TraceReport(BaseModel):
    """Where an answer came from. What it was trained on and its gate are known of the versions that answer now."""

    prediction_id: str
    time: datetime
    origin: Origin
    batch: str | None
    text: str
    label: str
    confidence: float
    model_version: str
    dataset: str
    data_digest: str | None
    trained: datetime | None
    gate: str
    promotion: str
    forced: bool
    history: list[Event]
    feedback: list[Answered]


class SideOfTraffic(BaseModel):
    """One model's last requests."""

    version: str
    requests: int
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    labels: dict[str, int]


class TrafficReport(BaseModel):
    """Champion against candidate over the last requests of each; `agreement` is known in shadow mode only."""

    mode: Literal["off", "shadow", "canary"]
    state: Literal["off", "shadowing", "live", "fallen_back"]
    reason: str | None
    share: float
    champion: SideOfTraffic
    candidate: SideOfTraffic | None
    agreement: float | None
    compared: int
    dropped: int


RANDOM_BITS: Final = 74
BYTES: Final = 10
IDS_PER_CALL: Final = 256  # asking the system for randomness can cost more than the rest of the id


class PredictionIds:
    """Gives ids nobody can guess; for one thread."""

    def __init__(self) -> None:
        self._random = _random()

    def new(self) -> str:
        """48 bits of milliseconds since 1970, the version, 12 random bits, the variant, 62 random bits."""
        milliseconds, random = time.time_ns() // 1_000_000, next(self._random)
        value = milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1
        digits = f"{value:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _random() -> Iterator[int]:
    while True:
        pool = os.urandom(BYTES * IDS_PER_CALL)
        for start in range(0, len(pool), BYTES):
            yield int.from_bytes(pool[start : start + BYTES]) >> 8 * BYTES - RANDOM_BITS
