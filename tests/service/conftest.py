"""Tests over real HTTP: `bentoml serve` in a process of its own, with a model trained on the bundled sample."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from playwright.sync_api import Page, sync_playwright

from sentiment.config.load import load_config
from sentiment.config.train import TrainConfig
from sentiment.data.clean import clean
from sentiment.data.read import read
from sentiment.data.reviews import Reviews
from sentiment.data.split import split
from sentiment.home import PROJECT
from sentiment.kinds.linear import LinearConfig
from sentiment.pages import html
from sentiment.text.normalise import TextNormaliser
from sentiment.training.linear import train_linear
from tests.ports import free_port

SECONDS_TO_START = 60
VERSION = "7"


@dataclass(frozen=True)
class RunningServer:
    url: str
    process: psutil.Process
    log: Path

    def client(self, **headers: str) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def rss(self) -> int:
        return sum(each.memory_info().rss for each in [self.process, *self.process.children(recursive=True)])


StartServer = Callable[..., AbstractContextManager[RunningServer]]


@pytest.fixture(scope="session")
def reviews() -> Reviews:
    """The rows the model was trained on."""
    config = load_config(Path("configs/train.yaml"), TrainConfig)
    raw, _ = read(config.dataset)
    cleaned, _ = clean(raw, TextNormaliser())
    return split(cleaned, config.split).train


@pytest.fixture(scope="session")
def model_dir(reviews: Reviews, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with served.json beside it."""
    folder = tmp_path_factory.mktemp("champion") / "model"
    save_model(folder, reviews, version=VERSION, max_ngram=3)
    return folder


@pytest.fixture(scope="session")
def candidate_dir(reviews: Reviews, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second model, which sees shorter n-grams and so disagrees now and then."""
    folder = tmp_path_factory.mktemp("candidate") / "model"
    save_model(folder, reviews, version="8", max_ngram=2)
    return folder


def save_model(folder: Path, reviews: Reviews, *, version: str, max_ngram: int) -> None:
    config = LinearConfig(name="linear", max_ngram=max_ngram)
    train_linear(config, reviews, reviews, normaliser=TextNormaliser(), seed=42).save(folder)
    served = {
        "model_name": "sentiment",
        "version": version,
        "data_digest": "0" * 64,
        "git_commit": "1" * 40,
        "metrics": {"macro_f1": 0.81, "accuracy": 0.82},
        "dataset": "the bundled sample",
        "trained": "2026-11-01T09:00:00Z",
        "gate": "approved",
        "promotion": "by kim: better on the test rows",
        "card": "# Sentiment\n\nTrained on the bundled sample.",
    }
    (folder.parent / "served.json").write_text(json.dumps(served), encoding="utf-8")
    report = html.page("sentiment 7", html.section("Checks", html.paragraph("All passed.")), languages=True)
    (folder.parent / "report.html").write_text(report, encoding="utf-8")


@pytest.fixture(scope="session")
def start_server(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """`with start_server(SENTIMENT_API_KEY=...) as server:` serves the model with these settings, and ends it."""

    @contextmanager
    def start(**settings: str) -> Iterator[RunningServer]:
        state = tmp_path_factory.mktemp("server")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SENTIMENT_")},
            "BENTOML_HOME": str(state / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "1",
            "SENTIMENT_HOME": str(state / "home"),
            "SENTIMENT_MODEL_DIR": str(model_dir),
            **settings,
        }
        port = free_port()
        command = [Path(sys.executable).with_name("bentoml"), "serve", "serving.service:Sentiment"]
        log = state / "log.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(port)],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = RunningServer(f"http://127.0.0.1:{port}", psutil.Process(process.pid), log)
        try:
            _wait_until_ready(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                for left in _group(process.pid):
                    left.kill()

    return start


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Iterator[RunningServer]:
    """One server for the tests that change no setting."""
    with start_server() as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: the browser tests drive the machine's own, because downloads are no part of a test."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "The browser tests need Chromium on the PATH: apt-get install -y chromium fonts-noto-cjk"
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator:
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be set up by root, which is who runs tests in a container.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server) -> Iterator[Page]:
    """A page in Korean that must log no error and ask no other origin."""
    context = browser.new_context(locale="ko-KR", accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    allowed = (server.url, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(allowed) else problems.append(asked.url))
    page.goto(server.url)
    yield page
    assert problems == []
    context.close()


def _wait_until_ready(server: RunningServer, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"The server did not start:\n{server.log.read_text()[-3000:]}")


def _group(leader: int) -> list[psutil.Process]:
    """What is left of the server's process group; it leads one of its own."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader:
                left.append(process)
        except ProcessLookupError:
            continue
    return left
