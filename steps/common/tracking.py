"""What the steps share of MLflow: the metrics of an evaluation, and the registry."""

import re

import mlflow

from sentiment.evaluation.evaluation import Evaluation
from sentiment.registry import Registry
from sentiment.stats.bootstrap import Metric


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
