"""`make test-stacks`: the stacks beyond the laptop, against real servers on this machine. Not part of `make test`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sentiment.home import PROJECT
from tests.stacks.servers import Team, team_servers

Result = subprocess.CompletedProcess[str]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs a Docker daemon that has the training image")
    config.addinivalue_line("markers", "root: mounts a small file system")
    config.addinivalue_line("markers", "terraform: needs terraform and its AWS provider")


@dataclass(frozen=True)
class Machine:
    """Calls run.py with these arguments, as a person of the team on a machine of their own."""

    state: dict[str, str]

    def __call__(self, *arguments: str, **variables: str) -> Result:
        return subprocess.run(
            self.command(*arguments),
            cwd=PROJECT,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    @staticmethod
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "run.py", *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        return {**os.environ, **self.state, **variables}


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with team_servers(tmp_path_factory.mktemp("team")) as servers:
        yield servers


@pytest.fixture(scope="module")
def machine(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine that no one used before, with the team's variables set."""
    folder = tmp_path_factory.mktemp("machine")
    places = {"ZENML_CONFIG_PATH": "zenml", "SENTIMENT_HOME": "home"}
    state = {**{name: str(folder / place) for name, place in places.items()}, **team.environment}
    # A lost server is a failure within seconds here, not after minutes of trying.
    return Machine({**state, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "COLUMNS": "200"})
