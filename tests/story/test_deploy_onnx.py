"""A transformer from training to the endpoint: exported, packed and served without the packages that trained it."""

import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Run

# As narrow and short as still beats the majority, so that the gate promotes it and no text is a toss-up.
COMPACT = {
    "epochs": 4,
    "learning_rate": 0.003,
    "batch_size": 32,
    "max_length": 48,
    "encoder.layers": 1,
    "encoder.hidden_size": 32,
    "encoder.attention_heads": 2,
    "encoder.intermediate_size": 64,
    "encoder.vocabulary_size": 1500,
    "encoder.pretrain_epochs": 0,
}
GATE = {"register_threshold": 0.5, "max_ece": 0.5, "min_slice_macro_f1": 0.1}


@dataclass(frozen=True)
class Deployed:
    result: subprocess.CompletedProcess[str]
    url: str


@pytest.fixture(scope="module")
def deployed(run: Run) -> Iterator[Deployed]:
    settings = {f"candidates.compact.{key}": value for key, value in COMPACT.items()}
    settings |= {f"gate.{key}": value for key, value in GATE.items()}
    options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    trained = run("--pipeline", "train", "--set", "candidates=[compact]", *options)
    assert "Promoted: compact" in trained.stdout, trained.stdout + trained.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = run("--pipeline", "deploy", "--set", f"port={port}")
    yield Deployed(result, f"http://127.0.0.1:{port}")
    for process in run.servers():
        process.kill()


def test_the_transformer_is_served_as_onnx(deployed: Deployed) -> None:
    assert deployed.result.returncode == 0, deployed.result.stdout + deployed.result.stderr
    assert re.search(r"✓ export_champion .*Served as onnx-(fp32|int8)", deployed.result.stdout)
    assert f"Serving sentiment version 1 (onnx) at {deployed.url}" in deployed.result.stdout
    assert httpx.get(f"{deployed.url}/model").json()["kind"] == "onnx"
    answer = httpx.post(f"{deployed.url}/predict", json={"text": "정말 재밌어요. 강력 추천합니다!"})
    assert answer.json()["prediction"] == "positive"


def test_neither_the_bento_nor_the_server_knows_torch(run: Run, deployed: Deployed) -> None:
    (required,) = Path(run.state["ZENML_CONFIG_PATH"]).rglob("env/python/requirements.txt")
    packages = {line.partition("==")[0] for line in required.read_text().splitlines()}
    assert {"onnxruntime", "tokenizers"} <= packages
    assert packages.isdisjoint({"torch", "transformers", "zenml", "mlflow"})
    (server,) = run.servers()
    loaded = {Path(region.path).name for region in server.memory_maps()}
    assert any("onnxruntime" in name for name in loaded)
    assert not any("torch" in name for name in loaded)
