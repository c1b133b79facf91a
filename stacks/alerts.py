"""`send_alert`: tell the people who answer for a model what happened to it; the journal keeps that they were told.

Who runs a command in a terminal sees what happened. Alerts are for the runs nobody watches: of `watch`, of schedules,
in pods.

An alert never fails a run, and never holds it up for more than LONGEST_SECONDS: whatever hangs (ZenML, the webhook,
the database) is left behind in a thread that ends with the process.

What is the same alert again? Same kind, same model version and same wording, figures aside: "31 % negative" after
"29 % negative" is no news within the alerter's `quiet_seconds`, another drifted property or another error is. Failed
deliveries do not count, so that the next run tries again. When the database cannot tell what was sent, the alert is
sent: twice is better than never.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Final, Literal, NamedTuple, TypeVar
from uuid import uuid4

from zenml.alerter.base_alerter import BaseAlerter
from zenml.client import Client
from zenml.enums import StackComponentType

from sentiment.config.stack import StackConfig
from sentiment.errors import SentimentError
from sentiment.messages import Language, Message, language, say
from sentiment.store.database import default_database_url
from sentiment.store.journal import Entry, Journal, journal_of
from sentiment.text.pii import mask
from stacks.flavors import import_from_project, known_flavors, validated

AlertKind = Literal["drift", "quality_drop", "gate_refused", "failed_run", "new_champion"]
Outcome = Literal["delivered", "suppressed", "failed", "no_alerter", "watched"]
T = TypeVar("T")

SECONDS_TO_FIND: Final = 10.0
SECONDS_TO_DELIVER: Final = 20.0
SECONDS_OF_DATABASE: Final = 5.0
LONGEST_SECONDS: Final = SECONDS_TO_FIND + SECONDS_TO_DELIVER + 3 * SECONDS_OF_DATABASE
LONGEST_MESSAGE: Final = 2_000
LOOK_BACK: Final = 500
TOLD: Final = "_told_by_alert"
# Figures, and which words are new: both change from run to run.
CHANGING: Final = re.compile(r"(?<=new: )[^;.]*|(?<=새 단어: )[^;.]*|\d+(?:[.,:]\d+)*")

# How the journal's sentence about a deployment names the endpoint.
ENDPOINT: Final = re.compile(r" at (https?://[^\s;,]+)")

logger = logging.getLogger(__name__)


class Quiet(NamedTuple):
    """How long the same alert is not repeated, and how many of one kind may be sent in that time."""

    seconds: float = 3600
    most_per_kind: int = 5


def watched() -> bool:
    """Whether a person started this process in a terminal, and reads what it says."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def send_alert(
    kind: AlertKind,
    message: str,
    *,
    model_name: str,
    model_version: str | None = None,
    stack: StackConfig | None = None,
    though_watched: bool = False,
) -> Outcome:
    """Send `message` through the alerter of the active stack (or of `stack`, which need not be in use), if it has one.

    `message` is the facts, the figures and the decision in a sentence or two; the title, the version, what to do and
    the address of the page /monitor are added here, and personal data is masked. The journal keeps what became of it.
    A run in a terminal sends nothing, except `though_watched`. Never raises; takes LONGEST_SECONDS at most.
    """
    if watched() and not though_watched:
        return "watched"
    message = mask(message)[:LONGEST_MESSAGE]
    try:
        alerter = _within(SECONDS_TO_FIND, lambda: _alerter(stack))
        if alerter is None:
            outcome: Outcome = "no_alerter"
        elif _told_lately(kind, message, model_name, model_version, _quiet(alerter)):
            outcome = "suppressed"
        else:
            text = _text(kind, message, model_name, model_version)
            outcome = "delivered" if _within(SECONDS_TO_DELIVER, lambda: alerter.post(text)) else "failed"
    except Exception as error:
        # The type only: the message of an alerter's error may hold its URL.
        logger.warning("The alert %s was not sent: %s.", kind, type(error).__name__)
        outcome = "failed"
    detail = {"alert_kind": kind, "message": message, "outcome": outcome}
    title = _say(f"alert.{kind}", "en")
    summary = f"{title[0].upper()}{title[1:]}: {message}"
    _record(Entry("alert", summary, model_version, detail), model_name)
    return outcome


