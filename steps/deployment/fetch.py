"""Fetch what the registry says is to be served."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.lifecycle.deployment import ServedModel, version_to_serve
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier
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
    found = version_to_serve(models, role, version)
    served = ServedModel.of(found, role=role, model_name=model_name, card=models.card(found.version))
    with tempfile.TemporaryDirectory() as folder:
        classifier = load_classifier(models.fetch(found.version, Path(folder)))
    log_metadata({SUMMARY: f"{model_name} version {found.version}, {classifier.kind}"})
    return classifier, served
