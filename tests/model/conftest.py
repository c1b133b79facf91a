"""A small transformer trained on the bundled corpus, for every test of what becomes of a trained one."""

from pathlib import Path

import pytest
import torch

from sentiment.config.dataset import DatasetConfig, SplitConfig
from sentiment.config.load import load_config
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Splits
from sentiment.data.split import split
from sentiment.export.onnx import to_int8, to_onnx
from sentiment.kinds.transformer import CompactEncoder, TransformerConfig
from sentiment.models.onnx import OnnxClassifier
from sentiment.models.transformer import TransformerClassifier
from sentiment.text.normalise import TextNormaliser
from sentiment.training.transformer import train_transformer

ROOT = Path(__file__).parents[2]
SMALL = TransformerConfig(
    name="small",
    encoder=CompactEncoder(
        vocabulary_size=1500, layers=2, hidden_size=64, attention_heads=2, intermediate_size=128, dropout=0.0
    ),
    max_length=48,
    epochs=2,
    batch_size=32,
    learning_rate=2e-3,
)


@pytest.fixture(scope="session")
def sample() -> Splits:
    """The corpus that ships: about 1,340 rows to train, 300 to validate, 1,340 to test."""
    config = load_config(
        ROOT / "configs/datasets/sample.yaml", DatasetConfig, ["name=sample", f"path={ROOT}/data/sample/reviews.csv"]
    )
    return split(clean(read(config)[0], TextNormaliser())[0], SplitConfig(validation=0.1, test=0.45))


@pytest.fixture(scope="session")
def trained_transformer(sample: Splits, tmp_path_factory: pytest.TempPathFactory) -> TransformerClassifier:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a network this small loses more by handing work between threads than it gains
    classifier = train_transformer(
        SMALL,
        sample.train,
        sample.validation,
        normaliser=TextNormaliser(),
        seed=0,
        work_dir=tmp_path_factory.mktemp("training") / "work",
        log=lambda step, metrics: None,
    )
    torch.set_num_threads(threads)
    return classifier


@pytest.fixture(scope="session")
def fp32(trained_transformer: TransformerClassifier) -> OnnxClassifier:
    return to_onnx(trained_transformer)


@pytest.fixture(scope="session")
def int8(fp32: OnnxClassifier) -> OnnxClassifier:
    return to_int8(fp32)
