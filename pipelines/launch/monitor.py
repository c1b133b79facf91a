"""Launch the monitor pipeline, and what to tell about the run."""

import time
from dataclasses import dataclass
from pathlib import Path

from zenml.utils.dashboard_utils import get_run_url

from pipelines.launch.common import OnStep, artifact_of, launching, report_of
from pipelines.monitor import STEP_NAMES, monitor
from sentiment.config.monitor import MonitorConfig
from sentiment.home import home
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.evidently_report import EvidentlyReport, keep_in_workspace
from sentiment.monitoring.quality import QualityReport
from sentiment.retraining.decision import RetrainDecision
from steps.names import DRIFT_REPORT, EVIDENTLY_REPORT, MONITORED_VERSION, QUALITY_REPORT, RETRAIN_DECISION


@dataclass(frozen=True)
class MonitorResult:
    """A finished monitor run. `pages` are where the reports' pages lie in the artifact store, by what they show.

    `evidently` is the workspace that keeps Evidently's reports of the last runs on this machine. `dashboard_url` is the
    run's page on the ZenML server, None without a server.
    """

    model_version: str
    drift: DriftReport
    quality: QualityReport
    decision: RetrainDecision
    pages: dict[str, str]
    evidently: Path
    run_id: str
    dashboard_url: str | None
    seconds: float


def launch_monitor(config: MonitorConfig, stack_name: str, *, on_step: OnStep) -> MonitorResult:
    """Run the monitor pipeline on the stack.

    Raises StackError for a stack or a prediction database that cannot be used, SentimentError when there is no champion
    or it was registered without a reference.
    """
    started, workspace = time.monotonic(), home() / "evidently"
    with launching("monitor", stack_name, on_step, model_name=config.model_name) as launch:
        configured = launch.configured(monitor, STEP_NAMES, run_name=launch.run_name)
        run = launch.run(lambda: configured(config))
        pages = {
            "drift": DRIFT_REPORT,
            "drift, by Evidently": EVIDENTLY_REPORT,
            "quality": QUALITY_REPORT,
            "decision": RETRAIN_DECISION,
        }
        keep_in_workspace(report_of(run, EVIDENTLY_REPORT, EvidentlyReport), workspace, config.model_name)
        return MonitorResult(
            model_version=str(artifact_of(run, MONITORED_VERSION).load()),
            drift=report_of(run, DRIFT_REPORT, DriftReport),
            quality=report_of(run, QUALITY_REPORT, QualityReport),
            decision=report_of(run, RETRAIN_DECISION, RetrainDecision),
            pages={what: f"{artifact_of(run, name).uri}/report.html" for what, name in pages.items()},
            evidently=workspace,
            run_id=str(run.id),
            dashboard_url=get_run_url(run),
            seconds=time.monotonic() - started,
        )
