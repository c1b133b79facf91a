"""Train one candidate on the training split."""

from collections.abc import Callable
from typing import Annotated

import mlflow
from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.data.names import counted
from sentiment.data.reviews import Reviews
from sentiment.kinds import ModelConfig
from sentiment.models.base import TextClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training import train_classifier
from steps.common.caching import keyed_by_code
from steps.common.names import CLASSIFIER, SUMMARY

CACHED, code_digest = keyed_by_code(__name__)


@step(experiment_tracker=True, cache_policy=CACHED)
def train_candidate(
    train: Reviews,
    validation: Reviews,
    model: ModelConfig,
    normaliser: TextNormaliser,
    seed: int,
    code: str,
) -> Annotated[TextClassifier, ArtifactConfig(name=CLASSIFIER, artifact_type=ArtifactType.MODEL)]:
    """Train the classifier that `model` describes; `code` is here to be part of the cache key."""
    classifier = train_classifier(
        model, train, validation, normaliser=normaliser, seed=seed, log=_log_curve(model.name)
    )
    log_metadata({SUMMARY: f"{model.name} on {counted(len(train), 'review')}", "config": model.model_dump(mode="json")})
    return classifier


def _log_curve(prefix: str) -> Callable[[int, dict[str, float]], None]:
    """A `log(step, metrics)` that records each metric as `prefix/metric` in the active MLflow run."""

    def log(step: int, metrics: dict[str, float]) -> None:
        mlflow.log_metrics({f"{prefix}/{name}": value for name, value in metrics.items()}, step=step)

    return log
