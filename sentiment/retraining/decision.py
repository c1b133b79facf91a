"""Whether to retrain now: a pure function from what is known to a decision with its reason and its evidence."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, get_args

from pydantic import Field

from sentiment.config.retrain import RetrainPolicy, Trigger
from sentiment.messages import Message, Value, say
from sentiment.store.journal import Entry
from sentiment.stored import Report

Blocked = Literal["not_enough_labels", "cooling_down", "over_budget", "paused"]
Reason = Literal[Trigger, "forced", "healthy", "not_enough_data", Blocked]
STARTED: Final = "started"
TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)


class Verdict(Protocol):
    """What a decision needs of a drift or a quality report."""

    @property
    def status(self) -> str:
        """`drift` or `drop` when something is wrong, `not_enough_data` when nobody knows."""

    @property
    def message(self) -> Message | str:
        """The verdict."""


@dataclass(frozen=True)
class LabelCounts:
    """Labels that passed the checks of feedback: all of them, and those `new` since `since` (None: since ever).

    `quarantined` did not pass.
    """

    total: int
    new: int
    quarantined: int
    since: datetime | None = None


class RetrainDecision(Report):
    """Retrain or not, and why.

    `trigger` is what asks for a retraining, whatever came of it; `evidence` holds the figures by name. `summary` is the
    `message` in English; a decision of a version before 0.2 has no message.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    time: datetime
    retrain: bool
    reason: Reason
    trigger: Trigger | None
    summary: str
    message: Message | None = None
    evidence: dict[str, str | int | float | bool | Message | None]

    @property
    def said(self) -> Message | str:
        """Why, for people."""
        return self.message or self.summary


def decide_retraining(
    drift: Verdict | None,
    quality: Verdict | None,
    labels: LabelCounts,
    policy: RetrainPolicy,
    history: Sequence[Entry],
    *,
    paused: bool,
    now: datetime,
) -> RetrainDecision:
    """Decide from the newest verdicts, the labels there are, and the journal entries of kind "decision" in `history`.

    Something must ask for it (`policy.reasons`), and nothing may stand in its way: a pause, too few new labels, the
    cool-down, the budget, in this order. A verdict that is None was not asked for and counts as not enough data.
    """
    trigger, why = _trigger(drift, quality, labels, policy)
    started = sorted(entry.time for entry in history if entry.detail.get("event") == STARTED)
    in_budget = [time for time in started if time > now - timedelta(days=policy.budget_days)]
    evidence = {
        "drift": drift.message if drift else None,
        "quality": quality.message if quality else None,
        "labels that passed the checks": labels.total,
        "new labels": labels.new,
        "new since": f"{labels.since:%Y-%m-%d %H:%M}" if labels.since else Message(code="the first label"),
        "labels in quarantine": labels.quarantined,
        "new labels needed": policy.min_new_labels,
        "last retraining": f"{started[-1]:%Y-%m-%d %H:%M}" if started else None,
        "cool-down, hours": policy.cool_down_hours,
        "retrainings": len(in_budget),
        "retrainings allowed": policy.max_retrains,
        "budget, days": policy.budget_days,
        "paused": paused,
    }
    if trigger is None:
        unknown = all(each is None or each.status == "not_enough_data" for each in (drift, quality))
        reason: Reason = "not_enough_data" if unknown else "healthy"
        message = Message(code="retrain.no", values={"why": why})
    elif blocked := _blocked(labels, policy, started, len(in_budget), paused=paused, now=now):
        reason, obstacle = blocked
        message = Message(code="retrain.blocked", values={"why": why, "obstacle": obstacle})
    else:
        reason, message = trigger, Message(code="retrain.yes", values={"why": why, "labels": labels.new})
    return _decision(message, now, retrain=reason == trigger, reason=reason, trigger=trigger, evidence=evidence)


def force_retraining(*, actor: str, pause: Entry | None, override_pause: bool, now: datetime) -> RetrainDecision:
    """The decision of a person. A pause stands in its way unless overridden; cool-down and budget do not."""
    evidence = {"by": actor, "paused": pause.summary if pause else False}
    if pause and not override_pause:
        message = Message(code="retrain.asked_in_vain", values={"actor": actor, "pause": pause.summary})
        return _decision(message, now, retrain=False, reason="paused", evidence=evidence)
    message = Message(code="retrain.asked_though_paused" if pause else "retrain.asked", values={"actor": actor})
    return _decision(message, now, retrain=True, reason="forced", evidence=evidence)


def _decision(
    message: Message,
    now: datetime,
    *,
    retrain: bool,
    reason: Reason,
    evidence: dict[str, Any],
    trigger: Trigger | None = None,
) -> RetrainDecision:
    return RetrainDecision(
        time=now,
        retrain=retrain,
        reason=reason,
        trigger=trigger,
        summary=say(message),
        message=message,
        evidence=evidence,
    )


def _trigger(
    drift: Verdict | None, quality: Verdict | None, labels: LabelCounts, policy: RetrainPolicy
) -> tuple[Trigger | None, Message]:
    found = {
        "quality_drop": quality is not None and quality.status == "drop",
        "drift": drift is not None and drift.status == "drift",
        "new_labels": labels.new >= policy.enough_labels,
    }
    said = {
        "quality_drop": Message(code="why.quality_drop"),
        "drift": Message(code="why.drift"),
        "new_labels": Message(code="why.new_labels", values={"labels": labels.new}),
    }
    for trigger in TRIGGERS:
        if found[trigger] and trigger in policy.reasons:
            return trigger, said[trigger]
    if ignored := tuple(said[trigger] for trigger in TRIGGERS if found[trigger]):
        return None, Message(code="why.ignored", values={"found": ignored})
    unknown = all(each is None or each.status == "not_enough_data" for each in (drift, quality))
    return None, Message(code="why.unknown" if unknown else "why.healthy")


def _blocked(
    labels: LabelCounts,
    policy: RetrainPolicy,
    started: Sequence[datetime],
    in_budget: int,
    *,
    paused: bool,
    now: datetime,
) -> tuple[Blocked, Message] | None:
    def because(reason: Blocked, **values: Value) -> tuple[Blocked, Message]:
        return reason, Message(code=f"blocked.{reason}", values=values)

    if paused:
        return because("paused")
    if labels.new < policy.min_new_labels:
        return because("not_enough_labels", labels=labels.new, needed=policy.min_new_labels)
    cool_down = timedelta(hours=policy.cool_down_hours)
    # What began further ahead than that was noted by a clock that is wrong, and would hold for as long as it is.
    if recent := [time for time in started if abs(now - time) < cool_down]:
        return because("cooling_down", until=(recent[-1] + cool_down).isoformat())
    if in_budget >= policy.max_retrains:
        return because("over_budget", started=in_budget, days=policy.budget_days)
    return None
