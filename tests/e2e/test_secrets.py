"""A training run on an address that holds a password and a signature leaves neither anywhere."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sentiment.home import PROJECT
from tests.e2e.conftest import Run

PASSWORD, SIGNATURE = "hunter2planted7", "signed7planted7by7nobody"
# What a machine has in its environment besides: no run has a use for these.
ENVIRONMENT = {
    "HF_TOKEN": "hf_planted7planted7planted7planted7",
    "SENTIMENT_API_KEY": "planted7the7key7of7the7endpoint",
    "AWS_SECRET_ACCESS_KEY": "planted7the7key7of7the7cloud",
}


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if "gone" in self.path else 200)
        self.end_headers()
        self.wfile.write((PROJECT / "data/sample/reviews.csv").read_bytes())

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


def test_nothing_that_a_run_writes_holds_what_opens_its_data(run: Run, host: str) -> None:
    address = f"http://me:{PASSWORD}@{host}/reviews.csv?X-Signature={SIGNATURE}"
    named = ("train", "--set", "candidates=[linear]", "--set", "dataset.path=${REVIEWS_URL}")
    refused = run("train", "--set", f"dataset.path={address}", **ENVIRONMENT)
    gone = run("train", "${REVIEWS_URL}", **ENVIRONMENT, REVIEWS_URL=address.replace("reviews", "gone"))
    done = run(*named, **ENVIRONMENT, REVIEWS_URL=address)
    assert refused.returncode == 2
    assert "environment variable" in refused.stderr
    assert gone.returncode == 5, gone.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    planted = [value.encode() for value in (PASSWORD, SIGNATURE, *ENVIRONMENT.values())]
    told = "".join(each.stdout + each.stderr for each in (refused, gone, done)).encode()
    assert not any(each in told for each in planted)
    files = [file for name in ("SENTIMENT_HOME", "ZENML_CONFIG_PATH") for file in Path(run.state[name]).rglob("*")]
    assert len(files) > 50
    for file in files:
        content = file.name.encode() + (_content(file) if file.is_file() else b"")
        assert not any(each in content for each in planted), file
    assert any(b"${env:REVIEWS_URL}" in _content(file) for file in files if file.name == "config.yaml")


def _content(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
