"""End-to-end tests run `python run.py` as a user does, in processes of their own, against a ZenML of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sentiment.home import PROJECT

Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Run:
    """Calls run.py with these arguments; all calls of a module share one fresh ZenML and one fresh project home."""

    state: dict[str, str]

    def __call__(self, *arguments: str, cwd: Path = PROJECT, **variables: str) -> Result:
        return self._call([sys.executable, str(PROJECT / "run.py"), *arguments], cwd, variables)

    def shell(self, line: str, cwd: Path = PROJECT, **variables: str) -> Result:
        """Run a line as a user pastes it, with the virtual environment's commands on the PATH."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self._call(["bash", "-c", line], cwd, {"PATH": path, **variables})

    def servers(self) -> list[psutil.Process]:
        """The endpoints that were deployed and still run."""
        return [
            process
            for process in psutil.process_iter(["environ"])
            if str((process.info["environ"] or {}).get("BENTOML_HOME", "")).startswith(self.state["ZENML_CONFIG_PATH"])
        ]

    def _call(self, command: list[str], cwd: Path, variables: dict[str, str]) -> Result:
        return subprocess.run(
            command,
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
