"""The predictor, from a folder and from a registry on SQLite."""

import subprocess
import sys
from pathlib import Path

import pytest

from sentiment import Predictor
from sentiment.errors import DataError, SentimentError
from sentiment.home import home
from sentiment.lifecycle import Lifecycle
from sentiment.models.folder import folder_digest, write_manifest
from sentiment.models.majority import MajorityClassifier
from sentiment.registry import Registry, default_tracking_uri
from sentiment.store.database import default_database_url
from sentiment.text.normalise import TextNormaliser


@pytest.fixture
def registry(empty_database: bytes) -> Registry:
    """The registry of SENTIMENT_HOME."""
    home().mkdir()
    (home() / "mlflow.db").write_bytes(empty_database)
    return Registry(default_tracking_uri())


def saved(folder: Path, positive: float) -> Path:
    MajorityClassifier([1 - positive, positive], ["부정", "긍정"], TextNormaliser()).save(folder)
    return folder


def promote(registry: Registry, folder: Path) -> int:
    lifecycle = Lifecycle(registry, default_database_url())
    version = lifecycle.register(
        folder, digest=folder_digest(folder), dataset_digest="d", metrics={}, card="", actor="ci", gate="approved"
    )
    return lifecycle.promote(version.version, "better", actor="ci").version


def test_one_string_is_one_text_and_many_stay_in_order(tmp_path: Path) -> None:
    predictor = Predictor.load(saved(tmp_path / "model", 0.75))

    assert predictor.predict("좋아요") == [{"text": "좋아요", "label": "긍정", "confidence": 0.75}]
    many = predictor.predict(["ㄱ", "ㄴ"], return_probs=True)
    assert [each["text"] for each in many] == ["ㄱ", "ㄴ"]
    assert many[0]["probs"] == {"부정": 0.25, "긍정": 0.75}
    assert predictor.predict([]) == []


@pytest.mark.parametrize("texts", [["a", None], ["a", 3], ["a", b"b"], ["a", float("nan")]])
def test_what_is_not_text_is_named_by_its_position(tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(DataError, match="Text 1 "):
        Predictor.load(saved(tmp_path / "model", 0.75)).predict(texts)


@pytest.mark.parametrize("texts", [None, 3, b"bytes"])
def test_what_is_no_sequence_of_texts_is_refused(tmp_path: Path, texts: str) -> None:
    with pytest.raises(DataError, match="Pass"):
        Predictor.load(saved(tmp_path / "model", 0.75)).predict(texts)


def test_without_a_registry_the_error_says_how_to_get_one() -> None:
    with pytest.raises(SentimentError, match="no champion") as error:
        Predictor.champion()
    assert "run.py train" in error.value.fix
    assert not home().exists()


def test_a_candidate_is_no_champion(registry: Registry, tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", 0.75)
    digest = folder_digest(folder)
    lifecycle = Lifecycle(registry, default_database_url())
    lifecycle.register(folder, digest=digest, dataset_digest="d", metrics={}, card="", actor="ci")
    with pytest.raises(SentimentError, match="no champion"):
        Predictor.champion()


def test_the_champion_follows_promotions_and_rollbacks_and_must_be_untouched(
    registry: Registry, tmp_path: Path
) -> None:
    promote(registry, saved(tmp_path / "one", 0.75))
    promote(registry, saved(tmp_path / "two", 0.25))
    assert Predictor.champion().version == 2
    assert Predictor.champion().predict("?")[0]["label"] == "부정"

    Lifecycle(registry, default_database_url()).roll_back("worse", actor="ci")
    assert Predictor.champion().version == 1
    assert Predictor.champion().predict("?")[0]["label"] == "긍정"

    stored = Path(registry.get(1).source)
    (stored / "priors.json").write_text("[1.0, 0.0]")
    with pytest.raises(SentimentError, match=r"priors\.json"):
        Predictor.champion()
    write_manifest(stored)
    with pytest.raises(SentimentError, match="not the one that was registered"):
        Predictor.champion()


def test_the_champion_of_a_server_is_fetched(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(registry, saved(tmp_path / "one", 0.75))
    monkeypatch.setattr("sentiment.predictor.database_path", lambda _: None)  # as for http://...
    predictor = Predictor.champion(registry.tracking_uri)

    assert predictor.version == 1
    assert [each.name for each in (home() / "downloads").iterdir()] == [folder_digest(tmp_path / "one")]


def test_the_champion_is_loaded_without_mlflow_or_torch(registry: Registry, tmp_path: Path) -> None:
    promote(registry, saved(tmp_path / "one", 0.75))
    code = """
import sys
import sentiment
assert not {"numpy", "polars"} & sys.modules.keys(), "importing the package is free"
sentiment.Predictor.champion().predict("좋아요")
print(sorted({"mlflow", "torch", "sklearn", "pandas", "zenml", "datasets"} & sys.modules.keys()))
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "[]\n"
