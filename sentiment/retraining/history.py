"""The journal's side of retraining: decisions, their outcomes, and the pause of an operator."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from sentiment.messages import Message, named, say
from sentiment.retraining.decision import STARTED, RetrainDecision
from sentiment.store.journal import Entry, Journal

Outcome = Literal["promoted", "refused", "unchanged", "rolled back", "failed"]
DECIDED: Final = "decided"
FINISHED: Final = "finished"
# No budget looks further back, and an attempt that old has long been learnt from.
DAYS = 90
MOST_ENTRIES = 10_000


def decisions(journal: Journal, now: datetime) -> list[Entry]:
    """Decisions, starts and outcomes of the last days, newest first."""
    return journal.entries(("decision",), since=now - timedelta(days=DAYS), limit=MOST_ENTRIES)


def labels_used_until(history: Sequence[Entry]) -> datetime | None:
    """When the newest retraining that came to an end read its labels; None when there is none.

    One that failed has not used them.
    """
    ends = (entry.detail for entry in history if entry.detail.get("event") == FINISHED)
    used = [datetime.fromisoformat(end["started"]) for end in ends if end["outcome"] != "failed"]
    return max(used, default=None)


def record_decision(journal: Journal, decision: RetrainDecision, model_version: str | None) -> None:
    """Keep a decision, also one against retraining."""
    detail = {"event": DECIDED, **decision.model_dump(mode="json")}
    journal.record(Entry("decision", decision.summary, model_version, detail, time=decision.time))


def record_start(journal: Journal, decision: RetrainDecision, model_version: str | None) -> Entry:
    """Keep that a retraining has started: cool-down and budget count from here."""
    message = Message(code="retrain.started", values={"reason": named("reason", decision.reason)})
    detail = {"event": STARTED, "decision": decision.id, "reason": decision.reason, "message": message.model_dump()}
    return journal.record(Entry("decision", say(message), model_version, detail))


def record_outcome(journal: Journal, start: Entry, outcome: Outcome, summary: str, model_version: str | None) -> None:
    """Keep what became of the retraining that began with `start`."""
    begun = {name: value for name, value in start.detail.items() if name != "message"}
    detail = {**begun, "event": FINISHED, "outcome": outcome, "started": start.time.isoformat()}
    journal.record(Entry("decision", summary, model_version, detail))


def current_pause(journal: Journal) -> Entry | None:
    """The pause that holds now; None when retraining may go on."""
    latest = journal.entries(("paused", "resumed"), limit=1)
    return latest[0] if latest and latest[0].kind == "paused" else None


def pause(journal: Journal, reason: str, actor: str) -> Entry:
    """Let nothing be retrained until `resume`."""
    return journal.record(Entry("paused", f"paused by {actor}: {reason}", detail={"actor": actor, "reason": reason}))


def resume(journal: Journal, reason: str, actor: str) -> Entry:
    """End the pause."""
    return journal.record(Entry("resumed", f"resumed by {actor}: {reason}", detail={"actor": actor, "reason": reason}))
