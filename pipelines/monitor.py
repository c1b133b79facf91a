"""monitor: the newest predictions and labels against what the champion was trained for, to a decision.

python run.py --pipeline monitor
"""

from zenml import pipeline
from zenml.enums import ExecutionMode

import materializers  # noqa: F401 - registers how the artifacts are stored
from sentiment.config.monitor import MonitorConfig
from steps.monitoring.fetch_reference import fetch_reference
from steps.monitoring.measure_drift import measure_drift
from steps.monitoring.measure_quality import measure_champion
from steps.monitoring.read_window import read_newest
from steps.monitoring.tell import tell
from steps.retraining.decide import decide_retrain

STEPS = (fetch_reference, read_newest, measure_drift, measure_champion, tell, decide_retrain)
STEP_NAMES = [each.name for each in STEPS]


@pipeline(name="monitor", enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
def monitor(config: MonitorConfig) -> None:
    """Drift and quality of the champion, and whether to retrain."""
    reference, version = fetch_reference(config.model_name)
    window = read_newest(version, config)
    drift, _ = measure_drift(reference, window, config)
    quality = measure_champion(reference, version, config)
    tell(config.model_name, version, drift, quality)
    decide_retrain(drift, quality, config.retrain)
