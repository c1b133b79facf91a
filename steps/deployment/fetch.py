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
from sentiment.registry import Registry
from sentiment.registry.records import ModelVersion
from steps.names import REGISTERED, SERVED, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def fetch_model(
    model_name: str, role: Literal["champion", "candidate"], version: int | None = None
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=REGISTERED, artifact_type=ArtifactType.MODEL)],
    Annotated[ServedModel, SERVED],
]:
    """The champion, or what is to be its candidate (`version`, else the registry's), verified, with its card.

    Never cached: the aliases move.
    """
    models = registry(model_name)
    found = _wanted(models, role, version)
    served = ServedModel.of(found, role=role, model_name=model_name, card=models.card(found.version))
    with tempfile.TemporaryDirectory() as folder:
        classifier = load_classifier(models.fetch(found.version, Path(folder)))
    log_metadata({SUMMARY: f"{model_name} version {found.version}, {classifier.kind}"})
    return classifier, served


def _wanted(models: Registry, role: Literal["champion", "candidate"], version: int | None) -> ModelVersion:
    champion = models.champion()
    if role == "champion":
        if champion is None:
            raise SentimentError(
                f"{models.model_name} has no champion to deploy.",
                "Train one: python run.py --pipeline train; see models list.",
            )
        return champion
    found = models.get(version) if version else models.candidate()
    if found is None:
        raise SentimentError(
            f"{models.model_name} has no candidate to deploy: no version waits for promotion.",
            "Name a version: --set traffic.version=N; see models list.",
        )
    if champion and found.version == champion.version:
        raise SentimentError(
            f"Version {found.version} of {models.model_name} is the champion, and cannot stand beside itself.",
            "Name another: --set traffic.version=N; see models list.",
        )
    return found
