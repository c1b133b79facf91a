"""The stack cloud-gpu on this cluster: the transformer's pod has the GPU that it asks for, and no other pod has one.

A cluster without GPUs gets one in name: its node advertises one to the scheduler, and the transformer trains on the
CPU.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from benchmarks.parity import COMPACT
from sentiment.home import PROJECT
from tests.cluster.conftest import Kubectl, Project

pytestmark = pytest.mark.timeout(1_500)

GPU = "nvidia.com/gpu"
LABEL = "nvidia.com/gpu.present"
# What this cluster has instead of roles, of Amazon's S3, and of large nodes.
STACK = """
name: one-gpu
description: cloud-gpu for a small cluster whose S3 wants keys.
extends: cloud-gpu
components:
  artifact_store:
    configuration:
      authentication_secret: sentiment-s3
      client_kwargs: {endpoint_url: "${AWS_ENDPOINT_URL_S3:-}"}
settings:
  steps:
    train_*: {resources: {cpu_count: 0.1, memory: 3GB}}
    train_linear: {resources: {cpu_count: 0.1, memory: 2GB}}
secrets:
  sentiment-s3: {aws_access_key_id: AWS_ACCESS_KEY_ID, aws_secret_access_key: AWS_SECRET_ACCESS_KEY}
"""


@pytest.fixture
def node_with_a_gpu() -> Iterator[None]:
    config.load_kube_config()
    cluster = client.CoreV1Api()
    nodes = cluster.list_node().items
    if any(int(node.status.allocatable.get(GPU, 0)) and LABEL in node.metadata.labels for node in nodes):
        yield
        return
    name = nodes[0].metadata.name
    cluster.patch_node_status(name, {"status": {"capacity": {GPU: "1"}}})
    cluster.patch_node(name, {"metadata": {"labels": {LABEL: "true"}}})
    yield
    cluster.patch_node_status(name, {"status": {"capacity": {GPU: None}}})
    cluster.patch_node(name, {"metadata": {"labels": {LABEL: None}}})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a user has it who added a stack of her own."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "docs", "tests")
    copy = Path(shutil.copytree(PROJECT, tmp_path / "project", ignore=ignored))
    (copy / "configs/stacks/one-gpu.yaml").write_text(STACK, encoding="utf-8")
    return copy


@pytest.mark.usefixtures("node_with_a_gpu")
def test_the_transformers_pod_has_the_gpu_and_no_other_has(project: Project, checkout: Path, kubectl: Kubectl) -> None:
    before = kubectl.pod_names()
    options = [part for each in (*COMPACT, "model_name=one-gpu") for part in ("--set", each)]
    run = (sys.executable, str(checkout / "run.py"), "--pipeline", "train", "--stack", "one-gpu", *options)
    said = project.command(*run, check=False)
    assert said.returncode in (0, 3), said.stdout + said.stderr  # 3: the gate found the small model wanting
    labels = {each["metadata"]["labels"].get("step_name"): each["spec"] for each in kubectl.pods(besides=before)}
    steps = {name: spec for name, spec in labels.items() if name}  # without the orchestrator's own pod
    assert {"load_reviews", "train_compact", "train_linear"} <= steps.keys()
    gpus = {name for name, spec in steps.items() if GPU in limits(spec)}
    assert gpus == {"train_compact"}
    transformer = steps["train_compact"]
    assert limits(transformer) == {GPU: "1", "memory": "2862Mi"}
    assert transformer["nodeSelector"] == {LABEL: "true"}
    assert {"key": GPU, "operator": "Exists", "effect": "NoSchedule"} in transformer["tolerations"]
    (memory,) = (each["emptyDir"] for each in transformer["volumes"] if each["name"] == "shm")
    assert memory == {"medium": "Memory", "sizeLimit": "8Gi"}
    assert limits(steps["train_linear"]) == {"memory": "1908Mi"}
    assert "nodeSelector" not in steps["train_linear"]
    for spec in steps.values():
        assert spec["containers"][0]["securityContext"]["runAsNonRoot"] is True


def limits(spec: dict[str, Any]) -> dict[str, str]:
    asked: dict[str, str] = spec["containers"][0]["resources"].get("limits", {})
    return asked
