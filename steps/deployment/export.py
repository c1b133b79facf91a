"""Bring the model into the fastest format that answers as it does."""

from contextlib import suppress
from typing import Annotated

from zenml import ArtifactConfig, log_metadata, save_artifact, step
from zenml.client import Client
from zenml.enums import ArtifactType
from zenml.utils.pagination_utils import depaginate

from sentiment.config.deploy import DeployConfig
from sentiment.data.reviews import Reviews
from sentiment.export import choose_format
from sentiment.lifecycle.deployment import ServedModel
from sentiment.lifecycle.registration import Registration
from sentiment.models.base import TextClassifier
from steps.names import EXPORT_REPORT, EXPORTED, REGISTRATION, SUMMARY, VALIDATION


@step(enable_cache=False)
def export_model(
    classifier: TextClassifier, served: ServedModel, config: DeployConfig
) -> Annotated[TextClassifier, ArtifactConfig(name=EXPORTED, artifact_type=ArtifactType.MODEL)]:
    """Choose on the validation rows of the run that registered the model; without them it stays as it is.

    Never cached: the choice is by the latency on this machine.
    """
    validation = validation_rows(served)
    if validation is None:
        log_metadata({SUMMARY: f"kept as {classifier.kind}: its validation rows are not in this ZenML"})
        return classifier
    chosen, report = choose_format(classifier, validation, config.export, seed=config.seed)
    save_artifact(report, EXPORT_REPORT)
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return chosen


def validation_rows(served: ServedModel) -> Reviews | None:
    """The validation rows of the run that registered the model; None when this ZenML has none."""
    client = Client()
    if served.validation_artifact:
        with suppress(KeyError):
            rows: Reviews = client.get_artifact_version(served.validation_artifact).load()
            return rows
        return None
    return _rows_of_old_version(client, served.digest)


def _rows_of_old_version(client: Client, digest: str) -> Reviews | None:
    """Version 0.1 kept no id: whichever run published this digest. Goes with 0.3.0."""
    for artifact in depaginate(client.list_artifact_versions, artifact=REGISTRATION, sort_by="desc:created"):
        registration = artifact.load()
        if isinstance(registration, Registration) and registration.digest == digest:
            steps = artifact.run.steps
            found = next(found for each in steps.values() for found in each.outputs.get(VALIDATION, []))
            reviews: Reviews = found.load()
            return reviews
    return None
