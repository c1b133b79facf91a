"""What starts the pipelines elsewhere: the cron wrapper, the crontab, and the Airflow DAG as far as text can tell."""

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pipelines.common.naming import pipeline_names
from sentiment.home import PROJECT

CRON = PROJECT / "deploy" / "cron"
DAG = PROJECT / "deploy" / "airflow" / "sentiment_ops_dag.py"


class Project:
    """A project folder whose Python is a shell script with this body, and the wrapper in its place."""

    def __init__(self, folder: Path, body: str) -> None:
        self.home = folder / "home"
        self.wrapper = folder / "project" / "deploy" / "cron" / "run-pipeline"
        self.wrapper.parent.mkdir(parents=True)
        shutil.copy(CRON / "run-pipeline", self.wrapper)
        python = folder / "project" / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f"#!/bin/sh\n{body}\n")
        python.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        # As bare as cron's.
        environment = {"PATH": os.defpath, "HOME": str(self.home), **variables}
        return subprocess.run(
            [self.wrapper, *arguments],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def log(self, pipeline: str) -> str:
        return (self.home / ".sentiment-ops" / "logs" / f"cron-{pipeline}.log").read_text()


def test_cron_runs_the_pipeline_and_keeps_log_and_exit_code(tmp_path: Path) -> None:
    project = Project(tmp_path, 'echo "$PWD: $*"; echo gone wrong >&2; exit 4')
    run = project.run("monitor", "--act")
    assert (run.returncode, run.stdout, run.stderr) == (4, "", "")
    lines = project.log("monitor").splitlines()
    assert lines[0].endswith("Z monitor: started")
    assert lines[1:3] == [f"{tmp_path}/project: run.py --stack laptop --pipeline monitor --act", "gone wrong"]
    assert lines[3].endswith("Z monitor: ended with exit code 4")


def test_a_run_that_still_goes_on_is_not_joined_by_another(tmp_path: Path) -> None:
    project = Project(tmp_path, "echo ran")
    folder = project.home / ".sentiment-ops"
    folder.mkdir(parents=True)
    with (folder / "cron-score.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert project.run("score").returncode == 75
        assert project.run("monitor").returncode == 0
    assert "left out, the run before still goes on" in project.log("score")
    assert project.run("score").returncode == 0
    assert project.log("score").count("ran\n") == 1


def test_what_a_run_leaves_running_does_not_hold_the_lock(tmp_path: Path) -> None:
    project = Project(tmp_path, "sleep 30 >/dev/null 2>&1 & echo $! > child")
    try:
        assert project.run("monitor").returncode == 0
        assert project.run("monitor").returncode == 0
    finally:
        os.kill(int((tmp_path / "project" / "child").read_text()), 9)


def test_variables_come_from_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    project = Project(tmp_path, 'echo "$SENTIMENT_DATABASE_URL on $*"')
    variables = tmp_path / "variables"
    variables.write_text("SENTIMENT_DATABASE_URL=postgresql://u@h/d\nSENTIMENT_STACK=hybrid\n")
    variables.chmod(0o640)
    refused = project.run("score", SENTIMENT_ENV=str(variables))
    assert refused.returncode == 2
    assert f"fix: chmod 600 {variables}" in refused.stderr

    variables.chmod(0o600)
    assert project.run("score", SENTIMENT_ENV=str(variables)).returncode == 0
    assert "postgresql://u@h/d on run.py --stack hybrid --pipeline score" in project.log("score")


def test_the_wrapper_says_how_it_is_used(tmp_path: Path) -> None:
    run = Project(tmp_path, "exit 0").run()
    assert run.returncode != 0
    assert "Usage: run-pipeline NAME" in run.stderr


def test_every_line_of_the_crontab_runs_a_pipeline_that_exists() -> None:
    text = (CRON / "sentiment-ops.cron").read_text()
    jobs = [line for line in text.splitlines() if line and not line.startswith("#") and "=" not in line.split()[0]]
    assert "RUN=/opt/sentiment-ops/deploy/cron/run-pipeline" in text
    assert os.access(CRON / "run-pipeline", os.X_OK)
    for job in jobs:
        found = re.fullmatch(r"(?:[\d*/,-]+ ){5}sentiment \$RUN (\w+)( --act)?", job)
        assert found, job
        assert found[1] in pipeline_names()
    assert len(jobs) == 2


def test_the_dag_needs_nothing_but_airflow_and_never_overlaps() -> None:
    tree = ast.parse(DAG.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        node.module.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported - set(sys.stdlib_module_names) == {"airflow"}
    (dag,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "DAG"]
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in dag.keywords}
    assert (options["catchup"], options["max_active_runs"]) == ("False", "1")


def test_the_dag_knows_the_exit_code_of_a_refusal() -> None:
    from sentiment.errors import GateError

    assert f"GATE_REFUSED = {GateError.exit_code} " in DAG.read_text(encoding="utf-8")
