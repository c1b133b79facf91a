"""Deploy, switch under load, fail, roll back, stop and delete: run.py and zenml as a user calls them."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.load import Load
from sentiment.home import PROJECT
from tests.e2e.conftest import Run

PAUSE = 0.02  # of each of 8 clients: leaves the two cores of a small machine to the deployment
LINEAR = ("--pipeline", "train", "--set", "candidates=[linear]")


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
        return number


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left(run: Run) -> Iterator[None]:
    yield
    left = run.servers()
    for process in left:
        process.kill()
    assert not left


@pytest.fixture(scope="module")
def first(run: Run, port: int) -> subprocess.CompletedProcess[str]:
    trained = run(*LINEAR)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    return run("--pipeline", "deploy", "--set", f"port={port}")


def test_the_champion_is_served_and_the_printed_curl_works(
    run: Run, first: subprocess.CompletedProcess[str], port: int
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    for step in ("fetch_champion", "export_champion", "roll_out"):
        assert re.search(rf"✓ {step} .*\d s", first.stdout), step
    assert f"Serving sentiment version 1 (linear) at http://127.0.0.1:{port}" in first.stdout
    commands = [line.strip() for line in first.stdout.splitlines() if line.strip().startswith("curl")]
    assert len(commands) == 2
    for command in commands:
        answer = json.loads(subprocess.run(shlex.split(command), capture_output=True, check=True).stdout)
        assert answer["prediction"] == "positive"
        assert answer["model_version"] == "1"
    assert "Traceback" not in first.stdout + first.stderr


def test_the_page_and_the_card_are_there(first: subprocess.CompletedProcess[str], port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    assert "<html" in httpx.get(url).text
    card = httpx.get(f"{url}/model").json()
    assert (card["model_name"], card["version"], card["kind"]) == ("sentiment", "1", "linear")
    assert card["metrics"]["macro_f1"] > 0.7
    assert "#" in card["card"]


def test_serve_says_what_runs(run: Run, first: subprocess.CompletedProcess[str], port: int) -> None:
    assert " deploy --rollback" not in first.stdout  # there is no champion before this one
    told = run("serve", "status")
    assert told.returncode == 0, told.stderr
    assert re.search(rf"sentiment version 1 at http://127\.0\.0\.1:{port}\n  runs +process \d+, since 20", told.stdout)
    assert "Application startup complete." in run("serve", "logs", "-n", "20").stdout


def test_a_version_that_does_not_start_costs_no_request(
    run: Run, first: subprocess.CompletedProcess[str], port: int
) -> None:
    with Load(f"http://127.0.0.1:{port}", pause=PAUSE) as load:
        failed = run("--pipeline", "deploy", "--set", f"port={port}", "--set", "start_seconds=0.05")
    assert failed.returncode == 4, failed.stdout + failed.stderr
    assert "was not ready" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert load.failures == []
    assert load.versions == {"1"}
    assert len(run.servers()) == 1


def test_a_new_champion_takes_over_under_load(run: Run, first: subprocess.CompletedProcess[str], port: int) -> None:
    run(*LINEAR, "--set", "dataset.sample_rate=0.5")
    assert run("models", "promote", "2", "--reason", "drill", "--force").returncode == 0
    with Load(f"http://127.0.0.1:{port}", pause=PAUSE) as load:
        second = run("--pipeline", "deploy", "--set", f"port={port}")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "after version 1" in second.stdout
    assert load.failures == []
    assert load.versions == {"1", "2"}
    assert len(run.servers()) == 1


def test_a_roll_back_that_cannot_be_deployed_changes_no_champion(
    run: Run, first: subprocess.CompletedProcess[str], port: int
) -> None:
    failed = run("--pipeline", "deploy", "--rollback", "--set", f"port={port}", "--set", "start_seconds=0.05")
    assert failed.returncode == 4, failed.stdout + failed.stderr
    versions = run("models", "list").stdout
    assert re.search(r"^ *2 +champion", versions, re.M), versions
    assert "promoted 2, after 1" in versions
    assert httpx.get(f"http://127.0.0.1:{port}/model").json()["version"] == "2"


def test_roll_back_deploys_the_champion_before(run: Run, first: subprocess.CompletedProcess[str], port: int) -> None:
    with Load(f"http://127.0.0.1:{port}", pause=PAUSE) as load:
        back = run("--pipeline", "deploy", "--rollback", "--reason", "drill over", "--set", f"port={port}")
    assert back.returncode == 0, back.stdout + back.stderr
    assert "Serving sentiment version 1 (linear)" in back.stdout
    assert load.failures == []
    assert load.versions == {"1", "2"}
    assert "drill over" in run("models", "list").stdout


def test_zenml_lists_describes_stops_starts_and_deletes_it(
    run: Run, first: subprocess.CompletedProcess[str], port: int
) -> None:
    def zenml(*arguments: str) -> str:
        result = subprocess.run(
            [str(Path(sys.executable).parent / "zenml"), *arguments],
            env={**os.environ, **run.state, "PYTHONPATH": "."},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return result.stdout + result.stderr

    zenml("stack", "set", "laptop")
    (found,) = set(re.findall(r"[0-9a-f]{8}-[-0-9a-f]{27}", zenml("model-deployer", "models", "list")))
    described = zenml("model-deployer", "models", "describe", found)
    assert f"http://127.0.0.1:{port}/readyz" in described
    assert "sentiment:v1-" in described
    zenml("model-deployer", "models", "stop", found)
    assert run.servers() == []
    zenml("model-deployer", "models", "start", found)
    assert httpx.get(f"http://127.0.0.1:{port}/model").json()["version"] == "1"
    zenml("model-deployer", "models", "delete", found)
    assert "No served models" in zenml("model-deployer", "models", "list")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "traffic.mod=canary"], 2, "mode"),
        (["--set", "model_name=nobody"], 1, "nobody has no champion"),
        (["--set", "traffic.mode=canary"], 1, "sentiment has no candidate"),
        (["--set", "traffic.mode=shadow", "--set", "traffic.version=1"], 1, "cannot stand beside itself"),
        (["--set", "traffic.mode=shadow", "--set", "traffic.version=99"], 2, "sentiment has no version 99"),
        (["--stack", "labtop"], 4, "laptop"),
        (["--rollback"], 3, "no earlier champion"),
    ],
)
def test_a_mistake_ends_in_one_sentence(
    run: Run, first: subprocess.CompletedProcess[str], arguments: list[str], code: int, words: str
) -> None:
    result = run("--pipeline", "deploy", *arguments)
    assert result.returncode == code, result.stdout + result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
