"""GET /monitoring: how the model is doing, from the prediction database; the page at /monitor shows it.

Verdicts and figures are those that monitoring left in the journal; nothing is judged here. Traffic and the answers of
people are counted when they are asked for.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, TypedDict, TypeVar

from pydantic import BaseModel, FiniteFloat, ValidationError

from sentiment.messages import Message, named
from sentiment.store.database import StoreError
from sentiment.store.journal import Entry, History, Kind, message_of
from sentiment.store.queries import Origin, Step
from serving.schemas import Said

Status = Literal["healthy", "drift", "quality_drop", "not_enough_data", "unknown"]
DetailT = TypeVar("DetailT", bound=BaseModel)

HOURS_UP_TO_DAYS: Final = 2
MOST_RUNS: Final = 2_200  # of 90 days, once an hour
MOST_POINTS: Final = 150
MOST_EVENTS: Final = 50
FRESH_SECONDS: Final = 3.0

logger = logging.getLogger(__name__)


class QualityDay(BaseModel):
    """One model version on one day (UTC), as monitoring measured it last.

    `accuracy` with its 95% interval is known on days whose labels are a fair sample: `counted` of the `labels` are.
    `estimate` is expected from the confidence.
    """

    day: date
    model_version: str
    accuracy: float | None
    low: float | None
    high: float | None
    estimate: float | None
    labels: int
    counted: int
    rows: int


class AnswersDay(BaseModel):
    """What people said about the answers of a day: no fair sample, since who is content says nothing."""

    day: date
    model_version: str
    confirmed: int
    corrected: int


class DriftEffect(BaseModel):
    """One property of the traffic: drifted when `effect` is over `threshold`.

    `said`: what it is. `moved`: from before to after, of the newest run alone.
    """

    name: str
    title: str
    said: Said
    effect: float
    threshold: float
    drifted: bool
    moved: Said | None = None


class NewWord(BaseModel):
    """A word that is frequent now and was not in the training data: the shares of texts that have it."""

    text: str
    reference: float
    window: float


class SourceCheck(BaseModel):
    """The verdict on the rows of one source; the page's does not count."""

    origin: Origin
    status: str
    rows: int
    said: Said


class DriftCheck(BaseModel):
    """One run of monitoring; `words` and `sources` of the newest alone."""

    time: datetime
    model_version: str | None
    status: str
    effects: list[DriftEffect]
    words: list[NewWord] = []
    sources: list[SourceCheck] = []


class Traffic(BaseModel):
    """Rows of the hour or day that begins at `time` (UTC)."""

    time: datetime
    origin: Origin
    model_version: str
    label: str
    rows: int


class Alert(BaseModel):
    """What people were told, and whether it reached them."""

    time: datetime
    model_version: str | None
    kind: str
    outcome: str
    message: str


class Decision(BaseModel):
    """To retrain or not to; `event` tells decisions, starts and outcomes apart."""

    time: datetime
    model_version: str | None
    event: str
    reason: str
    summary: str
    said: Said


class Change(BaseModel):
    """Another version became champion, or was put behind the endpoint; `forced`: against the gate."""

    time: datetime
    model_version: str | None
    kind: Literal["promotion", "rollback", "deployment"]
    summary: str
    said: Said
    forced: bool = False


class MonitoringReport(BaseModel):
    """The period since `since`. With `complete` false the database could not be asked, and the rest is empty.

    `checked` is when monitoring ran last, `status` what it found; "unknown" before its first run. While `paused`,
    nothing is retrained. `summary` is `said` in English. `forced`: the version that answers was promoted against the
    gate.
    """

    model_name: str
    model_version: str
    since: datetime
    complete: bool
    status: Status = "unknown"
    summary: str = ""
    said: Said | None = None
    forced: bool = False
    checked: datetime | None = None
    paused: bool = False
    step: Step = "day"
    quality: list[QualityDay] = []
    answers: list[AnswersDay] = []
    drift: list[DriftCheck] = []
    traffic: list[Traffic] = []
    alerts: list[Alert] = []
    decisions: list[Decision] = []
    changes: list[Change] = []


