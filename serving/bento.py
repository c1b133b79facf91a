"""A Bento out of model folders: the code that predicts, the models, and what is known about them.

In the Bento, `model/`, `served.json` and `report.html` are the champion's; `candidate/` holds those of a candidate.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sentiment.closure import Closure, import_closure, versions
from sentiment.errors import SentimentError
from sentiment.home import PROJECT
from sentiment.kinds import kind_of, module_of
from serving.settings import REPORT_FILE

NAME = "sentiment"
SERVICE = "serving.service:Sentiment"
CANDIDATE_DIR = Path("candidate/model")

# What the service opens by its path, and no import names.
DATA = ("serving/page/**/*", "sentiment/store/migrations/**/*")
# What is installed besides the packages that the code imports.
PACKAGES = (
    "httptools",  # uvicorn takes it and uvloop where it finds them: 0.03 instead of 0.13 ms of processor time a request
    "uvloop",
    "python_multipart",  # FastAPI, for uploads
    "psycopg",  # SQLAlchemy, for a log in PostgreSQL
    "psycopg_binary",
)


class BentoModel(NamedTuple):
    """A model folder, the content of its `served.json`, and the report of the run that trained it, if there is one."""

    folder: Path
    kind: str
    served: Mapping[str, Any]
    report: str = ""


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
    _copy_code(served_code(kinds), context)
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


def served_code(kinds: Iterable[str]) -> Closure:
    """The code that serves models of these kinds: what the service imports, the classifiers and their kinds."""
    classifiers = [kind_of(kind).classifier.partition(":")[0] for kind in kinds]
    return import_closure([SERVICE.partition(":")[0], *classifiers, *map(module_of, kinds)])


def requirements(kinds: Iterable[str]) -> list[str]:
    """The packages that serve models of these kinds, pinned to what is installed here."""
    names = {*served_code(kinds).packages, *PACKAGES, *(name for kind in kinds for name in kind_of(kind).packages)}
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in versions(names).items()}
    return [f"{name}=={version.partition('+')[0]}" for name, version in sorted(found.items())]


def _copy_code(code: Closure, context: Path) -> None:
    # By module names: a user's own module goes to the root.
    files = {_file_of(module, path): path for module, path in code.files.items()}
    files |= {path.relative_to(PROJECT): path for pattern in DATA for path in PROJECT.glob(pattern)}
    for name, path in files.items():
        if path.is_file() and "__pycache__" not in name.parts:
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, context / name)


def _file_of(module: str, path: Path) -> Path:
    place = Path(*module.split("."))
    return place / path.name if path.name == "__init__.py" else place.with_suffix(".py")


def _copy_model(model: BentoModel, into: Path) -> None:
    shutil.copytree(model.folder, into / "model")
    (into / "served.json").write_text(json.dumps(dict(model.served), ensure_ascii=False, indent=2), encoding="utf-8")
    if model.report:
        (into / REPORT_FILE).write_text(model.report, encoding="utf-8")
