"""A Bento out of model folders: the code that predicts, the models, and what is known about them.

In the Bento, `model/` and `served.json` are the champion's; `candidate/` holds the same two of a candidate.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sentiment.errors import SentimentError

PROJECT = Path(__file__).resolve().parents[1]
NAME = "sentiment"
SERVICE = "serving.service:Sentiment"
CANDIDATE_DIR = Path("candidate/model")

# What prediction needs of `sentiment`; a test imports the service from these files alone.
CODE = (
    "serving/**/*",
    "sentiment/*.py",
    "sentiment/models/__init__.py",
    "sentiment/models/base.py",
    "sentiment/models/folder.py",
    "sentiment/stats/__init__.py",
    "sentiment/stats/metrics.py",
    "sentiment/store/**/*",
    "sentiment/text/*.py",
)
CODE_OF_KIND = {
    "linear": ("sentiment/models/linear.py", "sentiment/models/ngrams.py"),
    "majority": ("sentiment/models/majority.py",),
    "onnx": ("sentiment/models/batches.py", "sentiment/models/onnx.py"),
    "transformer": ("sentiment/models/*.py",),
}
NOT_SERVED = ("serving/bento.py",)

# uvicorn takes httptools and uvloop where it finds them: 0.03 instead of 0.13 ms of processor time a request.
PACKAGES = (
    "alembic",
    "bentoml",
    "fastapi",
    "filelock",
    "httptools",
    "httpx",
    "numpy",
    "polars",
    "prometheus-client",
    "psycopg",
    "psycopg-binary",
    "pydantic",
    "pydantic-settings",
    "python-multipart",
    "sqlalchemy",
    "uvloop",
)
PACKAGES_OF_KIND = {
    "linear": ("safetensors",),
    "majority": (),
    "onnx": ("onnxruntime", "tokenizers"),
    "transformer": ("safetensors", "tokenizers", "torch", "transformers"),
}


class BentoModel(NamedTuple):
    """A model folder and the content of its `served.json`."""

    folder: Path
    kind: str
    served: Mapping[str, Any]


def build_bento(
    into: Path,
    champion: BentoModel,
    candidate: BentoModel | None = None,
    *,
    bento_version: str,
    labels: Mapping[str, str],
) -> Path:
    """Build the Bento in a BentoML home inside `into`; returns the Bento's folder.

    Raises SentimentError with what BentoML said when it does not build.
    """
    context = into / "context"
    models = [model for model in (champion, candidate) if model]
    kinds = {model.kind for model in models}
    _copy_code([*CODE, *(pattern for kind in kinds for pattern in CODE_OF_KIND[kind])], context)
    _copy_model(champion, context)
    if candidate:
        _copy_model(candidate, context / CANDIDATE_DIR.parent)
    bentofile = {
        "service": SERVICE,
        "name": NAME,
        "labels": dict(labels),
        "include": ["*"],
        "python": {"packages": requirements(kinds), "lock_packages": False},
    }
    (context / "bentofile.yaml").write_text(yaml.safe_dump(bentofile, allow_unicode=True), encoding="utf-8")
    home = into / "bentoml"
    # A process of its own: BentoML imports the service from the context, and here `serving` is the checkout's.
    result = subprocess.run(
        [sys.executable, "-P", "-m", "bentoml", "build", str(context), "--version", bento_version, "--output", "tag"],
        env={**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "true", "PYTHONPATH": str(context)},
        cwd=context,
        capture_output=True,
        text=True,
        check=False,
    )
    bento = home / "bentos" / NAME / bento_version
    if result.returncode != 0 or not bento.is_dir():
        said = "\n".join((result.stdout + result.stderr).splitlines()[-15:])
        raise SentimentError(f"BentoML could not build the Bento.\n{said}")
    return bento


def requirements(kinds: set[str]) -> list[str]:
    """The packages that serve models of these kinds, pinned to what is installed here."""
    names = {*PACKAGES, *(name for kind in kinds for name in PACKAGES_OF_KIND[kind])}
    return [f"{name}=={version(name).partition('+')[0]}" for name in sorted(names)]


def _copy_code(patterns: Sequence[str], context: Path) -> None:
    for path in sorted({path for pattern in patterns for path in PROJECT.glob(pattern)}):
        name = path.relative_to(PROJECT)
        if path.is_file() and "__pycache__" not in name.parts and name.as_posix() not in NOT_SERVED:
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, context / name)


def _copy_model(model: BentoModel, into: Path) -> None:
    shutil.copytree(model.folder, into / "model")
    (into / "served.json").write_text(json.dumps(dict(model.served), ensure_ascii=False, indent=2), encoding="utf-8")
