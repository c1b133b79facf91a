"""The Bento: small, labelled, and able to serve without the packages that train."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sentiment.home import PROJECT
from sentiment.kinds import kind_of, load
from sentiment.text.normalise import TextNormaliser
from serving.bento import BentoModel, build_bento, requirements

TRAINING = ("torch", "transformers", "zenml", "mlflow", "sklearn", "datasets", "evidently", "matplotlib", "pandas")
LABELS = {"data_digest": "d", "git_commit": "c"}
SERVED = {**LABELS, "model_name": "sentiment", "version": "3", "metrics": {}, "card": "# A"}


@pytest.fixture(scope="module")
def bento(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = BentoModel(model_dir, "linear", SERVED, report="<p>A report</p>")
    labels = {**LABELS, "model_version": "3"}
    return build_bento(
        tmp_path_factory.mktemp("bento"), model, model._replace(served={}), bento_version="v3-1", labels=labels
    )


def test_labels_and_served_json(bento: Path) -> None:
    described = yaml.safe_load((bento / "bento.yaml").read_text(encoding="utf-8"))
    assert described["labels"] == {**LABELS, "model_version": "3"}
    assert json.loads((bento / "src/served.json").read_text(encoding="utf-8")) == SERVED
    assert (bento / "src/candidate/model/manifest.json").is_file()
    assert (bento / "src/report.html").read_text(encoding="utf-8") == "<p>A report</p>"


def test_it_holds_the_code_that_predicts_and_no_other(bento: Path) -> None:
    code = {path.relative_to(bento / "src").as_posix() for path in (bento / "src").rglob("*.py")}
    assert {"serving/service.py", "sentiment/models/linear.py", "sentiment/kinds/linear.py"} <= code
    assert {"sentiment/store/migrations/env.py", "sentiment/store/tables.py"} <= code
    assert (bento / "src/serving/page/index.html").is_file()
    assert not {name for name in code if name.split("/")[0] not in ("serving", "sentiment")}
    assert sum((bento / "src" / name).stat().st_size for name in code) < 500_000
    others = ("registry", "training", "config", "data/", "pages", "bento.py", "onnx.py", "transformer.py")
    assert not {name for name in code for other in others if other in name}


@pytest.mark.parametrize("kinds", [{"linear"}, {"onnx"}])
def test_requirements_of_the_small_kinds_carry_no_training_package(kinds: set[str]) -> None:
    names = {each.partition("==")[0] for each in requirements(kinds)}
    assert names.isdisjoint({"torch", "transformers", "zenml", "mlflow", "datasets"})
    assert {"bentoml", "fastapi", "numpy", "polars", "psycopg-binary", "python-multipart", "uvloop"} <= names


def answered(bento: Path, home: Path) -> tuple[dict[str, Any], str]:
    """What a service of its own process answers without the training packages, and where its code is."""
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {TRAINING!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Blocked())
import bentoml
service = bentoml.load({str(bento)!r}, standalone_load=True)
from starlette.testclient import TestClient
with TestClient(service.to_asgi(is_main=True)) as client:
    print(client.post("/predict", json={{"text": "정말 재밌어요 강력 추천합니다"}}).text, end="")
import sentiment
print(sentiment.__file__)
"""
    result = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PATH": "/usr/bin:/bin", "SENTIMENT_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    answer, where = result.stdout.strip().splitlines()[-2:]
    return json.loads(answer), where


def test_the_service_starts_and_predicts_without_training_packages(bento: Path, tmp_path: Path) -> None:
    answer, where = answered(bento, tmp_path)
    assert (answer["prediction"], answer["model_version"]) == ("positive", "3")
    assert where == str(bento / "src/sentiment/__init__.py")


def test_a_users_own_kind_is_served_with_its_module(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind of docs/models.md; what it learnt is of no matter here."""
    docs = (PROJECT / "docs/models.md").read_text(encoding="utf-8").partition("## A kind of your own\n")[2]
    module = tmp_path_factory.mktemp("own") / "my_models.py"
    module.write_text(docs.partition("```python\n")[2].partition("```")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(module.parent))
    kind = "my_models:BagOfCharacters"
    classifier = load(kind_of(kind).classifier)(np.zeros((9, 2)), ("negative", "positive"), TextNormaliser())
    classifier.save(tmp_path / "model")
    built = build_bento(
        tmp_path / "bento", BentoModel(tmp_path / "model", kind, SERVED), bento_version="v1-1", labels=LABELS
    )
    assert (built / "src/my_models.py").read_bytes() == module.read_bytes()
    answer, _ = answered(built, tmp_path)
    assert answer["probabilities"] == {"negative": 0.5, "positive": 0.5}
    del sys.modules["my_models"]
