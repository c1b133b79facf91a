"""GET /trace/ID: where an answer came from, from the prediction database and what this server knows of its models.

The registry is not asked: a served model does not carry it. `run.py trace` asks it too.
"""

from contextlib import closing
from typing import Final

from sentiment.store.journal import Journal, Kind
from sentiment.store.predictions import trace
from serving.monitoring import change_said
from serving.schemas import Answered, Event, TraceReport
from serving.traffic import Served

EVENTS: Final[tuple[Kind, ...]] = ("promotion", "rollback", "deployment")
MOST_EVENTS: Final = 1_000  # of all versions
SHOWN_EVENTS: Final = 8


def trace_report(database_url: str, prediction_id: str, served: list[Served]) -> TraceReport | None:
    """The prediction with this id, if it is one of the model that `served` are versions of.

    Raises StoreError when the database is out of reach.
    """
    found = trace(database_url, prediction_id)
    if found is None or found.model_name != served[0].model_name:
        return None
    with closing(Journal(database_url, found.model_name)) as journal:
        changes = journal.entries(EVENTS, limit=MOST_EVENTS)
    # Of a version that no longer answers here the journal alone is known.
    known = next((each for each in served if each.version == found.model_version), Served())
    events = [
        Event(time=each.time, kind=each.kind, said=change_said(each), forced=bool(each.detail.get("forced")))
        for each in changes
        if each.model_version == found.model_version and each.time <= found.time
    ]
    return TraceReport(
        prediction_id=found.id,
        time=found.time,
        origin=found.origin,
        batch=found.batch,
        text=found.text,
        label=found.label,
        confidence=found.confidence,
        model_version=found.model_version,
        feedback=[Answered(label=each.label, time=each.time, source=each.source) for each in found.feedback],
        history=events[:SHOWN_EVENTS],
        forced=known.forced or any(each.forced for each in events),
        **known.model_dump(include={"dataset", "data_digest", "trained", "gate", "promotion"}),
    )
