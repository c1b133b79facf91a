"""An ONNX model over HTTP against the same folder in Python: the same labels and probabilities."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from sentiment.data.reviews import Reviews
from sentiment.export.onnx import to_int8, to_onnx
from sentiment.kinds.transformer import CompactEncoder, TransformerConfig
from sentiment.models.onnx import OnnxClassifier
from sentiment.predictor import Prediction, Predictor
from sentiment.text.normalise import TextNormaliser
from sentiment.training.transformer import train_transformer
from tests.service.conftest import RunningServer, StartServer

TOLERANCE = 1e-4
# In 8 bits the scale of the activations is that of the batch, so who else asks at the time moves a probability.
INT8_NEIGHBOURS_TOLERANCE = 0.1
TEXTS = 1_000
BATCH = 100
TINY = TransformerConfig(
    name="tiny",
    encoder=CompactEncoder(
        vocabulary_size=1500, layers=1, hidden_size=32, attention_heads=2, intermediate_size=64, dropout=0.0
    ),
    max_length=48,
    epochs=2,
    batch_size=32,
    learning_rate=3e-3,
)


@dataclass(frozen=True)
class Served:
    server: RunningServer
    predictor: Predictor

    def ask(self, texts: list[str]) -> list[Prediction]:
        """One request per text, one after the other, as the Python API would have answered."""
        with self.server.client() as client:
            return [_prediction(text, client.post("/predict", json={"text": text}).json()) for text in texts]

    def ask_batch(self, texts: list[str]) -> list[Prediction]:
        """One request for all."""
        with self.server.client() as client:
            answer = client.post("/predict_batch", json={"texts": texts}).json()
        return [_prediction(text, each) for text, each in zip(texts, answer["predictions"], strict=True)]


@pytest.fixture(scope="module")
def fp32(reviews: Reviews, tmp_path_factory: pytest.TempPathFactory) -> OnnxClassifier:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a network this small loses more by handing work between threads than it gains
    classifier = train_transformer(
        TINY,
        reviews,
        reviews,
        normaliser=TextNormaliser(),
        seed=0,
        work_dir=tmp_path_factory.mktemp("training") / "work",
        log=lambda step, metrics: None,
    )
    torch.set_num_threads(threads)
    return to_onnx(classifier)


@pytest.fixture(scope="module", params=["fp32", "int8"])
def served(
    request: pytest.FixtureRequest,
    fp32: OnnxClassifier,
    start_server: StartServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp(request.param) / "model"
    (to_int8(fp32) if request.param == "int8" else fp32).save(folder)
    with start_server(SENTIMENT_MODEL_DIR=str(folder)) as server:
        yield Served(server, Predictor.load(folder))


@pytest.fixture(scope="module")
def texts(reviews: Reviews) -> list[str]:
    return reviews.texts[:TEXTS]


def test_one_text_a_request_gets_what_python_says(served: Served, texts: list[str]) -> None:
    expected = [prediction for text in texts for prediction in served.predictor.predict(text, return_probs=True)]

    assert len({prediction["label"] for prediction in expected}) > 1
    assert_same(served.ask(texts), expected)


def test_a_batch_gets_what_python_says(served: Served, texts: list[str]) -> None:
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        assert_same(served.ask_batch(batch), served.predictor.predict(batch, return_probs=True))


def test_callers_at_the_same_time_get_their_own_answers(
    served: Served, texts: list[str], request: pytest.FixtureRequest
) -> None:
    some = texts[:400]
    tolerance = TOLERANCE if "fp32" in request.node.name else INT8_NEIGHBOURS_TOLERANCE
    with ThreadPoolExecutor(8) as pool:
        answers = [each for part in pool.map(served.ask, [some[n::8] for n in range(8)]) for each in part]
    expected = [served.predictor.predict(text, return_probs=True)[0] for n in range(8) for text in some[n::8]]

    np.testing.assert_allclose(probabilities(answers), probabilities(expected), atol=tolerance)


def assert_same(answers: list[Prediction], expected: list[Prediction]) -> None:
    assert [answer["label"] for answer in answers] == [each["label"] for each in expected]
    np.testing.assert_allclose(probabilities(answers), probabilities(expected), atol=TOLERANCE)


def probabilities(predictions: list[Prediction]) -> list[list[float]]:
    return [list(prediction["probs"].values()) for prediction in predictions]


def _prediction(text: str, answer: dict[str, object]) -> Prediction:
    return Prediction(
        text=text,
        label=answer["prediction"],  # type: ignore[typeddict-item]
        confidence=answer["confidence"],  # type: ignore[typeddict-item]
        probs=answer["probabilities"],  # type: ignore[typeddict-item]
    )