@contextmanager
def failures_alerted(pipeline: str, stack: StackConfig, model_name: str) -> Iterator[None]:
    """Whatever is raised inside is sent as the alert "failed_run", once however deep runs are nested, and raised on.

    `stack` need not be in use, nor healthy.
    """
    try:
        yield
    except Exception as error:
        if hasattr(error, TOLD):
            raise
        setattr(error, TOLD, True)
        told = (error.cause, error.fix) if isinstance(error, SentimentError) else (f"{type(error).__name__}: {error}",)
        message = " ".join((f"The pipeline {pipeline} failed on the stack {stack.name}.", *told)).strip()
        send_alert("failed_run", message, model_name=model_name, stack=stack)
        raise


def _within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises; TimeoutError when that takes longer."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=copy_context().run, args=(run,), name="alert", daemon=True).start()
    return future.result(seconds)


def _alerter(stack: StackConfig | None) -> BaseAlerter | None:
    if stack is None:
        return Client().active_stack.alerter
    component = stack.enabled().get("alerter")
    if component is None:
        return None
    import_from_project()
    flavor = known_flavors(StackComponentType.ALERTER)[component.flavor]
    now = datetime.now(UTC)
    alerter = flavor.implementation_class(
        name=str(component.name),
        id=uuid4(),
        config=validated("alerter", component, flavor.config_class),
        flavor=component.flavor,
        type=StackComponentType.ALERTER,
        user=None,
        created=now,
        updated=now,
    )
    if not isinstance(alerter, BaseAlerter):
        raise TypeError(f"{component.flavor} is no alerter")
    return alerter


def _quiet(alerter: BaseAlerter) -> Quiet:
    """The alerter's own limits; ZenML's other flavors have none."""
    default = Quiet()
    return Quiet(
        getattr(alerter.config, "quiet_seconds", default.seconds),
        getattr(alerter.config, "most_per_kind", default.most_per_kind),
    )


def _told_lately(kind: AlertKind, message: str, model_name: str, model_version: str | None, quiet: Quiet) -> bool:
    since = datetime.now(UTC) - timedelta(seconds=quiet.seconds)

    def alerts() -> Sequence[Entry]:
        journal = Journal(default_database_url(), model_name)
        try:
            return journal.entries(["alert"], since=since, limit=LOOK_BACK)
        finally:
            journal.close()

    try:
        entries = _within(SECONDS_OF_DATABASE, alerts)
    except Exception as error:
        logger.warning("What was sent before is not known: %s.", type(error).__name__)
        return False
    delivered = [
        each for each in entries if each.detail.get("alert_kind") == kind and each.detail.get("outcome") == "delivered"
    ]
    return len(delivered) >= quiet.most_per_kind or any(
        each.model_version == model_version and _wording(each.detail.get("message", "")) == _wording(message)
        for each in delivered
    )


def _record(entry: Entry, model_name: str) -> None:
    def record() -> None:
        journal = Journal(default_database_url(), model_name)
        try:
            journal.record(entry)
        finally:
            journal.close()

    try:
        _within(SECONDS_OF_DATABASE, record)
    except Exception as error:
        logger.warning("The journal does not know of the alert: %s. %s", type(error).__name__, entry.summary)


def _text(kind: AlertKind, message: str, model_name: str, model_version: str | None) -> str:
    spoken = language()
    model = f"{model_name} {_say('alert.version', spoken, version=model_version)}" if model_version else model_name
    to_do = _say(f"alert.to_do.{kind}", spoken, model=model_name, of=f" --set model_name={model_name}")
    page = _endpoint(model_name)
    look = f"\n{_say('alert.look', spoken)}: {page}/monitor" if page else ""
    return f"{model}: {_say(f'alert.{kind}', spoken)}\n{message}\n{_say('alert.what_to_do', spoken)}: {to_do}{look}"


def _say(code: str, spoken: Language, **values: str) -> str:
    return say(Message(code=code, values=values), spoken)


def _endpoint(model_name: str) -> str | None:
    """Where the model was last deployed; None when it was not, or the journal cannot tell."""

    def latest() -> Sequence[Entry]:
        with journal_of(default_database_url(), model_name) as journal:
            return journal.entries(["deployment"], limit=1)

    try:
        found = [ENDPOINT.search(each.summary) for each in _within(SECONDS_OF_DATABASE, latest)]
    except Exception as error:
        logger.warning("The address of the endpoint is not known: %s.", type(error).__name__)
        return None
    return found[0][1] if found and found[0] else None


def _wording(message: str) -> str:
    return CHANGING.sub("#", message)
