"""The `bentoml_local` deployer with a small stand-in service, in a ZenML of its own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from zenml.client import Client
from zenml.config.global_config import GlobalConfiguration

from benchmarks.load import Load
from sentiment.config.stack import StackConfig
from sentiment.errors import StackError
from sentiment.home import PROJECT
from stacks.bentoml_local.deployer import BentoMLLocalDeployer
from stacks.bentoml_local.process import ServerProcess, bind
from stacks.bentoml_local.service import SwitchableService, SwitchableServiceConfig
from stacks.catalogue import load_stack
from stacks.ensure import use_stack
from stacks.model_deployer import Check, RolledOut, active_deployer, no_check

STAND_IN = """
import asyncio, os, time
import bentoml
from fastapi import FastAPI, Request

NAMES = ("BENTOML_HOME", "PROMETHEUS_MULTIPROC_DIR", "PYTHONPATH", "SENTIMENT_API_KEY")
app = FastAPI()
if os.environ.get("STAND_IN") == "crash":
    raise RuntimeError("the weights are missing, ask kim@example.com")
if os.environ.get("STAND_IN") == "hang":
    time.sleep(600)

@app.post("/predict")
async def predict(body: dict) -> dict:
    await asyncio.sleep(body.get("seconds", 0))
    return {"prediction_id": "1", "prediction": "positive", "model_version": os.environ["VERSION"]}

@app.get("/environment")
async def environment() -> dict:
    return {name: os.environ.get(name) for name in NAMES}

@bentoml.service(name="stand_in")
@bentoml.asgi_app(app)
class StandIn:
    pass
"""


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BentoML serves a folder with a bentofile as it serves a built Bento."""
    folder = tmp_path_factory.mktemp("stand_in") / "stand-in"
    folder.mkdir()
    (folder / "service.py").write_text(STAND_IN)
    (folder / "bentofile.yaml").write_text("service: service:StandIn\n")
    return folder


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    root = tmp_path_factory.mktemp("deployer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZENML_CONFIG_PATH", str(root / "zenml"))
        patch.setenv("SENTIMENT_HOME", str(root / "home"))
        GlobalConfiguration._reset_instance()
        Client._reset_instance()
        with use_stack(load_stack("laptop")):
            yield
        _require_no_server(root)
    GlobalConfiguration._reset_instance()
    Client._reset_instance()


@pytest.fixture
def deployer(stack: None) -> Iterator[BentoMLLocalDeployer]:
    """The active stack's; the test's servers are ended after it."""
    found = active_deployer()
    assert isinstance(found, BentoMLLocalDeployer)
    yield found
    for service in found.find_model_server():
        found.delete_model_server(service.uuid, force=True)
    _require_no_server(Path(found.local_path))


def _require_no_server(folder: Path) -> None:
    left = [
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if str(folder) in str((process.info["environ"] or {}).get("BENTOML_HOME", ""))
    ]
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def port() -> int:
    with bind("127.0.0.1", 0) as free:
        number: int = free.getsockname()[1]
        return number


def roll_out(
    deployer: BentoMLLocalDeployer, bento: Path, port: int, version: str, check: Check = no_check, **options: object
) -> RolledOut:
    environment = {"VERSION": version, **{k: v for k, v in options.items() if k == "STAND_IN"}}
    copy = bento.parent / f"{bento.name}-{time.monotonic_ns()}"
    copy.symlink_to(bento)  # every Bento has a version of its own
    return deployer.roll_out(
        copy,
        check,
        model_name="sentiment",
        model_version=version,
        environment=environment,  # type: ignore[arg-type]
        port=port,
        start_seconds=float(str(options.get("start_seconds", 30))),
    )


def version_at(port: int | None) -> str:
    return str(httpx.post(f"http://127.0.0.1:{port}/predict", json={"text": ""}).json()["model_version"])


