"""Launch the monitor pipeline, and what to tell about the run."""

import time
from dataclasses import dataclass

from zenml.utils.dashboard_utils import get_run_url

from pipelines.launch.common import OnStep, artifact_of, launching, report_of
from pipelines.monitor import STEP_NAMES, monitor
from sentiment.config.monitor import MonitorConfig
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.quality import QualityReport
from sentiment.retraining.decision import RetrainDecision
from steps.common.names import DRIFT_REPORT, MONITORED_VERSION, QUALITY_REPORT, RETRAIN_DECISION


@dataclass(frozen=True)
class MonitorResult:
    """A finished monitor run. `pages` are where the reports' pages lie in the artifact store, by what they show.

    `dashboard_url` is the run's page on the ZenML server, None without a server.
    """

    model_version: str
    drift: DriftReport
    quality: QualityReport
    decision: RetrainDecision
    pages: dict[str, str]
    run_id: str
    dashboard_url: str | None
    seconds: float


def launch_monitor(config: MonitorConfig, stack_name: str, *, on_step: OnStep) -> MonitorResult:
    """Run the monitor pipeline on the stack.

    Raises StackError for a stack or a prediction database that cannot be used, SentimentError when there is no champion
    or it was registered without a reference.
    """
    started = time.monotonic()
    with launching("monitor", stack_name, on_step, model_name=config.model_name) as launch:
        configured = launch.configured(monitor, STEP_NAMES, run_name=launch.run_name)
        run = launch.run(lambda: configured(config))
        pages = {"drift": DRIFT_REPORT, "quality": QUALITY_REPORT, "decision": RETRAIN_DECISION}
        return MonitorResult(
            model_version=str(artifact_of(run, MONITORED_VERSION).load()),
            drift=report_of(run, DRIFT_REPORT, DriftReport),
            quality=report_of(run, QUALITY_REPORT, QualityReport),
            decision=report_of(run, RETRAIN_DECISION, RetrainDecision),
            pages={what: f"{artifact_of(run, name).uri}/report.html" for what, name in pages.items()},
            run_id=str(run.id),
            dashboard_url=get_run_url(run),
            seconds=time.monotonic() - started,
        )
