"""A believable past in a prediction database: two weeks of traffic, answers, verdicts, alerts and a new champion."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert

from sentiment.messages import Message, named
from sentiment.monitoring.data_quality import DataQuality
from sentiment.monitoring.drift import DriftReport, DriftTest
from sentiment.monitoring.findings import monitor_entry
from sentiment.monitoring.quality import DayQuality, QualityReport
from sentiment.monitoring.words import NewWord
from sentiment.stats.bootstrap import Metric
from sentiment.store.database import make_engine
from sentiment.store.journal import Entry, Journal
from sentiment.store.migrations import upgrade
from sentiment.store.records import SMOKE_TEST_CALLER, TRYOUT_CALLER
from sentiment.store.tables import feedback, predictions, scores

DAYS = 14
SWITCH = 10  # on this day version 7 takes over from version 6
THRESHOLDS = {"length": ("length in characters", 0.25), "domain": ("texts, told apart by their n-grams", 0.6)}
MOVED = {
    "length": Message(code="moved.number", values={"what": named("test", "length"), "before": 34.1, "after": 36.2}),
    "domain": Message(code="moved.words", values={"words": ("환불", "주문번호")}),
}
WORDS = (
    NewWord(text="환불", reference=0.0, window=0.08, example="환불해 주세요"),
    NewWord(text="주문번호", reference=0.0, window=0.03, example="주문번호 없음"),
)
HOSTILE = '<img src=x onerror="document.title=1">'


def fill(url: str) -> None:
    """Fill the database at `url`; the last day is yesterday."""
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    engine = make_engine(url)
    upgrade(engine)
    with engine.begin() as connection:
        rows = [row for day in range(DAYS) for row in _traffic(first + timedelta(days=day), day)]
        connection.execute(insert(predictions), rows)
        connection.execute(insert(feedback), [_answer(row, number) for number, row in enumerate(rows[::5])])
        connection.execute(insert(scores), [_score(number, first + timedelta(days=2)) for number in range(40)])
    engine.dispose()
    journal = Journal(url, "sentiment")
    for day in range(1, DAYS):
        journal.record(_verdict(first, day))
    for entry in _events(first):
        journal.record(entry)
    journal.close()


def _version(day: int) -> str:
    return "6" if day < SWITCH else "7"


def _traffic(midnight: datetime, day: int) -> list[dict[str, Any]]:
    rows = []
    for number in range(30 + 10 * (day % 3)):
        row = {
            "id": f"{day}-{number}",
            "time": midnight + timedelta(minutes=7 * number),
            "model_version": _version(day),
            "text": "좋아요",
            "label": "negative" if number % 10 < 3 + day // 4 else "positive",
            "confidence": 0.9,
            "probabilities": {},
            "latency_ms": 1.0,
            "role": "champion",
            "caller": None,
        }
        rows.append(row)
    rows.append({**rows[0], "id": f"{day}-shadow", "role": "shadow", "model_version": "8"})
    rows.append({**rows[0], "id": f"{day}-smoke", "caller": SMOKE_TEST_CALLER, "model_version": "9"})
    rows.append({**rows[0], "id": f"{day}-try-out", "caller": TRYOUT_CALLER, "model_version": "9"})
    return rows


def _answer(row: dict[str, Any], number: int) -> dict[str, Any]:
    label = row["label"] if number % 3 else {"positive": "negative", "negative": "positive"}[row["label"]]
    time = row["time"] + timedelta(hours=1)
    return {
        "id": f"a{number}",
        "prediction_id": row["id"],
        "time": time,
        "label": label,
        "source": "api",
        "caller": None,
    }


def _score(number: int, time: datetime) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "batch": "b",
        "review_id": str(number),
        "model_version": "6",
        "time": time,
        "text": "별로",
        "label": "negative" if number % 2 else "positive",
        "confidence": 0.8,
        "probabilities": {},
    }


def _verdict(first: datetime, day: int) -> Entry:
    entry = monitor_entry(drift_of(day), quality_of(first.date(), day), _version(day))
    return replace(entry, time=first + timedelta(days=day, hours=1))


def _effect(name: str, day: int) -> float:
    worse = 0.3 * max(0, min(day, SWITCH) - 4) / (SWITCH - 4) * (0.4 if day >= SWITCH else 1)
    return (0.5 if name == "domain" else 0.08) + worse + 0.02 * math.sin(day)


def drift_of(day: int) -> DriftReport:
    tests = tuple(
        DriftTest(
            name=name,
            title=title,
            effect=_effect(name, day),
            threshold=threshold,
            method="AUC of a domain classifier" if name == "domain" else "Wasserstein distance",
            rows=1000,
            reference_rows=2000,
            detail="",
            moved=MOVED[name],
        )
        for name, (title, threshold) in THRESHOLDS.items()
    )
    return DriftReport(
        status="drift" if any(test.drifted for test in tests) else "no_drift",
        tests=tests,
        rows=1000,
        texts=980,
        reference_rows=2000,
        min_rows=300,
        since=None,
        until=None,
        model_version=_version(day),
        data=DataQuality(rows=1000, empty=0, repeated=20, odd=0, too_long=0),
        words=WORDS,
    )


def quality_of(first: date, until: int) -> QualityReport:
    days = []
    for day in range(until + 1):
        accuracy = 0.86 - 0.012 * max(0, day - 4) if day < SWITCH else 0.85
        measured = Metric(value=accuracy, low=accuracy - 0.03, high=accuracy + 0.03) if day < until else None
        days.append(
            DayQuality(
                day=first + timedelta(days=day),
                model_version=_version(day),
                rows=400,
                labels=390 if measured else 0,
                confirmed=int(390 * accuracy) if measured else 0,
                counted=390 if measured else 0,
                accuracy=measured,
                macro_f1=None,
                estimate=accuracy + 0.01,
                estimate_error=None,
            )
        )
    latest = next((each.accuracy for each in reversed(days) if each.accuracy), None)
    return QualityReport(
        status="drop" if until == SWITCH - 1 else "ok",
        model_version=_version(until),
        counted=390,
        min_labels=100,
        min_coverage=0.8,
        random_sources=(),
        accuracy=latest,
        macro_f1=None,
        reference_accuracy=0.87,
        reference_macro_f1=0.86,
        max_accuracy_loss=0.03,
        rows=400,
        labels=390,
        confirmed=340,
        estimate=0.85,
        estimate_error=None,
        days=tuple(days),
    )


def _events(first: datetime) -> list[Entry]:
    alarm = first + timedelta(days=SWITCH - 1, hours=1, seconds=1)
    minutes = [alarm + timedelta(minutes=each) for each in range(6)]
    told = {"alert_kind": "quality_drop", "message": f"Accuracy dropped: 0.800. {HOSTILE}"}
    blocked = {"event": "decided", "reason": "cooling_down", "retrain": False}
    decided = {"event": "decided", "reason": "quality_drop", "retrain": True}
    return [
        Entry("decision", "No retraining, though the traffic drifted.", "6", blocked, time=alarm - timedelta(days=1)),
        Entry("alert", "", "6", {**told, "outcome": "delivered"}, time=minutes[0]),
        Entry("alert", "", "6", {**told, "outcome": "suppressed"}, time=minutes[1]),
        Entry(
            "alert", "", None, {"alert_kind": "failed_run", "message": "No disk.", "outcome": "failed"}, time=minutes[2]
        ),
        Entry("decision", "Retrain: accuracy dropped; 390 new labels to learn from.", "6", decided, time=minutes[3]),
        Entry(
            "promotion",
            "Version 7 is better on service reviews: +0.05 [0.03, 0.07].",
            "7",
            {"actor": "kim", "reason": "the gate was wrong", "forced": True},
            time=minutes[4],
        ),
        Entry("deployment", "Version 7 answers at port 3000.", "7", {}, time=minutes[5]),
        Entry("monitor", "Of another version of the pipelines.", "7", {"verdict": "?"}, time=minutes[5]),
    ]
