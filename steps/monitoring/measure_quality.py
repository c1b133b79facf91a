"""Measure the quality from the labels that have come."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.monitor import MonitorConfig
from sentiment.monitoring.quality import QualityReport, measure_quality
from sentiment.monitoring.reference import Reference
from sentiment.store.database import default_database_url
from sentiment.store.window import read_labelled
from steps.names import QUALITY_REPORT, SUMMARY


@step(enable_cache=False, name="measure_quality")
def measure_champion(
    reference: Reference, version: str, config: MonitorConfig
) -> Annotated[QualityReport, QUALITY_REPORT]:
    """By day and model version; the verdict is on the champion. Never cached, new labels come."""
    since = datetime.now(UTC) - timedelta(days=config.quality.days)
    found = read_labelled(default_database_url(), config.model_name, since)
    report = measure_quality(
        found.labels, reference, config.quality, seed=config.seed, model_version=version, traffic=found.traffic
    )
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return report
