"""What is deployed, the smoke test before it is published, and the record of a deployment."""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import httpx
import numpy as np

from sentiment.config.deploy import SmokeTestConfig
from sentiment.errors import SentimentError, StackError
from sentiment.models.base import TextClassifier
from sentiment.registry import Registry
from sentiment.registry.records import Change, ModelVersion
from sentiment.store.records import SMOKE_TEST_KEY
from sentiment.stored import Frozen, Report
from sentiment.tasks import task_of

API_KEY_VARIABLE = "SENTIMENT_API_KEY"
# The tags of a version with the ids of its splits in ZenML.
TRAINING_ARTIFACT = "training_artifact"
VALIDATION_ARTIFACT = "validation_artifact"


class ServedModel(Report):
    """A registered version as it is served: the content of `served.json`, and how the registry knows it.

    `data_digest` is that of the training rows of `dataset`. `validation_artifact` is None for a version of 0.1.
    `promotion` says who made it champion and why, `forced` that this overruled the gate.
    """

    role: Literal["champion", "candidate"]
    model_name: str
    version: str
    digest: str
    data_digest: str
    git_commit: str
    metrics: dict[str, float]
    card: str
    validation_artifact: str | None = None
    dataset: str = ""
    trained: datetime | None = None
    gate: str = ""
    promotion: str = ""
    forced: bool = False

    @classmethod
    def of(
        cls,
        version: ModelVersion,
        *,
        role: Literal["champion", "candidate"],
        model_name: str,
        card: str,
        history: Sequence[Change] = (),
    ) -> "ServedModel":
        """What the registry tells about `version`."""
        promotions = [each for each in history if each.version == version.version and each.event == "promoted"]
        return cls(
            role=role,
            model_name=model_name,
            version=str(version.version),
            digest=version.digest,
            data_digest=version.dataset_digest,
            git_commit=version.tags.get("git_commit", "unknown"),
            metrics=version.metrics,
            card=card,
            validation_artifact=version.tags.get(VALIDATION_ARTIFACT),
            dataset=version.tags.get("dataset", ""),
            trained=version.created_at,
            gate=version.gate or "",
            promotion=_promotion(promotions[-1]) if promotions else "",
            forced=bool(promotions) and promotions[-1].forced,
        )

    def served_json(self) -> dict[str, Any]:
        """What lies beside the model folder in the Bento."""
        return self.model_dump(mode="json", exclude={"role", "digest", "format", "validation_artifact"})


def _promotion(change: Change) -> str:
    return change.summary if change.forced else f"by {change.actor}: {change.reason}"


class Answer(Frozen):
    """One smoke-tested text: what HTTP answered, from which version, and how far from the Python API."""

    text: str
    label: str
    confidence: float
    model_version: str
    difference: float
    milliseconds: float


class Deployment(Report):
    """A version in public service. `replaced` are the versions it took over from."""

    id: str
    url: str
    log: str
    time: datetime
    models: tuple[ServedModel, ...]
    kinds: tuple[str, ...]
    traffic: Literal["off", "shadow", "canary"]
    bento: str
    bento_bytes: int
    replaced: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def summary(self) -> str:
        """The deployment in one line."""
        champion, kind = self.models[0], self.kinds[0]
        after = f", after version {', '.join(self.replaced)}" if self.replaced else ""
        beside = "".join(f"; {each.role} version {each.version} in {self.traffic}" for each in self.models[1:])
        forced = f"; {champion.promotion}" if champion.forced else ""
        return f"{champion.model_name} version {champion.version} ({kind}) at {self.url}{after}{beside}{forced}"


def version_to_serve(models: Registry, role: Literal["champion", "candidate"], version: int | None) -> ModelVersion:
    """The champion, or what stands beside it: `version`, else the registry's candidate.

    Raises SentimentError when there is none, or it is the champion; ConfigError for an unknown version.
    """
    champion = models.champion()
    if role == "champion":
        if champion is None:
            raise SentimentError(
                f"{models.model_name} has no champion to deploy.",
                "Train one: python run.py train; see models list.",
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


def smoke_test(url: str, classifiers: Mapping[str, TextClassifier], config: SmokeTestConfig) -> tuple[Answer, ...]:
    """Ask the server at `url` for every text and compare with the classifier (by version) that answered.

    Raises StackError naming the first answer that is missing, malformed, or not that of the Python API.
    """
    key = os.environ.get(API_KEY_VARIABLE)
    headers = {"X-Caller-Key": SMOKE_TEST_KEY, **({"Authorization": f"Bearer {key}"} if key else {})}
    with httpx.Client(base_url=url, headers=headers, timeout=config.timeout_seconds) as client:
        return tuple(_ask(client, text, classifiers, config.tolerance) for text in config.texts)


def _ask(client: httpx.Client, text: str, classifiers: Mapping[str, TextClassifier], tolerance: float) -> Answer:
    start = time.perf_counter()
    try:
        response = client.post("/predict", json={"text": text})
        response.raise_for_status()
        answer = response.json()
        version, probabilities = str(answer["model_version"]), dict(answer["probabilities"])
        classifier = classifiers[version]
        got = np.asarray([float(probabilities[label]) for label in classifier.labels])
        said = answer["prediction"]
    except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
        raise StackError(
            f"The smoke test failed: {text!r} was not answered as it should ({type(error).__name__}: {error}).",
            "The version before goes on serving.",
        ) from error
    milliseconds = 1000 * (time.perf_counter() - start)
    expected = classifier.predict_proba([text])[0]
    difference = float(np.abs(got - expected).max())
    label = classifier.labels[task_of(classifier.task).answer(got.tolist())]
    if difference > tolerance or said != label:
        raise StackError(
            f"The smoke test failed: for {text!r} the server says {said} {got.tolist()}, "
            f"the Python API {expected.tolist()} for {', '.join(classifier.labels)}.",
            "The version before goes on serving.",
        )
    return Answer(
        text=text,
        label=label,
        confidence=float(got.max()),
        model_version=version,
        difference=difference,
        milliseconds=milliseconds,
    )
