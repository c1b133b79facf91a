"""What the steps share of MLflow: the metrics of an evaluation, and the registry; how far a step is."""

import re
import time
from uuid import UUID

import mlflow
from zenml import get_step_context, log_metadata

from sentiment.evaluation.evaluation import Evaluation
from sentiment.registry import Registry
from sentiment.scoring.score import OnProgress
from sentiment.stats.bootstrap import Metric
from steps.common.names import PROGRESS


def registry(model_name: str) -> Registry:
    """The registry on the tracking server of the running step."""
    return Registry(mlflow.get_tracking_uri(), model_name)


def log_metrics(evaluation: Evaluation, prefix: str) -> None:
    """Record the headline metrics and their intervals as `prefix/metric`."""
    mlflow.log_metrics({f"{prefix}/{name}": value for name, value in flat_metrics(evaluation).items()})


def flat_metrics(evaluation: Evaluation) -> dict[str, float]:
    """The headline metrics by a name MLflow accepts; the interval's ends as `name_low` and `name_high`."""
    flat: dict[str, float] = {}
    for title, metric in evaluation.headline().items():
        name = re.sub(r"\W+", "_", title.lower()).strip("_")
        if isinstance(metric, Metric):
            flat |= {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
        elif metric is not None:
            flat[name] = metric
    return flat


SECONDS = 3.0


def progress_of_this_step() -> OnProgress:
    """Notes the rows done and the rows there are, every few seconds and at the end."""
    step_id: UUID = get_step_context().step_run.id
    noted = time.monotonic()

    def note(done: int, total: int) -> None:
        nonlocal noted
        if done == total or time.monotonic() - noted >= SECONDS:
            noted = time.monotonic()
            log_metadata(metadata={PROGRESS: {"done": done, "total": total}}, step_id=step_id)

    return note
