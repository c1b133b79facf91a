"""Fetch what the registry says is to be served."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.deployment import ServedModel
from sentiment.errors import SentimentError
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier
from steps.names import REGISTERED, SERVED, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def fetch_model(
    model_name: str, role: Literal["champion", "candidate"]
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=REGISTERED, artifact_type=ArtifactType.MODEL)],
    Annotated[ServedModel, SERVED],
]:
    """The champion or the candidate, verified, with its card; never cached, the aliases move."""
    models = registry(model_name)
    version = models.champion() if role == "champion" else models.candidate()
    if version is None:
        raise SentimentError(
            f"{model_name} has no {role} to deploy.", "Train one: python run.py --pipeline train; see models list."
        )
    served = ServedModel.of(version, role=role, model_name=model_name, card=models.card(version.version))
    with tempfile.TemporaryDirectory() as folder:
        classifier = load_classifier(models.fetch(version.version, Path(folder)))
    log_metadata({SUMMARY: f"{model_name} version {version.version}, {classifier.kind}"})
    return classifier, served
