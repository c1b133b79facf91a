"""What a cached step is keyed by: the code it runs and the packages this needs, and nothing else."""

from collections.abc import Mapping
from importlib import import_module

import pytest

from sentiment import closure
from sentiment.closure import Closure, import_closure
from sentiment.training import training_code

STAGES = ("data", "training", "evaluation", "monitoring", "retraining")


def training_closure(monkeypatch: pytest.MonkeyPatch, kind: str) -> Closure:
    """What `training_code` makes a digest of."""
    seen: list[Closure] = []
    monkeypatch.setattr(Closure, "digest", lambda self: seen.append(self) or "")
    training_code(kind)
    return seen[0]


def test_a_linear_model_is_keyed_by_what_trains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = training_closure(monkeypatch, "linear")
    assert {"sentiment.text.normalise", "sentiment.training.linear", "sentiment.models.ngrams"} <= set(found.files)
    assert "sklearn" in found.packages
    assert not {"torch", "transformers", "matplotlib", "zenml"} & found.packages
    strangers = ("sentiment.pages", "sentiment.export", "sentiment.training.transformer", "sentiment.monitoring")
    assert not [name for name in found.files if name.startswith(strangers)]


def test_a_transformer_is_keyed_by_its_own_code_and_by_its_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = training_closure(monkeypatch, "transformer")
    assert {"sentiment.training.compact", "sentiment.training.linear"} <= set(found.files)
    assert {"torch", "transformers", "tokenizers"} <= found.packages


@pytest.mark.parametrize("stage", ["data", "training"])
def test_pages_are_no_part_of_data_and_training(stage: str) -> None:
    assert not [name for name in import_closure([f"steps.{stage}"]).files if name.startswith("sentiment.pages")]


def test_every_step_before_training_is_keyed_by_the_normaliser() -> None:
    assert "sentiment.text.normalise" in import_closure(["steps.data"]).files


@pytest.mark.parametrize("stage", STAGES)
def test_zenml_finds_the_digest_where_the_policy_says(stage: str) -> None:
    module = import_module(f"steps.{stage}")
    assert module.CACHED.cache_func.import_path == f"steps.{stage}.code_digest"
    assert module.code_digest() == import_closure([f"steps.{stage}"]).digest()


def test_a_new_scikit_learn_retrains_the_linear_model_and_reads_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = training_code("linear"), import_closure(["steps.data"]).digest()
    installed = closure.version

    def newer(name: str) -> str:
        return "99.0" if name == "scikit-learn" else installed(name)

    monkeypatch.setattr(closure, "version", newer)
    after: Mapping[str, bool] = {
        "linear": training_code("linear") != before[0],
        "data": import_closure(["steps.data"]).digest() != before[1],
    }
    assert after == {"linear": True, "data": False}
