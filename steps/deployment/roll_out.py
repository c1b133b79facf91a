"""Build the Bento, start it beside what runs, test it, and switch over."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from zenml import log_metadata, step

from sentiment.config.deploy import DeployConfig, TrafficConfig
from sentiment.home import current_user
from sentiment.lifecycle.deployment import Answer, Deployment, ServedModel, smoke_test
from sentiment.lifecycle.registration import git_commit
from sentiment.models.base import TextClassifier
from serving.bento import CANDIDATE_DIR, BentoModel, build_bento
from stacks.model_deployer import active_deployer
from stacks.observers import lifecycle_of
from steps.names import DEPLOYMENT, SUMMARY
from steps.tracking import registry


@step(experiment_tracker=True, enable_cache=False)
def roll_out(
    classifiers: list[TextClassifier], models: list[ServedModel], config: DeployConfig
) -> Annotated[Deployment, DEPLOYMENT]:
    """Deploy the first model through the stack's model deployer, with the second beside it if there are two."""
    deployer = active_deployer()
    now = datetime.now(UTC)
    champion = models[0]
    by_version = {model.version: classifier for model, classifier in zip(models, classifiers, strict=True)}
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as temporary:
        sides = [
            BentoModel(_saved(classifier, Path(temporary) / model.role), classifier.kind, model.served_json())
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
