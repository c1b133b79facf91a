"""Compare the window with the reference."""

from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.monitor import MonitorConfig
from sentiment.monitoring.drift import DriftReport, detect_drift
from sentiment.monitoring.evidently_report import EvidentlyReport
from sentiment.monitoring.reference import Reference
from sentiment.monitoring.window import Window
from steps.names import DRIFT_REPORT, EVIDENTLY_REPORT, SUMMARY


@step(enable_cache=False)
def measure_drift(
    reference: Reference, window: Window, config: MonitorConfig
) -> tuple[Annotated[DriftReport, DRIFT_REPORT], Annotated[EvidentlyReport, EVIDENTLY_REPORT]]:
    """Whether texts and answers are still those of the reference: the verdict, and what Evidently shows of it."""
    report, evidently = detect_drift(reference, window.frame(), config.drift, seed=config.seed)
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return report, evidently