def test_a_switch_under_load_loses_no_request(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    def check(url: str) -> None:
        seen.extend([version_at(urlsplit(url).port), version_at(port)])

    seen: list[str] = []
    first = roll_out(deployer, bento, port, "1")
    with Load(first.url, pause=0.005) as load:
        second = roll_out(deployer, bento, port, "2", check)
        time.sleep(0.3)
    assert load.failures == []
    assert load.versions == {"1", "2"}
    assert seen == ["2", "1"]  # while the new version was checked, the old one was the public one
    assert second.replaced == ("1",)
    assert [str(each.uuid) for each in deployer.find_model_server(running=True)] == [second.id]
    assert not Path(first.log).parent.exists()
    assert len(list((Path(deployer.local_path) / "bentos").iterdir())) == 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("crash", r"ended while it started(.|\n)*the weights are missing, ask \[EMAIL\]"),
        ("hang", "was not ready after 3 s"),
    ],
)
def test_a_version_that_does_not_start_leaves_the_old_one_serving(
    deployer: BentoMLLocalDeployer, bento: Path, port: int, broken: str, words: str
) -> None:
    first = roll_out(deployer, bento, port, "1")
    seconds = 3 if broken == "hang" else 30
    started = time.monotonic()
    with Load(first.url, pause=0.005) as load, pytest.raises(StackError, match=words):
        roll_out(deployer, bento, port, "2", STAND_IN=broken, start_seconds=seconds)
    assert time.monotonic() - started < seconds + 10
    assert load.failures == []
    assert load.versions == {"1"}
    assert [str(each.uuid) for each in deployer.find_model_server()] == [first.id]
    assert len(list((Path(deployer.local_path) / "bentos").iterdir())) == 1


