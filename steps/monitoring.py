"""Keep what monitoring compares with; measure drift and quality against it, and tell."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.monitor import MonitorConfig
from sentiment.data.reviews import Reviews, Splits
from sentiment.errors import ConfigError, SentimentError
from sentiment.evaluation.evaluation import Evaluation
from sentiment.messages import Message, language, say
from sentiment.models.base import TextClassifier
from sentiment.monitoring.drift import DriftReport, detect_drift
from sentiment.monitoring.evidently_report import EvidentlyReport
from sentiment.monitoring.findings import monitor_entry
from sentiment.monitoring.quality import QualityReport
from sentiment.monitoring.quality import measure_quality as quality_of
from sentiment.monitoring.reference import REFERENCE_FILE, Reference, as_read
from sentiment.monitoring.window import Window
from sentiment.monitoring.window import read_window as newest_window
from sentiment.store.database import default_database_url
from sentiment.store.journal import journal_of
from sentiment.store.window import read_labelled
from stacks.alerts import AlertKind, send_alert
from steps.common.caching import keyed_by_code
from steps.common.names import (
    DRIFT_REPORT,
    EVIDENTLY_REPORT,
    MONITORED_REFERENCE,
    MONITORED_VERSION,
    QUALITY_REPORT,
    REFERENCE,
    SUMMARY,
    WINDOW,
)
from steps.common.tracking import registry

CACHED, code_digest = keyed_by_code(__name__)


@step(cache_policy=CACHED)
def profile_reference(
    candidate: TextClassifier,
    evaluation: Evaluation,
    raw: Splits,
    train: Reviews,
    validation: Reviews,
    test: Reviews,
    seed: int,
) -> Annotated[Reference, REFERENCE]:
    """Profile the held-out rows with the candidate's answers; `raw` has the texts as they were read."""
    reference = Reference.build(
        candidate,
        as_read(Splits(train, validation, test), raw),
        seed,
        accuracy=evaluation.accuracy.value,
        macro_f1=evaluation.macro_f1.value,
    )
    log_metadata({SUMMARY: reference.summary.rstrip(".")})
    return reference


@step(experiment_tracker=True, enable_cache=False)
def fetch_reference(
    model_name: str,
) -> tuple[Annotated[Reference, MONITORED_REFERENCE], Annotated[str, MONITORED_VERSION]]:
    """The reference that was registered with the champion, and the champion's version; never cached, it moves."""
    models = registry(model_name)
    champion = models.champion()
    if champion is None:
        raise SentimentError(f"{model_name} has no champion to monitor.", "Train one: python run.py train")
    version = str(champion.version)
    try:
        stored = models.report(champion.version, REFERENCE_FILE)
    except ConfigError as error:
        raise SentimentError(
            f"Version {version} of {model_name} was registered without a reference to compare with.",
            "Train it again, which adds one: python run.py train",
        ) from error
    reference = Reference.read(stored, f"The reference of {model_name} version {version}")
    log_metadata({SUMMARY: f"{model_name} version {version}: {reference.summary.rstrip('.')}"})
    return reference, version


@step(enable_cache=False)
def read_window(version: str, config: MonitorConfig) -> Annotated[Window, WINDOW]:
    """From the prediction log and from batch scoring; never cached, new rows come."""
    window = newest_window(default_database_url(), config.model_name, version, config.drift.window_rows)
    log_metadata({SUMMARY: window.summary.rstrip(".")})
    return window


@step(enable_cache=False)
def measure_drift(
    reference: Reference, window: Window, config: MonitorConfig
) -> tuple[Annotated[DriftReport, DRIFT_REPORT], Annotated[EvidentlyReport, EVIDENTLY_REPORT]]:
    """Whether texts and answers are still those of the reference: the verdict, and what Evidently shows of it."""
    report, evidently = detect_drift(reference, window.frame(), config.drift, seed=config.seed)
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return report, evidently


@step(enable_cache=False)
def measure_quality(
    reference: Reference, version: str, config: MonitorConfig
) -> Annotated[QualityReport, QUALITY_REPORT]:
    """By day and model version; the verdict is on the champion. Never cached, new labels come."""
    since = datetime.now(UTC) - timedelta(days=config.quality.days)
    found = read_labelled(default_database_url(), config.model_name, since)
    report = quality_of(
        found.labels, reference, config.quality, seed=config.seed, model_version=version, traffic=found.traffic
    )
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return report


@step(enable_cache=False)
def tell(model_name: str, version: str, drift: DriftReport, quality: QualityReport) -> None:
    """One journal entry a run; one alert for drift and one for a drop, through the stack's alerter if it has one."""
    with journal_of(default_database_url(), model_name) as journal:
        journal.record(monitor_entry(drift, quality, version))
    alarms: list[tuple[AlertKind, Message]] = []
    if drift.status == "drift":
        alarms.append(("drift", drift.message))
    if quality.status == "drop":
        alarms.append(("quality_drop", quality.message))
    outcomes = [
        send_alert(kind, say(message, language()), model_name=model_name, model_version=version)
        for kind, message in alarms
    ]
    said = ", ".join("no alerter in the stack" if each == "no_alerter" else each for each in outcomes)
    count = "1 alert" if len(outcomes) == 1 else f"{len(outcomes)} alerts"
    log_metadata({SUMMARY: f"{count}: {said}" if outcomes else "nothing to alert"})
