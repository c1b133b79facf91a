"""What a run of monitoring leaves in the journal: the verdicts, and the figures to draw drift and quality over time."""

from typing import Any

from sentiment.messages import say, sentences
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.quality import DayQuality, QualityReport
from sentiment.stats.bootstrap import Metric
from sentiment.store.journal import Entry


def monitor_entry(drift: DriftReport, quality: QualityReport, model_version: str) -> Entry:
    """The verdicts as an entry of kind "monitor".

    `detail["message"]`: both, as a message. `detail["drift"]`: status, summary, rows, since and until, `effects` by
    test (effect, threshold, drifted, what moved), new `words` without their examples, and the verdicts by source.
    `detail["quality"]`: status, summary and the figures of `QualityReport`, a metric as [value, low, high], and `days`.
    """
    detail = {"drift": _drift(drift), "quality": _quality(quality)}
    message = sentences(drift.message, quality.message)
    return Entry("monitor", say(message), model_version, {"message": message.model_dump(mode="json"), **detail})


def _drift(report: DriftReport) -> dict[str, Any]:
    effects = {
        test.name: {
            "title": test.title,
            "effect": test.effect,
            "threshold": test.threshold,
            "drifted": test.drifted,
            "moved": test.reading.model_dump(mode="json"),
        }
        for test in report.tests
    }
    figures = report.model_dump(mode="json", include={"status", "rows", "reference_rows", "since", "until"})
    words = [word.model_dump(include={"text", "reference", "window"}) for word in report.words]
    sources = [each.model_dump(mode="json") for each in report.sources]
    return {**figures, "summary": report.summary, "effects": effects, "words": words, "sources": sources}


def _quality(report: QualityReport) -> dict[str, Any]:
    kept = {
        *("status", "counted", "rows", "labels", "confirmed", "estimate", "estimate_error"),
        *("reference_accuracy", "reference_macro_f1", "max_accuracy_loss"),
    }
    return {
        **report.model_dump(mode="json", include=kept),
        "summary": report.summary,
        "accuracy": _interval(report.accuracy),
        "macro_f1": _interval(report.macro_f1),
        "days": [_day(day) for day in report.days],
    }


def _day(day: DayQuality) -> dict[str, Any]:
    figures = day.model_dump(mode="json", exclude={"accuracy", "macro_f1"})
    return {**figures, "accuracy": _interval(day.accuracy), "macro_f1": _interval(day.macro_f1)}


def _interval(metric: Metric | None) -> list[float] | None:
    return None if metric is None else [metric.value, metric.low, metric.high]
