"""`Predictor`: texts in, labels out, with the model that is champion now.

from sentiment import Predictor
Predictor.champion().predict("배송이 빨라서 좋아요")
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NotRequired, Self, TypedDict

from sentiment.errors import DataError, SentimentError, option
from sentiment.home import home
from sentiment.models.base import TextClassifier
from sentiment.models.folder import MANIFEST, folder_digest, load_classifier
from sentiment.registry.local import local_champion
from sentiment.registry.registry import DEFAULT_NAME, Registry
from sentiment.registry.tracking import database_path, default_tracking_uri, without_credentials
from sentiment.stored import ROLL_BACK
from sentiment.tasks import task_of


class Prediction(TypedDict):
    """One text's most probable label. `probs` has the probability of every label, when asked for."""

    text: str
    label: str
    confidence: float
    probs: NotRequired[dict[str, float]]


class Predictor:
    """A loaded model. `version` is its number in the registry; None when it came from a folder."""

    def __init__(self, classifier: TextClassifier, version: int | None = None) -> None:
        self.classifier = classifier
        self.version = version

    @classmethod
    def champion(cls, tracking_uri: str | None = None, model_name: str = "sentiment") -> Self:
        """Load the champion from `tracking_uri`, else MLFLOW_TRACKING_URI, else the database in SENTIMENT_HOME.

        Raises SentimentError when there is no champion yet or its files were altered, StackError when the server does
        not answer.
        """
        uri = tracking_uri or default_tracking_uri()
        database = database_path(uri)
        if database and (found := local_champion(database, model_name)):
            return cls(_load_verified(found.folder, found.digest), found.version)
        if database and not database.is_file():  # MLflow would create it
            raise _no_champion(model_name, uri)
        return cls._fetched_champion(uri, model_name)

    @classmethod
    def _fetched_champion(cls, uri: str, model_name: str) -> Self:
        registry = Registry(uri, model_name)
        champion = registry.champion()
        if champion is None:
            raise _no_champion(model_name, uri)
        folder = registry.fetch(champion.version, home() / "downloads")
        return cls(_load_verified(folder, champion.digest), champion.version)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a model folder. Raises SentimentError when it does not match its manifest."""
        return cls(load_classifier(folder))

    def predict(self, texts: str | Sequence[str], return_probs: bool = False) -> list[Prediction]:
        """One prediction per text, in order; a single string counts as one text.

        Raises DataError naming the position of the first item that is not a string.
        """
        if not isinstance(texts, Iterable) or isinstance(texts, bytes):
            raise DataError(
                f"Texts of type {type(texts).__name__} cannot be classified.", "Pass a string, or a list of strings."
            )
        batch = [texts] if isinstance(texts, str) else list(texts)
        for position, text in enumerate(batch):
            if not isinstance(text, str):
                raise DataError(f"Text {position} is of type {type(text).__name__}.", "Pass strings only.")
        if not batch:
            return []
        labels, answer = self.classifier.labels, task_of(self.classifier.task).answer
        predictions: list[Prediction] = []
        for text, row in zip(batch, self.classifier.predict_proba(batch).tolist(), strict=True):
            best = answer(row)
            prediction = Prediction(text=text, label=labels[best], confidence=row[best])
            if return_probs:
                prediction["probs"] = dict(zip(labels, row, strict=True))
            predictions.append(prediction)
        return predictions


def _load_verified(folder: Path, digest: str) -> TextClassifier:
    if (folder / MANIFEST).is_file() and folder_digest(
        folder
    ) != digest:  # the manifest; load_classifier holds the files against it
        raise SentimentError(
            f"The model in {folder} is not the one that was registered.",
            ROLL_BACK,
        )
    return load_classifier(folder)


def _named(model_name: str) -> str:
    return "" if model_name == DEFAULT_NAME else f" {option('model_name', model_name)}"


def _no_champion(model_name: str, uri: str) -> SentimentError:
    return SentimentError(
        f"{model_name} has no champion in {without_credentials(uri)} yet.",
        f"Train and promote one: python run.py train{_named(model_name)}",
    )
