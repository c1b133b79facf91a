"""A fix that is printed is pasted, and gets further: ZenML's server that is gone, homes that were moved."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from sentiment.home import PROJECT
from tests.e2e.conftest import Run
from tests.ports import free_port


def fix_of(told: str) -> str:
    """The command of the first way out."""
    return told.partition("fix: ")[2].splitlines()[0].rpartition(": ")[2]


def test_a_lost_zenml_server_is_left_by_the_command_that_is_told(run: Run) -> None:
    config = Path(run.state["ZENML_CONFIG_PATH"])
    config.mkdir(parents=True)
    url = f"http://127.0.0.1:{free_port()}"
    (config / "config.yaml").write_text(f"version: 0.98.0\nstore:\n  type: rest\n  url: {url}\n", encoding="utf-8")
    assert "ZenML server" in run("stack", "doctor").stdout
    lost = run("monitor")
    assert lost.returncode == 4, lost.stderr
    assert f"error: ZenML server: The server {url} does not answer (Connection refused)" in lost.stderr
    assert "Traceback" not in lost.stderr
    assert run.shell(fix_of(lost.stderr)).returncode == 0
    assert run("stack", "up").returncode == 0


def test_homes_that_were_moved_work_after_the_command_that_is_told(run: Run) -> None:
    before = {name: Path(run.state[name]) for name in ("SENTIMENT_HOME", "ZENML_CONFIG_PATH")}
    (before["SENTIMENT_HOME"] / "mlflow-artifacts").mkdir(exist_ok=True)
    after = {name: str(path.rename(path.with_name(f"{path.name} moved"))) for name, path in before.items()}
    lost = run("monitor", **after)
    assert lost.returncode == 4
    assert f"was moved or copied from {before['SENTIMENT_HOME']}" in lost.stderr
    assert run("stack", "doctor", COLUMNS="500", **after).stdout.count("was moved or copied from") == 2
    renewed = run.shell(fix_of(lost.stderr), **after)
    assert renewed.returncode == 0, renewed.stderr
    assert renewed.stdout.count("paths were renewed") == 2
    assert run("models", "list", **after).returncode == 0
    assert not any(path.exists() for path in before.values())


def test_the_start_page_leads_to_zenml_and_ends_with_all_that_it_started(run: Run) -> None:
    config = Path(run.state["ZENML_CONFIG_PATH"]).with_name("zenml moved")
    state = {**run.state, "ZENML_CONFIG_PATH": str(config), "SENTIMENT_HOME": str(config.with_name("home moved"))}
    before = (config / "config.yaml").read_bytes()
    page = subprocess.Popen(
        [sys.executable, "run.py", "ui"], cwd=PROJECT, env={**os.environ, **state}, stdout=subprocess.PIPE, text=True
    )
    with page:
        assert page.stdout is not None
        found = re.match(r"(http://127\.0\.0\.1:\d+)/", page.stdout.readline())
        assert found is not None
        assert "No champion yet" in httpx.get(found[1], timeout=60).text
        dashboard = httpx.get(f"{found[1]}/zenml", timeout=90)
        url = dashboard.headers["location"].partition("/projects")[0]
        assert httpx.get(f"{url}/api/v1/info", timeout=30).json()["deployment_type"] == "local"
        page.send_signal(signal.SIGTERM)
        assert page.stdout.read().endswith("Stopped.\n")
    assert page.returncode == 0
    assert not answers(url)
    assert (config / "config.yaml").read_bytes() == before


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
