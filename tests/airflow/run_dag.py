"""The DAG in a real Airflow, as `airflow dags test` runs it: make test-airflow

Airflow has an environment of its own, and the name of this file keeps it out of `make test`. A stand-in for run.py
notes how it is called: what the pipelines do is tested elsewhere.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

DAG = Path(__file__).parents[2] / "deploy" / "airflow" / "sentiment_ops_dag.py"
AIRFLOW = os.environ["AIRFLOW"]
STAND_IN = """
import json, sys
from pathlib import Path
with Path("calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(Path(sys.argv[4]).read_text()))
"""


@dataclass
class Airflow:
    """An Airflow of its own whose project is the stand-in."""

    project: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AIRFLOW, *arguments], env=self.environment, capture_output=True, text=True, timeout=280, check=False
        )

    def ends_with(self, *, score: int, monitor: int) -> None:
        """The exit codes of the stand-in."""
        (self.project / "score").write_text(str(score))
        (self.project / "monitor").write_text(str(monitor))

    def calls(self) -> list[list[str]]:
        """What run.py was called with."""
        return [json.loads(line) for line in (self.project / "calls").read_text().splitlines()]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    folder = tmp_path_factory.mktemp("airflow")
    project = folder / "project"
    project.mkdir()
    (project / "run.py").write_text(STAND_IN)
    dags = folder / "dags"
    dags.mkdir()
    shutil.copy(DAG, dags)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")}
    airflow = Airflow(
        project,
        {
            **kept,
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW_VAR_SENTIMENT_OPS_PROJECT": str(project),
            "AIRFLOW_VAR_SENTIMENT_OPS_PYTHON": sys.executable,
            "AIRFLOW_VAR_SENTIMENT_OPS_STACK": "hybrid",
        },
    )
    migrated = airflow("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    return airflow


def test_the_dag_is_read_without_an_error(airflow: Airflow) -> None:
    errors = airflow("dags", "list-import-errors", "--local")
    assert "No data found" in errors.stdout, errors.stdout + errors.stderr[-3000:]


def test_it_scores_and_then_monitors(airflow: Airflow) -> None:
    airflow.ends_with(score=0, monitor=3)
    run = airflow("dags", "test", "sentiment_ops")
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert airflow.calls() == [
        ["--stack", "hybrid", "--pipeline", "score", "--config", "configs/score.yaml"],
        ["--stack", "hybrid", "--pipeline", "monitor", "--act"],
    ]
    # A refusal by the gate is an answer, not a failure.
    assert "skipped" in (run.stdout + run.stderr).lower()
