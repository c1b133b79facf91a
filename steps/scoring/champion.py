"""The champion in the format that predicts fastest."""

from typing import Annotated

from zenml import ArtifactConfig, log_metadata, step
from zenml.enums import ArtifactType

from sentiment.config.score import ScoreConfig
from sentiment.export import choose_format
from sentiment.kinds import kind_of
from sentiment.lifecycle.deployment import ServedModel
from sentiment.models.base import TextClassifier
from steps.deployment.export import validation_rows
from steps.deployment.fetch import fetch_model
from steps.names import SCORER, SERVED, SUMMARY


@step(experiment_tracker=True, enable_cache=False)
def fetch_scorer(
    config: ScoreConfig,
) -> tuple[
    Annotated[TextClassifier, ArtifactConfig(name=SCORER, artifact_type=ArtifactType.MODEL)],
    Annotated[ServedModel, SERVED],
]:
    """A model as deploy would serve it: chosen on the validation rows of the run that registered it."""
    classifier, served = fetch_model.entrypoint(config.model_name, "champion")
    validation = validation_rows(served.digest) if kind_of(classifier.kind).formats else None
    if validation is not None:
        classifier, report = choose_format(classifier, validation, config.export, seed=config.seed)
        log_metadata({SUMMARY: report.summary.rstrip(".")})
    return classifier, served
