"""From the registry to an endpoint: fetch the model, export it, and roll it out."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from zenml import ArtifactConfig, log_metadata, save_artifact, step
from zenml.client import Client
from zenml.enums import ArtifactType
from zenml.utils.pagination_utils import depaginate

from sentiment.config.deploy import DeployConfig, TrafficConfig
from sentiment.data.reviews import Reviews
from sentiment.errors import ConfigError
from sentiment.export import choose_format
from sentiment.home import current_user
from sentiment.lifecycle.deployment import Answer, Deployment, ServedModel, smoke_test, version_to_serve
from sentiment.lifecycle.registration import Registration, git_commit
from sentiment.models.base import TextClassifier
from sentiment.models.folder import load_classifier
from sentiment.registry import Registry
from serving.bento import CANDIDATE_DIR, BentoModel, build_bento
from stacks.model_deployer import active_deployer
from stacks.observers import lifecycle_of
from steps.common.names import (
    DEPLOYMENT,
    EXPORT_REPORT,
    EXPORTED,
    REGISTERED,
    REGISTRATION,
    SERVED,
    SUMMARY,
    VALIDATION,
)
from steps.common.tracking import registry


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
    classifier, served = fetched(model_name, role, version)
    log_metadata({SUMMARY: f"{model_name} version {served.version}, {classifier.kind}"})
    return classifier, served


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
    chosen, report = choose_format(classifier, validation, config.export)
    save_artifact(report, EXPORT_REPORT)
    log_metadata({SUMMARY: report.summary.rstrip(".")})
    return chosen


def fetched(
    model_name: str, role: Literal["champion", "candidate"], version: int | None = None
) -> tuple[TextClassifier, ServedModel]:
    """The version with this role, or the one named, as the registry of the running step has it."""
    models = registry(model_name)
    found = version_to_serve(models, role, version)
    card, history = models.card(found.version), models.history()
    served = ServedModel.of(found, role=role, model_name=model_name, card=card, history=history)
    with tempfile.TemporaryDirectory() as folder:
        return load_classifier(models.fetch(found.version, Path(folder))), served


def validation_rows(served: ServedModel) -> Reviews | None:
    """The validation rows of the run that registered the model; None when this ZenML has none."""
    client = Client()
    if served.validation_artifact:
        with suppress(KeyError, FileNotFoundError):  # of another ZenML, or deleted since
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


@step(experiment_tracker=True, enable_cache=False)
def roll_out(
    classifiers: list[TextClassifier], models: list[ServedModel], config: DeployConfig
) -> Annotated[Deployment, DEPLOYMENT]:
    """Deploy the first model, with the second beside it if there are two, through the stack's model deployer."""
    deployer = active_deployer()
    now = datetime.now(UTC)
    champion = models[0]
    by_version = {model.version: classifier for model, classifier in zip(models, classifiers, strict=True)}
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as temporary:
        sides = [
            BentoModel(
                _saved(classifier, Path(temporary) / model.role),
                classifier.kind,
                model.served_json(),
                _report(registry(model.model_name), int(model.version)),
            )
            for model, classifier in zip(models, classifiers, strict=True)
        ]
        bento = build_bento(
            Path(temporary) / "bento",
            *sides,
            bento_version=f"v{champion.version}-{now:%Y%m%d%H%M%S}",
            labels={
                "model_version": champion.version,
                "data_digest": champion.data_digest,
                "git_commit": git_commit() or "unknown",
            },
        )
        size = sum(path.stat().st_size for path in bento.rglob("*") if path.is_file())
        rolled_out = deployer.roll_out(
            bento,
            lambda url: answers.extend(smoke_test(url, by_version, config.smoke_test)),
            model_name=champion.model_name,
            model_version=champion.version,
            environment=_environment(config.traffic),
            port=config.port,
            start_seconds=config.start_seconds,
        )
    deployment = Deployment(
        id=rolled_out.id,
        url=rolled_out.url,
        log=rolled_out.log,
        time=now,
        models=tuple(models),
        kinds=tuple(classifier.kind for classifier in classifiers),
        traffic=config.traffic.mode,
        bento=rolled_out.bento,
        bento_bytes=size,
        replaced=rolled_out.replaced,
        answers=tuple(answers),
    )
    lifecycle = lifecycle_of(registry(champion.model_name))
    lifecycle.deployed(int(champion.version), deployment.summary, actor=current_user())
    log_metadata({SUMMARY: deployment.summary})
    return deployment


def _report(models: Registry, version: int) -> str:
    """The report of the run that trained `version`; empty where another program registered it."""
    try:
        return models.page(version)
    except ConfigError:
        return ""


def _saved(classifier: TextClassifier, folder: Path) -> Path:
    classifier.save(folder)
    return folder


def _environment(traffic: TrafficConfig) -> dict[str, str]:
    if traffic.mode == "off":
        return {"SENTIMENT_TRAFFIC": "off"}
    return {
        "SENTIMENT_TRAFFIC": traffic.mode,
        "SENTIMENT_CANDIDATE_DIR": str(CANDIDATE_DIR),
        "SENTIMENT_CANARY_SHARE": str(traffic.share),
    }
