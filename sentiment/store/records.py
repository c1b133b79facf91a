"""What the log takes and gives: predictions, feedback, and their counts; and one line of JSON for each on disk."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import from_json

_FINITE: Final = ConfigDict(allow_inf_nan=False)
Role = Literal["champion", "shadow", "canary"]


def caller_digest(key: str) -> str:
    """What is logged of the header X-Caller-Key: enough to group one caller's requests, not to know who it was.

    16 hexadecimal digits of its BLAKE2b hash.
    """
    return hashlib.blake2b(key.encode(), digest_size=8).hexdigest()


# Of labels that came through the endpoint; who has the database writes another one.
ENDPOINT_SOURCE: Final = "api"
# Begins the caller of every request that came with the server's API key: what follows is the digest of X-Caller-Key.
KEYED_CALLER: Final = "key:"
# Everyone without the API key: a key that its bearer chooses proves nothing.
OPEN_CALLER: Final = "open"
# The smoke test of a deployment asks with this key, so that its texts can be told from those of people.
SMOKE_TEST_KEY: Final = "smoke-test"
SMOKE_TEST_CALLER: Final = caller_digest(SMOKE_TEST_KEY)
# Whoever only tries something asks with this one, as the page does for the rows of a file.
TRYOUT_KEY: Final = "try-out"
TRYOUT_CALLER: Final = caller_digest(TRYOUT_KEY)


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One prediction. `time` is aware, `confidence` and `probabilities` are shares of 1.

    A dataclass and not a pydantic model: it is made once per request, and must not refuse what a caller sent. What a
    spool gives back is checked (`from_line`).
    """

    __pydantic_config__ = _FINITE

    id: str
    time: datetime
    model_name: str
    model_version: str
    text: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    latency_ms: float
    role: Role = "champion"
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """One answer to a prediction: `label` is the right one, whatever the model said."""

    id: str
    prediction_id: str
    time: datetime
    model_name: str
    label: str
    source: str
    caller: str | None = None


Event = PredictionRecord | FeedbackRecord


@dataclass(frozen=True)
class HourCount:
    """The predictions of the hour that begins at `hour` (UTC), by label."""

    hour: datetime
    labels: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """Counts since `since`. `complete` is False when the database could not be asked; the rest is then empty.

    The predictions of smoke tests and try-outs are left out. `model_versions` and `roles` count all others; the rest
    leaves out the shadow's too, which no caller has seen.
    Of the predictions with feedback, `confirmed` were called right and `corrected` wrong; the latest answer counts.
    """

    since: datetime
    complete: bool
    total: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    model_versions: dict[str, int] = field(default_factory=dict)
    roles: dict[str, int] = field(default_factory=dict)
    mean_confidence: float | None = None
    hours: tuple[HourCount, ...] = ()
    confirmed: int = 0
    corrected: int = 0


def storable(text: str) -> str:
    """Without what no database takes: NUL becomes U+FFFD, a lone surrogate a question mark."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


_PREDICTION: Final = TypeAdapter(PredictionRecord)
_FEEDBACK: Final = TypeAdapter(FeedbackRecord)


def to_row(event: Event) -> dict[str, Any]:
    """Values by column. dataclasses.asdict would copy them deeply, which costs more than writing them."""
    return {name: getattr(event, name) for name in event.__slots__}


def to_line(event: Event) -> bytes:
    """One event as one line of ASCII JSON."""
    row = {**to_row(event), "time": event.time.isoformat()}
    return json.dumps(row, default=float).encode() + b"\n"


def from_line(line: bytes, model_name: str) -> Event:
    """The event of a line that `to_line` wrote, in this version or another.

    A line of a version before has no model's name and gets `model_name`; what only a newer version knows is left out.
    Raises ValueError for anything else: what came from a disk may be any bytes, and every database takes what is given
    back here.
    """
    row = from_json(line, allow_inf_nan=False)
    if not isinstance(row, dict):
        raise ValueError("a line holds one object")  # noqa: TRY004 - the line is at fault, not the caller
    event = (_FEEDBACK if "prediction_id" in row else _PREDICTION).validate_python({"model_name": model_name, **row})
    if event.time.tzinfo is None:
        raise ValueError("the time has no zone")
    try:
        event.time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error
    return event
