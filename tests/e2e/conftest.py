"""End-to-end tests run `python run.py` as a user does, in processes of their own, against a ZenML of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sentiment.config.load import PROJECT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Call run.py with these arguments; all calls of a module share one fresh ZenML and one fresh project home."""
    state = tmp_path_factory.mktemp("state")
    environ = {
        **os.environ,
        "ZENML_CONFIG_PATH": str(state / "zenml"),
        "SENTIMENT_HOME": str(state / "home"),
        "COLUMNS": "200",
    }

    def call(*arguments: str, cwd: Path = PROJECT, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(PROJECT / "run.py"), *arguments],
            cwd=cwd,
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    return call