def test_a_version_that_fails_its_check_is_never_public(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    def check(url: str) -> None:
        urls.append(url)
        raise StackError("The smoke test failed.")

    urls: list[str] = []
    first = roll_out(deployer, bento, port, "1")
    with Load(first.url, pause=0.005) as load, pytest.raises(StackError, match="smoke test"):
        roll_out(deployer, bento, port, "2", check)
    assert (load.failures, load.versions) == ([], {"1"})
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{urls[0]}/readyz")


def test_a_restart_refuses_no_caller_and_keeps_the_variables_of_whoever_deployed(
    deployer: BentoMLLocalDeployer, bento: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIMENT_API_KEY", "a-key")
    first = roll_out(deployer, bento, port, "1")
    monkeypatch.delenv("SENTIMENT_API_KEY")
    (server,) = deployer.servers("sentiment")
    assert deployer.servers("another") == []
    before = server.running()
    with Load(first.url, pause=0.005) as load:
        server.restart()
    after = server.running()
    assert (load.failures, load.versions) == ([], {"1"})
    assert before is not None
    assert after is not None
    assert before.what != after.what
    assert httpx.get(f"{first.url}/environment").json()["SENTIMENT_API_KEY"] == "a-key"

    server.stop()
    assert server.running() is None
    server.stop()
    server.restart()
    assert version_at(port) == "1"
    (Path(server.config.bento_uri)).rename(Path(server.config.bento_uri).with_name("gone"))
    server.stop()
    with pytest.raises(StackError, match=rf"is gone: (.|\n)*deploy --set model_name=sentiment --set port={port}$"):
        server.restart()


def test_requests_in_flight_and_idle_connections_survive_the_switch(
    deployer: BentoMLLocalDeployer, bento: Path, port: int
) -> None:
    roll_out(deployer, bento, port, "1")
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    assert _post(idle) == ("1", None)

    def ask_slowly() -> None:
        answers.append(httpx.post(f"http://127.0.0.1:{port}/predict", json={"seconds": 4}, timeout=30).json())

    answers: list[dict[str, str]] = []
    slow = threading.Thread(target=ask_slowly)
    slow.start()
    replaced = threading.Thread(target=lambda: roll_out(deployer, bento, port, "2"))
    replaced.start()
    deadline = time.monotonic() + 30
    while version_at(port) == "1" and time.monotonic() < deadline:
        assert _post(idle)[0] == "1"
        time.sleep(0.1)
    time.sleep(0.2)
    if idle.sock is not None:  # else its last answer already said that the connection closes
        assert _post(idle) == ("1", "close")
    replaced.join()
    slow.join()
    assert [each["model_version"] for each in answers] == ["1"]
    assert _post(idle)[0] == "2"
    idle.close()


def _post(connection: http.client.HTTPConnection) -> tuple[str, str | None]:
    connection.request("POST", "/predict", json.dumps({}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return json.loads(response.read())["model_version"], response.headers["Connection"]


def test_a_taken_port_is_one_error_and_no_other_port_is_used(
    deployer: BentoMLLocalDeployer, bento: Path, port: int
) -> None:
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StackError, match=f"port {port} of 127.0.0.1"):
        roll_out(deployer, bento, port, "1")
    assert deployer.find_model_server() == []


def test_stop_start_and_delete_as_zenml_does_them(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    rolled_out = roll_out(deployer, bento, port, "1")
    (service,) = deployer.find_model_server()
    assert service.SERVICE_TYPE.name == "bentoml-local-deployment"
    assert deployer.get_model_server_info(service)["DAEMON_PID"] == str(service.status.pid)  # type: ignore[attr-defined]
    assert service.get_prediction_url() == f"http://127.0.0.1:{port}/"

    deployer.stop_model_server(service.uuid)
    assert not deployer.find_model_server()[0].is_running
    with pytest.raises(httpx.ConnectError):
        version_at(port)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(RuntimeError, match=f"port {port}"):
        deployer.start_model_server(service.uuid)
    deployer.start_model_server(service.uuid)
    assert version_at(port) == "1"
    assert any("Application startup complete" in line for line in deployer.get_model_server_logs(service.uuid))

    deployer.delete_model_server(service.uuid)
    assert deployer.find_model_server() == []
    assert not Path(rolled_out.log).exists()


def test_a_killed_server_is_replaced(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    roll_out(deployer, bento, port, "1")
    (service,) = deployer.find_model_server()
    os.kill(service.status.pid, signal.SIGKILL)  # type: ignore[attr-defined]
    second = roll_out(deployer, bento, port, "2")
    assert (version_at(port), second.replaced) == ("2", ("1",))


def test_every_server_has_its_own_bentoml_home(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    rolled_out = roll_out(deployer, bento, port, "1")
    found = httpx.get(f"{rolled_out.url}/environment").json()
    own = Path(rolled_out.log).parent
    assert found == {
        "BENTOML_HOME": str(own / "bentoml"),
        "PROMETHEUS_MULTIPROC_DIR": str(own / "metrics"),
        "PYTHONPATH": None,
        "SENTIMENT_API_KEY": None,
    }
    assert (own.stat().st_mode & 0o077) == 0


def test_zenmls_own_deploy_model_switches_too(deployer: BentoMLLocalDeployer, bento: Path, port: int) -> None:
    roll_out(deployer, bento, port, "1")
    config = SwitchableServiceConfig(
        model_name="other",
        model_uri=str(bento),
        bento_uri=str(bento),
        bento_tag="stand-in:2",
        port=port,
        environment={"VERSION": "2"},
    )
    service = deployer.deploy_model(config, SwitchableService.SERVICE_TYPE, timeout=30)
    assert service.is_running
    assert version_at(port) == "2"
    deployer.delete_model_server(service.uuid)
    assert bento.is_dir()  # not the deployer's to delete


def test_a_candidate_ends_with_the_process_that_started_it(bento: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from stacks.bentoml_local.process import ServerProcess\n"
        "p = ServerProcess(Path(sys.argv[2])); p.wait_ready(p.launch(Path(sys.argv[1]), {'VERSION': '1'}, 5), 30)\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(bento), str(tmp_path / "state")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )
    assert starter.stdout
    assert starter.stdout.readline() == b"ready\n"
    candidate = ServerProcess(tmp_path / "state")
    assert candidate.pid is not None
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert candidate.wait_gone(5)


def test_a_stack_without_a_deployer_is_one_error(stack: None) -> None:
    laptop = load_stack("laptop")
    components = {kind: each for kind, each in laptop.components.items() if kind != "model_deployer"}
    without = StackConfig(name="without", description="", components=components)
    with use_stack(without), pytest.raises(StackError, match="'without' has no model deployer"):
        active_deployer()
