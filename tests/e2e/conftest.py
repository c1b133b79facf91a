"""End-to-end tests run `python run.py` as a user does, in processes of their own, against a ZenML of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sentiment.config.load import PROJECT


@dataclass(frozen=True)
class Run:
    """Calls run.py with these arguments; all calls of a module share one fresh ZenML and one fresh project home."""

    state: dict[str, str]

    def __call__(self, *arguments: str, cwd: Path = PROJECT, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *arguments],
            cwd=cwd,
            env={**os.environ, **self.state, **variables},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("state")
    names = {"ZENML_CONFIG_PATH": "zenml", "SENTIMENT_HOME": "home"}
    return Run({**{name: str(folder / place) for name, place in names.items()}, "COLUMNS": "200"})
