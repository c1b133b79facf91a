"""Leave what was found in the journal, and alert the people who answer for the model."""

from zenml import log_metadata, step

from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.findings import monitor_entry
from sentiment.monitoring.quality import QualityReport
from sentiment.store.database import default_database_url
from sentiment.store.journal import journal_of
from stacks.alerts import send_alert
from steps.names import SUMMARY


@step(enable_cache=False)
def tell(model_name: str, version: str, drift: DriftReport, quality: QualityReport) -> None:
    """One journal entry a run; one alert for drift and one for a drop, through the stack's alerter if it has one."""
    with journal_of(default_database_url(), model_name) as journal:
        journal.record(monitor_entry(drift, quality, version))
    outcomes = []
    if drift.status == "drift":
        outcomes.append(send_alert("drift", drift.summary, model_name=model_name, model_version=version))
    if quality.status == "drop":
        outcomes.append(send_alert("quality_drop", quality.summary, model_name=model_name, model_version=version))
    said = ", ".join(outcome.replace("_", " ") for outcome in outcomes)
    log_metadata({SUMMARY: f"{len(outcomes)} alerts: {said}" if outcomes else "nothing to alert"})
