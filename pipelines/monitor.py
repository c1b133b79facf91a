"""monitor: the newest predictions and labels against what the champion was trained for, to a decision.

python run.py monitor
"""

from dataclasses import dataclass
from pathlib import Path

from zenml import pipeline
from zenml.enums import ExecutionMode
from zenml.utils.dashboard_utils import get_run_url

import materializers  # noqa: F401 - registers how the artifacts are stored
from pipelines.common.launching import OnStep, artifact_of, launching, report_of
from pipelines.common.scheduling import Scheduled, require_schedulable, say_nothing, schedule_pipeline
from sentiment.config.monitor import MonitorConfig
from sentiment.home import home
from sentiment.monitoring.drift import DriftReport
from sentiment.monitoring.evidently_report import EvidentlyReport, keep_in_workspace
from sentiment.monitoring.quality import QualityReport
from sentiment.retraining.decision import RetrainDecision
from steps.common.names import DRIFT_REPORT, EVIDENTLY_REPORT, MONITORED_VERSION, QUALITY_REPORT, RETRAIN_DECISION
from steps.monitoring import fetch_reference, measure_drift, measure_quality, read_window, tell
from steps.retraining import decide_retrain

STEPS = (fetch_reference, read_window, measure_drift, measure_quality, tell, decide_retrain)
STEP_NAMES = [each.name for each in STEPS]


@pipeline(name="monitor", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def monitor(config: MonitorConfig) -> None:
    """Drift and quality of the champion, and whether to retrain."""
    reference, version = fetch_reference(config.model_name)
    window = read_window(version, config)
    drift, _ = measure_drift(reference, window, config)
    quality = measure_quality(reference, version, config)
    tell(config.model_name, version, drift, quality)
    decide_retrain(drift, quality, config.retrain)


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


def launch_monitor(config: MonitorConfig, stack_name: str, *, on_step: OnStep) -> MonitorResult:
    """Run the monitor pipeline on the stack.

    Raises StackError for a stack or a prediction database that cannot be used, SentimentError when there is no champion
    or it was registered without a reference.
    """
    workspace = home() / "evidently"
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
        )


def schedule_monitor(config: MonitorConfig, stack_name: str, cron: str) -> Scheduled:
    """Monitor at the times of `cron`.

    The pipeline decides and alerts, but a retraining is a run of its own, which no pipeline of ZenML starts. Raises
    ConfigError for a `cron` that cannot be read, StackError for a stack that cannot be used or has no schedules.
    """
    require_schedulable(stack_name, cron)
    with launching("monitor", stack_name, say_nothing, model_name=config.model_name) as launch:
        return schedule_pipeline(
            launch, monitor, cron, config.model_name, lambda ready: ready(config), step_names=STEP_NAMES
        )
