"""Promotions at the same moment through a real `mlflow server`, where a tag of the model is the lock."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from sentiment.errors import GateError, StackError
from sentiment.lifecycle import Lifecycle, claim
from sentiment.registry import Registry
from sentiment.registry.records import ModelVersion
from tests.code.registries import at_once, register, require_a_chain

SECONDS_TO_START = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except (URLError, OSError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 9)
        process.wait(30)


def lifecycle_of(server: str, tmp_path: Path, name: str = "sentiment") -> Lifecycle:
    return Lifecycle(Registry(server, name), f"sqlite:///{tmp_path / 'journal.db'}")


def test_of_many_at_once_none_overwrites_another(server: str, tmp_path: Path) -> None:
    lifecycle = lifecycle_of(server, tmp_path)
    versions = [register(lifecycle, tmp_path, f"w{number}") for number in range(4)]
    lifecycle.promote(1, "the first", actor="ci")
    ends = at_once(server, f"sqlite:///{tmp_path / 'journal.db'}", versions[1:])
    require_a_chain(lifecycle.registry, ends, 1)
    assert [type(end) for end in ends.values()].count(ModelVersion) == 1
    assert [type(end) for end in ends.values()].count(GateError) == 2
    assert claim.CLAIM not in lifecycle.registry.client.get_registered_model("sentiment").tags


def test_a_claim_is_taken_over_from_the_dead_and_from_the_silent_only(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle = lifecycle_of(server, tmp_path, "claimed")
    client = lifecycle.registry.client
    monkeypatch.setattr(claim, "SETTLING_SECONDS", 0.5)
    version = register(lifecycle, tmp_path, "one")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()

    client.set_registered_model_tag("claimed", claim.CLAIM, f"{socket.gethostname()}/{ended.pid}/1")
    started = time.monotonic()
    lifecycle.promote(version, "the owner is dead", actor="kim")
    assert time.monotonic() - started < claim.STALE_SECONDS / 2

    client.set_registered_model_tag("claimed", claim.CLAIM, "another-host/1/1")
    monkeypatch.setattr(claim, "SECONDS_TO_WAIT", 1.0)
    with pytest.raises(StackError, match="is being changed by another-host/1/1"):
        lifecycle.archive(register(lifecycle, tmp_path, "two"), "unwanted", actor="kim")

    monkeypatch.setattr(claim, "SECONDS_TO_WAIT", 60.0)
    monkeypatch.setattr(claim, "STALE_SECONDS", 4.0)
    assert lifecycle.settle() is not None  # the candidate's alias was not set
    assert [each.status for each in lifecycle.registry.versions()] == ["champion", "candidate"]


def test_who_was_overwritten_meanwhile_writes_no_more(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle = lifecycle_of(server, tmp_path, "overwritten")
    monkeypatch.setattr(claim, "SETTLING_SECONDS", 0.3)
    register(lifecycle, tmp_path, "one")
    with claim.working() as owner, claim.alone(lifecycle.registry, owner) as check:
        check()
        lifecycle.registry.client.set_registered_model_tag("overwritten", claim.CLAIM, "another-host/1/1")
        with pytest.raises(StackError, match="too slowly"):
            check()
    assert lifecycle.registry.client.get_registered_model("overwritten").tags[claim.CLAIM] == "another-host/1/1"
