"""Train one candidate on the training split."""

from typing import Annotated

from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.data.reviews import Reviews
from sentiment.kinds import ModelConfig
from sentiment.models.base import TextClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training import train_classifier
from steps.common.caching import CODE_AWARE
from steps.common.names import CLASSIFIER, SUMMARY
from steps.common.tracking import log_curve


@step(experiment_tracker=True, cache_policy=CODE_AWARE)
def train_candidate(
    train: Reviews,
    validation: Reviews,
    model: ModelConfig,
    normaliser: TextNormaliser,
    seed: int,
) -> Annotated[TextClassifier, ArtifactConfig(name=CLASSIFIER, artifact_type=ArtifactType.MODEL)]:
    """Train the classifier that `model` describes."""
    classifier = train_classifier(
        model, train, validation, normaliser=normaliser, seed=seed, log=log_curve(prefix=model.name)
    )
    log_metadata({SUMMARY: f"{model.name} on {len(train):,} reviews", "config": model.model_dump(mode="json")})
    return classifier
