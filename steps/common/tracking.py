"""What the steps share of MLflow: what a run is found by, metrics, and the registry; how far a step is."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import mlflow
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from zenml import get_step_context, log_metadata
from zenml.client import Client

from sentiment.config.train import TrainConfig
from sentiment.data.reviews import Reviews
from sentiment.data.sources import shown
from sentiment.evaluation.evaluation import Evaluation
from sentiment.evaluation.gate import GateDecision
from sentiment.lifecycle.registration import Registration, git_commit
from sentiment.registry import Registry
from sentiment.scoring.score import OnProgress
from sentiment.stats.bootstrap import Metric
from steps.common.names import PROGRESS

# MLflow's limits.
LONGEST_DIGEST = 36
LONGEST_PARAMETER = 6000
DESCRIPTION = "mlflow.note.content"  # the tag that MLflow shows as a run's description
CONTENDERS_FILE = "contenders.json"


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


def log_run(
    config: TrainConfig,
    evaluation: Evaluation,
    decision: GateDecision,
    registration: Registration,
    splits: Mapping[str, Reviews],
) -> None:
    """What MLflow's table of runs is sorted and filtered by: parameters, metrics, tags and the digests of the data.

    The names of the metrics are the same in every run, whichever model it chose, and whatever of it was cached.
    """
    mlflow.log_params(flat_params(config))
    mlflow.log_metrics(flat_metrics(evaluation))
    mlflow.set_tags(
        {
            "model": registration.model_name,
            "version": registration.version or "",
            "verdict": decision.outcome,
            "candidate": evaluation.name,
            "dataset": config.dataset.name,
            "labels": ", ".join(evaluation.labels),
            "stack": Client().active_stack_model.name,
            "git_commit": git_commit() or "unknown",
            DESCRIPTION: f"{decision.summary}\n\n{registration.summary}",
        }
    )
    for context, reviews in splits.items():
        source = CodeDatasetSource(tags={"path": shown(config.dataset.path)})
        data = MetaDataset(source, name=config.dataset.name, digest=reviews.digest()[:LONGEST_DIGEST])
        mlflow.log_input(data, context=context)
    mlflow.log_table(_contenders(decision), CONTENDERS_FILE)


def flat_params(config: TrainConfig) -> dict[str, str]:
    """Every value of the config that is set, under its dotted name; a model's under the model's own name."""
    values = config.model_dump(mode="json", exclude={"baseline", "candidates", "steps"}, exclude_none=True)
    flat = dict(_flat("", values))
    for model in config.models():
        flat |= _flat(f"{model.name}.", model.model_dump(mode="json", exclude={"name"}, exclude_none=True))
    return {name: shown(value)[:LONGEST_PARAMETER] for name, value in flat.items()}


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and all(key.isidentifier() and key.isascii() for key in value):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, Mapping | list):  # the keys are a user's, such as labels
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False)
        else:
            yield f"{prefix}{name}", str(value)


def _contenders(decision: GateDecision) -> dict[str, list[Any]]:
    rows = [
        {
            "role": each.role,
            "model": each.name,
            "macro_f1": each.macro_f1.value,
            "macro_f1_low": each.macro_f1.low,
            "macro_f1_high": each.macro_f1.high,
            "accuracy": each.accuracy.value,
            "roc_auc": each.auc.value if each.auc else None,
            "ece": each.ece,
            "latency_p50_ms": each.latency_p50_ms,
            "size_bytes": each.size_bytes,
        }
        for each in decision.contenders
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}


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
