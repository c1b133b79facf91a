"""What may happen to a team's servers: one sentence, nothing half-registered, and the same command goes on."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from mlflow.tracking import MlflowClient

from tests.ports import free_port
from tests.stacks.conftest import Machine, Result
from tests.stacks.servers import Team

STACK_ERROR = 4


def train(model_name: str, seed: int = 42) -> tuple[str, ...]:
    """With a seed of its own, nothing that is trained is in the cache."""
    settings = ("--set", f"model_name={model_name}", "--set", f"seed={seed}")
    return ("--stack", "hybrid", "--pipeline", "train", *settings)


def sentence(result: Result) -> str:
    """The error, which is one line and a fix, without a traceback."""
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    lines = " ".join(result.stderr.split())
    assert lines.startswith("error:"), lines
    return lines


def versions(team: Team, monkeypatch: pytest.MonkeyPatch, name: str) -> int:
    for variable in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(variable, team.environment[variable])
    return len(MlflowClient(team.mlflow.url, team.mlflow.url).search_model_versions(f"name = '{name}'"))


@contextmanager
def running(machine: Machine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; it has ended when the block has."""
    with subprocess.Popen(
        machine.command(*arguments),
        env=machine.environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def after(process: subprocess.Popen[str], step: str) -> None:
    """Wait until `step` has ended."""
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if f"✓ {step} " in line:
            return
    raise AssertionError("".join(seen))


def finished(process: subprocess.Popen[str]) -> Result:
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def test_a_wrong_password_is_found_before_anything_runs(machine: Machine) -> None:
    result = machine(*train("refused"), MLFLOW_TRACKING_PASSWORD="expired")
    assert result.returncode == STACK_ERROR
    assert "It refuses the credentials (HTTP 401)" in sentence(result)
    assert "expired" not in result.stdout + result.stderr


def test_a_bucket_that_is_not_there_is_found_with_the_command_that_makes_it(machine: Machine) -> None:
    error = sentence(machine(*train("refused"), SENTIMENT_BUCKET="no-such-bucket"))
    assert "has no such bucket" in error
    assert "aws s3 mb s3://no-such-bucket" in error


def test_storage_that_does_not_answer_is_found(machine: Machine) -> None:
    result = machine(*train("refused"), AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{free_port()}")
    assert result.returncode == STACK_ERROR
    assert "does not answer" in sentence(result)


def test_a_variable_that_is_not_set_is_found(machine: Machine) -> None:
    assert "variable MLFLOW_TRACKING_PASSWORD: It is not set." in sentence(
        machine(*train("refused"), MLFLOW_TRACKING_PASSWORD="")
    )


def test_mlflow_lost_during_a_run(machine: Machine, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(machine, *train("lost", 1)) as process:
        after(process, "train_linear")
        team.mlflow.stop()
        result = finished(process)
    team.mlflow.start()
    assert result.returncode == STACK_ERROR
    assert f"The server {team.mlflow.url} does not answer" in sentence(result)
    assert versions(team, monkeypatch, "lost") == 0

    again = machine(*train("lost", 1))
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"✓ train_linear .*cached", again.stdout)
    assert versions(team, monkeypatch, "lost") == 1


def test_credentials_that_expire_during_a_run(machine: Machine, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        with running(machine, *train("expired", 2)) as process:
            after(process, "train_linear")
            expire_after(team, 0)
            result = finished(process)
    finally:
        expire_after(team, 1_000_000)
    assert result.returncode == STACK_ERROR
    assert f"{team.s3} refuses the credentials" in sentence(result)
    assert versions(team, monkeypatch, "expired") == 0
    again = machine(*train("expired", 2))
    assert again.returncode == 0, again.stdout + again.stderr
    assert versions(team, monkeypatch, "expired") == 1


def expire_after(team: Team, requests: int) -> None:
    """Let the stand-in take any credentials for so many requests, and then none that it does not know."""
    url, body = f"{team.s3}/moto-api/reset-auth", str(requests).encode()
    urlopen(Request(url, body, {"Content-Type": "text/plain"})).close()  # noqa: S310 - http


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.root
def test_a_small_disk_is_found_before_anything_runs(machine: Machine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", "4m") as disk:
        result = machine(*train("full"), SENTIMENT_HOME=str(disk / "home"))
    assert result.returncode == STACK_ERROR
    assert "disk: Only 0.0 GB free" in sentence(result)


@pytest.mark.root
def test_a_disk_that_is_full_during_a_run(
    machine: Machine, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "small", "64k") as disk:
        result = machine(*train("full", 3), TMPDIR=str(disk))
    assert "No space left on device" in sentence(result)
    assert versions(team, monkeypatch, "full") == 0
    again = machine(*train("full", 3))
    assert again.returncode == 0, again.stdout + again.stderr
    assert versions(team, monkeypatch, "full") == 1
