"""What the steps share of MLflow: learning curves, evaluations with their pictures, and the registry."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import mlflow

from sentiment.evaluation.evaluation import Evaluation
from sentiment.registry import Registry
from sentiment.stats.bootstrap import Metric


def registry(model_name: str) -> Registry:
    """The registry on the tracking server of the running step."""
    return Registry(mlflow.get_tracking_uri(), model_name)


def log_curve(prefix: str) -> Callable[[int, dict[str, float]], None]:
    """A `log(step, metrics)` that records each metric as `prefix/metric` in the active MLflow run."""

    def log(step: int, metrics: dict[str, float]) -> None:
        mlflow.log_metrics({f"{prefix}/{name}": value for name, value in metrics.items()}, step=step)

    return log


def log_metrics(evaluation: Evaluation, prefix: str) -> None:
    """Record the headline metrics and their intervals as `prefix/metric`."""
    mlflow.log_metrics({f"{prefix}/{name}": value for name, value in flat_metrics(evaluation).items()})


def log_page(evaluation: Evaluation, prefix: str) -> None:
    """Record an evaluation's page and its pictures as files under `prefix`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, png in evaluation.figures.items():
            (Path(folder) / f"{name}.png").write_bytes(png)
        (Path(folder) / "evaluation.html").write_text(evaluation.to_html(), encoding="utf-8")
        mlflow.log_artifacts(folder, prefix)


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
