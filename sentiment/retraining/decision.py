"""Whether to retrain now: a pure function from what is known to a decision with its reason and its evidence."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol, get_args

from pydantic import Field

from sentiment.config.retrain import RetrainPolicy, Trigger
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
    def summary(self) -> str:
        """The verdict in one sentence."""


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

    `trigger` is what asks for a retraining, whatever came of it; `evidence` holds the figures by name.
    """

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    time: datetime
    retrain: bool
    reason: Reason
    trigger: Trigger | None
    summary: str
    evidence: dict[str, str | int | float | bool | None]


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
        "drift": drift.summary if drift else None,
        "quality": quality.summary if quality else None,
        "labels that passed the checks": labels.total,
        "new labels": labels.new,
        "new since": f"{labels.since:%Y-%m-%d %H:%M}" if labels.since else "the first label",
        "labels in quarantine": labels.quarantined,
        "new labels needed": policy.min_new_labels,
        "last retraining": f"{started[-1]:%Y-%m-%d %H:%M}" if started else None,
        "cool-down, hours": policy.cool_down_hours,
        f"retrainings in {policy.budget_days} days": len(in_budget),
        "retrainings allowed": policy.max_retrains,
        "paused": paused,
    }
    if trigger is None:
        unknown = all(each is None or each.status == "not_enough_data" for each in (drift, quality))
        reason: Reason = "not_enough_data" if unknown else "healthy"
        summary = f"No retraining: {why}."
    elif blocked := _blocked(labels, policy, started, len(in_budget), paused=paused, now=now):
        reason, obstacle = blocked
        summary = f"No retraining, though {why}: {obstacle}."
    else:
        reason, summary = trigger, f"Retrain: {why}; {labels.new:,} new labels to learn from."
    return RetrainDecision(
        time=now, retrain=reason == trigger, reason=reason, trigger=trigger, summary=summary, evidence=evidence
    )


def force_retraining(*, actor: str, pause: Entry | None, override_pause: bool, now: datetime) -> RetrainDecision:
    """The decision of a person. A pause stands in its way unless overridden; cool-down and budget do not."""
    evidence = {"by": actor, "paused": pause.summary if pause else False}
    if pause and not override_pause:
        return RetrainDecision(
            time=now,
            retrain=False,
            reason="paused",
            trigger=None,
            summary=f"No retraining, though {actor} asked for it: it is paused ({pause.summary}).",
            evidence=evidence,
        )
    despite = ", although it is paused" if pause else ""
    return RetrainDecision(
        time=now,
        retrain=True,
        reason="forced",
        trigger=None,
        summary=f"Retrain: {actor} asked for it{despite}.",
        evidence=evidence,
    )


def _trigger(
    drift: Verdict | None, quality: Verdict | None, labels: LabelCounts, policy: RetrainPolicy
) -> tuple[Trigger | None, str]:
    found = {
        "quality_drop": quality is not None and quality.status == "drop",
        "drift": drift is not None and drift.status == "drift",
        "new_labels": labels.new >= policy.enough_labels,
    }
    said = {
        "quality_drop": "the quality has dropped",
        "drift": "the reviews have drifted",
        "new_labels": f"there are {labels.new:,} new labels",
    }
    for trigger in TRIGGERS:
        if found[trigger] and trigger in policy.reasons:
            return trigger, said[trigger]
    ignored = [said[trigger] for trigger in TRIGGERS if found[trigger]]
    if ignored:
        return None, f"{' and '.join(ignored)}, which the policy does not count as a reason"
    if all(each is None or each.status == "not_enough_data" for each in (drift, quality)):
        return None, "there is not enough data to judge drift or quality"
    return None, "neither drift nor a drop in quality was found"


def _blocked(
    labels: LabelCounts,
    policy: RetrainPolicy,
    started: Sequence[datetime],
    in_budget: int,
    *,
    paused: bool,
    now: datetime,
) -> tuple[Blocked, str] | None:
    if paused:
        return "paused", "it is paused"
    if labels.new < policy.min_new_labels:
        return "not_enough_labels", f"there are {labels.new:,} new labels and {policy.min_new_labels:,} are needed"
    if started and now - started[-1] < timedelta(hours=policy.cool_down_hours):
        until = started[-1] + timedelta(hours=policy.cool_down_hours)
        return "cooling_down", f"the last retraining is cooling down until {until:%Y-%m-%d %H:%M} UTC"
    if in_budget >= policy.max_retrains:
        days = policy.budget_days
        return "over_budget", f"{in_budget} retrainings in {days} days are as many as the policy allows"
    return None