class Monitoring:
    """Answers from the database, at most every few seconds: a page that many have open asks it once."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._history: History | None = None
        self._reading = asyncio.Lock()
        self._kept: dict[int, tuple[float, MonitoringReport]] = {}

    async def report(self, model_name: str, model_version: str, days: int) -> MonitoringReport:
        """The last days of the model; `model_version` is the one that answers now."""
        async with self._reading:
            due, report = self._kept.get(days, (0.0, None))
            if report is None or time.monotonic() >= due:
                report = await asyncio.to_thread(self._read, model_name, model_version, days)
                self._kept[days] = (time.monotonic() + FRESH_SECONDS, report)
        return report

    def close(self) -> None:
        """Close every connection."""
        if self._history:
            self._history.close()

    def _read(self, model_name: str, model_version: str, days: int) -> MonitoringReport:
        now = datetime.now(UTC)
        since = (now - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
        try:
            if self._history is None:
                self._history = History(self._database_url, model_name)
            return _report(self._history, model_name, model_version, since, days)
        except StoreError as error:
            # The type only: a database's message may hold an address or a value.
            logger.warning("The prediction database cannot be asked: %s.", error.kind)
            return MonitoringReport(model_name=model_name, model_version=model_version, since=since, complete=False)


def _report(history: History, model_name: str, model_version: str, since: datetime, days: int) -> MonitoringReport:
    step: Step = "hour" if days <= HOURS_UP_TO_DAYS else "day"
    runs = _parsed(history.entries(("monitor",), since=since, limit=MOST_RUNS), _Run)
    pauses = history.entries(("paused", "resumed"), since=None, limit=1)
    latest, found = runs[0] if runs else (None, None)
    return MonitoringReport(
        model_name=model_name,
        model_version=model_version,
        since=since,
        complete=True,
        status=_status(found) if found else "unknown",
        summary=latest.summary if latest else "",
        said=Said.of(message_of(latest)) if latest else None,
        checked=latest.time if latest else None,
        paused=any(entry.kind == "paused" for entry in pauses),
        step=step,
        quality=_quality([run for _, run in runs], since.date()),
        answers=[
            AnswersDay(**{name: count for name, count in vars(each).items() if name != "time"}, day=each.time.date())
            for each in history.answers(since)
        ],
        drift=_drift(runs),
        traffic=[Traffic(**vars(each)) for each in history.traffic(since, step)],
        **_events(history, since),
    )


class _Drift(BaseModel):
    status: str
    effects: dict[str, "_Effect"]
    words: list[NewWord] = []
    sources: list["_Source"] = []


class _Effect(BaseModel):
    title: str
    effect: FiniteFloat
    threshold: FiniteFloat
    drifted: bool
    moved: Message | None = None


class _Source(BaseModel):
    origin: Origin
    status: str
    rows: int
    message: Message


class _Day(BaseModel):
    day: date
    model_version: str
    accuracy: tuple[FiniteFloat, FiniteFloat, FiniteFloat] | None
    estimate: FiniteFloat | None
    labels: int
    counted: int
    rows: int


class _Quality(BaseModel):
    status: str
    days: list[_Day]


class _Run(BaseModel):
    """What monitoring leaves in the journal: `sentiment.monitoring.findings`, which a served model does not carry."""

    drift: _Drift
    quality: _Quality


class _Alert(BaseModel):
    alert_kind: str
    outcome: str
    message: str


class _Decision(BaseModel):
    event: str
    reason: str


def _parsed(entries: Sequence[Entry], kind: type[DetailT]) -> list[tuple[Entry, DetailT]]:
    """The entries whose detail is as expected; another version of the pipelines may write another one."""
    found = []
    for entry in entries:
        try:
            found.append((entry, kind.model_validate(entry.detail)))
        except ValidationError:
            logger.warning("The journal entry %s of kind %s cannot be read.", entry.id, entry.kind)
    return found


def _status(run: _Run) -> Status:
    """A fall in quality first, since it hurts; no drift in too few rows is nothing known."""
    if run.quality.status == "drop":
        return "quality_drop"
    if run.drift.status == "drift":
        return "drift"
    return "healthy" if run.drift.status == "no_drift" else "not_enough_data"


def _quality(runs: Sequence[_Run], since: date) -> list[QualityDay]:
    """Of every day and version what the newest run says: labels arrive later. Oldest day first."""
    days: dict[tuple[date, str], _Day] = {}
    for run in runs:
        for day in run.quality.days:
            if day.day >= since:
                days.setdefault((day.day, day.model_version), day)
    figures = []
    for _, day in sorted(days.items()):
        # Without a fair sample of labels what was measured is no accuracy, and is not shown as one.
        accuracy, low, high = (day.accuracy if day.counted else None) or (None, None, None)
        measured = {"accuracy": accuracy, "low": low, "high": high}
        figures.append(QualityDay(**day.model_dump(exclude={"accuracy"}), **measured))
    return figures


def _drift(runs: Sequence[tuple[Entry, _Run]]) -> list[DriftCheck]:
    """Oldest first; of many runs the newest and as many as a chart shows, evenly apart."""
    apart = -(-len(runs) // MOST_POINTS) or 1
    return [_check(entry, run.drift, newest=run is runs[0][1]) for entry, run in reversed(runs[::apart])]


def _check(entry: Entry, drift: _Drift, *, newest: bool) -> DriftCheck:
    effects = [
        DriftEffect(
            name=name,
            title=effect.title,
            said=Said.of(named("test", name, effect.title)),
            effect=effect.effect,
            threshold=effect.threshold,
            drifted=effect.drifted,
            moved=Said.of(effect.moved) if newest and effect.moved else None,
        )
        for name, effect in drift.effects.items()
    ]
    sources = [
        SourceCheck(origin=each.origin, status=each.status, rows=each.rows, said=Said.of(each.message))
        for each in drift.sources
    ]
    check = DriftCheck(time=entry.time, model_version=entry.model_version, status=drift.status, effects=effects)
    return check.model_copy(update={"words": drift.words, "sources": sources}) if newest else check


def change_said(entry: Entry) -> Said:
    """What became of a version, in both languages."""
    detail = entry.detail
    if detail.get("forced"):
        values = {name: str(detail.get(name)) for name in ("actor", "reason")}
        return Said.of(Message(code="change.forced", values=values))
    if entry.kind == "rollback" and detail.get("reason"):
        values = {"version": str(entry.model_version), "reason": str(detail["reason"])}
        return Said.of(Message(code="change.rolled_back", values=values))
    return Said.of(entry.summary)


class _Events(TypedDict):
    alerts: list[Alert]
    decisions: list[Decision]
    changes: list[Change]


def _events(history: History, since: datetime) -> _Events:
    def read(*kinds: Kind) -> list[Entry]:
        return history.entries(kinds, since=since, limit=MOST_EVENTS)

    def common(entry: Entry) -> dict[str, Any]:
        return {"time": entry.time, "model_version": entry.model_version}

    return _Events(
        alerts=[
            Alert(**common(entry), kind=detail.alert_kind, outcome=detail.outcome, message=detail.message)
            for entry, detail in _parsed(read("alert"), _Alert)
        ],
        decisions=[
            Decision(**common(entry), **vars(detail), summary=entry.summary, said=Said.of(message_of(entry)))
            for entry, detail in _parsed(read("decision"), _Decision)
        ],
        changes=[
            Change(
                **common(entry),
                kind=entry.kind,
                summary=entry.summary,
                said=change_said(entry),
                forced=bool(entry.detail.get("forced")),
            )
            for entry in read("promotion", "rollback", "deployment")
        ],
    )
