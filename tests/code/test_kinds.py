"""The registry of kinds: found by name, a user's own by its module, and one sentence for what cannot be used."""

import subprocess
import sys
from pathlib import Path

import pytest

from sentiment.closure import import_closure
from sentiment.errors import ConfigError
from sentiment.home import PROJECT
from sentiment.kinds import Kind, ModelConfig, config_class, kind_of, load, names, trainable
from sentiment.kinds.linear import LinearConfig


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_the_kinds_are_the_modules() -> None:
    files = sorted(path.stem for path in (PROJECT / "sentiment/kinds").glob("*.py") if path.stem != "__init__")
    assert names() == files
    assert {"linear", "majority", "onnx", "transformer"} <= set(files)
    assert trainable() == [name for name in files if kind_of(name).config]
    assert not {"majority", "onnx"} & set(trainable())
    assert config_class("linear") is LinearConfig
    for name in names():
        assert load(kind_of(name).classifier).kind == name


def test_a_model_of_any_kind_comes_back_from_json() -> None:
    config = ModelConfig.model_validate({"kind": "linear", "name": "a", "max_ngram": 3})
    assert config == LinearConfig(name="a", max_ngram=3) == ModelConfig(**config.model_dump())
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_a_kind_of_the_working_folder(working_folder: Path) -> None:
    (working_folder / "kinds_of_mine.py").write_text(
        "from sentiment.kinds import Kind\nMine = Kind('m:C')\nother = 3\n"
    )
    assert kind_of("kinds_of_mine:Mine") == Kind("m:C")
    with pytest.raises(ConfigError, match=r"'kinds_of_mine' has no 'Mime'\.\s+fix: Did you mean 'Mine'"):
        kind_of("kinds_of_mine:Mime")
    with pytest.raises(ConfigError, match=r"kinds_of_mine:other is a int, not a Kind\."):
        kind_of("kinds_of_mine:other")
    with pytest.raises(ConfigError, match="no kind of model 'kinds_of_mine:Mine' to train"):
        config_class("kinds_of_mine:Mine")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("liner", r"There is no kind of model 'liner'\.\s+fix: Did you mean 'linear'\?"),
        (
            "no_such_module:Mine",
            r"There is no module .no_such_module., .*\s+fix: Put no_such_module.py beside run",
        ),
        ("kinds_that_fail:Mine", r"'kinds_that_fail' fails on import: ZeroDivisionError: division by zero\."),
        ("kinds_that_need:Mine", r"'kinds_that_need' fails on import: ModuleNotFoundError: No module named 'no_such_p"),
        (":", "fails on import"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_sentence(working_folder: Path, name: str, sentence: str) -> None:
    (working_folder / "kinds_that_fail.py").write_text("1 / 0\n")
    (working_folder / "kinds_that_need.py").write_text("import no_such_package\n")
    with pytest.raises(ConfigError, match=sentence):
        kind_of(name)


def test_a_kind_that_cannot_be_trained_is_no_candidate() -> None:
    with pytest.raises(ConfigError, match=r"'onnx' to train\.\s+fix: Valid names: .*linear, transformer"):
        config_class("onnx")


def test_one_kinds_code_is_not_the_others() -> None:
    """Which code trains a kind is read from its imports: other kinds must not be among them, nor imported."""
    files = import_closure(["sentiment.training.linear", "sentiment.models.linear", "sentiment.kinds.linear"]).files
    assert not [name for name in files if name.rpartition(".")[2] in {"transformer", "onnx", "majority", "checkpoints"}]
    code = "import sys, sentiment.training; print({'torch', 'sklearn', 'transformers'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
