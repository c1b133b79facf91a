"""Every kind keeps its promises: those of the project, and the one that docs/models.md writes."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment.config.load import load_config
from sentiment.config.train import TrainConfig
from sentiment.contract import check_kind
from sentiment.errors import ConfigError
from sentiment.home import PROJECT
from sentiment.kinds import trainable
from sentiment.training import training_code
from serving.bento import served_code

SETTINGS = {
    "transformer": {
        "encoder": {
            "vocabulary_size": 600,
            "layers": 1,
            "hidden_size": 32,
            "attention_heads": 2,
            "intermediate_size": 64,
            "dropout": 0.0,
        },
        "max_length": 32,
        "epochs": 2,
        "learning_rate": 2e-3,
    }
}
OWN = "my_models:BagOfCharacters"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SENTIMENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module and the model file of the docs, in the working folder."""
    docs = (PROJECT / "docs/models.md").read_text(encoding="utf-8").partition("## A kind of your own\n")[2]
    for name, language in (("my_models.py", "python"), ("bag.yaml", "yaml")):
        block = re.search(rf"^```{language}\n(.*?)^```$", docs, re.M | re.S)
        assert block
        (tmp_path / name).write_text(block[1], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sys.modules.pop("my_models", None)
    yield tmp_path / "my_models.py"
    sys.modules.pop("my_models", None)


@pytest.mark.parametrize("kind", trainable())
def test_a_kind_of_the_project(kind: str, home: Path) -> None:
    check_kind(kind, **SETTINGS.get(kind, {}))
    assert not list((home / "checkpoints").iterdir()), "what is left of training"


def test_the_kind_of_the_docs_is_named_by_a_model_file_and_keeps_its_promises(own: Path) -> None:
    config = load_config(Path("configs/train.yaml"), TrainConfig, ["candidates=[linear, bag.yaml]"])
    bag = config.candidates[1]
    assert (bag.kind, bag.name, bag.model_dump()["smoothing"]) == (OWN, "bag", 0.5)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ConfigError, match=r"unknown key 'candidates\.1\.smothing'\.\s+fix: Did you mean 'smoothing'"):
        load_config(
            Path("configs/train.yaml"), TrainConfig, ["candidates=[linear, bag.yaml]", "candidates.bag.smothing=1"]
        )
    check_kind(OWN, width=1024)
    assert served_code([OWN]).files["my_models"] == own


def test_training_is_keyed_by_the_code_of_its_kind_alone(own: Path) -> None:
    before = {kind: training_code(kind) for kind in (OWN, "linear", "transformer")}
    own.write_text(own.read_text(encoding="utf-8") + "# a word more\n", encoding="utf-8")
    after = {kind: training_code(kind) for kind in before}
    assert [kind for kind in before if before[kind] != after[kind]] == [OWN]


@pytest.mark.parametrize(
    ("promise", "kept", "broken"),
    [
        ("float32", ".astype(np.float32)", ""),
        ("sum to 1", "exponents / exponents.sum(axis=1, keepdims=True)", "exponents"),
        ("is a pickle", "save_file({", "(folder / 'bag').write_bytes(__import__('pickle').dumps(self)); save_file({"),
        ("columns in order", "return BagClassifier(weights,", "return BagClassifier(weights[:, ::-1].copy(),"),
        ("its labels are", "train.labels, normaliser)", "sorted(train.labels), normaliser)"),
        ("its normaliser", "train.labels, normaliser)", "train.labels, type(normaliser)())"),
        ("equal training", "    weights[-1]", "    weights += np.random.rand(*weights.shape) / 1000\n    weights[-1]"),
        ("after saving", "cls(load_file", "cls(0.9 * load_file"),
        ("its `kind`", 'kind = "my_models:', 'kind = "their_models:'),
    ],
)
def test_a_broken_promise_is_named(own: Path, promise: str, kept: str, broken: str) -> None:
    text = own.read_text(encoding="utf-8")
    assert kept in text
    own.write_text(text.replace(kept, broken), encoding="utf-8")
    with pytest.raises(AssertionError, match=promise):
        check_kind(OWN)
