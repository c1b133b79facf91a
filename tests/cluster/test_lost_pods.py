"""A node that takes the training pod away, and the schedules of deploy/kubernetes."""

import json
import os
import re
import time

import pytest

from tests.cluster.conftest import STACK, Kubectl, Project

pytestmark = pytest.mark.timeout(3_000)

SECONDS_TO_START = 300
SECONDS_TO_END = 900
# Slow enough to be caught at it.
COMPACT = (
    "candidates=[compact]",
    "candidates.compact.epochs=30",
    "candidates.compact.encoder.layers=1",
    "candidates.compact.encoder.pretrain_epochs=0",
    "model_name=evicted",
)


def test_an_evicted_training_pod_starts_again(project: Project, kubectl: Kubectl) -> None:
    settings = [part for each in COMPACT for part in ("--set", each)]
    before = kubectl.pod_names()
    with project.running("--pipeline", "train", *settings, *STACK) as process:
        first = wait_for_container(kubectl, "train_compact")
        kubectl.fail(first)
        output, _ = process.communicate(timeout=SECONDS_TO_END)
    assert process.returncode in (0, 3), output  # 3: the gate may refuse so small a model
    pods = kubectl.pods("train_compact", besides=before)
    assert [pod["status"]["phase"] for pod in pods] == ["Failed", "Succeeded"]
    assert pods[0]["metadata"]["name"] == first
    assert len(re.findall(r"✓ train_compact ", output)) == 1, output
    assert "evicted version 1 (compact) is registered" in output


def wait_for_container(kubectl: Kubectl, step: str) -> str:
    """The name of the step's pod, once it has begun to train."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        for pod in kubectl.pods(step):
            name = str(pod["metadata"]["name"])
            if pod["status"]["phase"] == "Running" and "has started" in kubectl("logs", name):
                return name
        time.sleep(0.5)
    raise AssertionError(f"No pod of {step} began.")


def test_the_nightly_job_scores_on_the_stack(project: Project, trained: str, kubectl: Kubectl) -> None:
    kept = {name: value for name, value in project.environment.items() if name not in ("ZENML_CONFIG_PATH", "COLUMNS")}
    kept |= {name: os.environ[name] for name in ("SENTIMENT_TRAINING_IMAGE", "SENTIMENT_SERVING_IMAGE")}
    kept["SENTIMENT_REGISTRY"] = os.environ["SENTIMENT_REGISTRY"]
    del kept["KUBERNETES_CONTEXT"], kept["SENTIMENT_HOME"]  # the job's own
    values = "".join(f"{name}={value}\n" for name, value in kept.items())
    made = ("create", "secret", "generic", "sentiment-launcher", "--from-env-file=/dev/stdin")
    kubectl("apply", "--filename=-", text=kubectl(*made, "--dry-run=client", "--output=yaml", text=values))
    template = kubectl.json("get", "cronjob", "score")["spec"]["jobTemplate"]
    (container,) = template["spec"]["template"]["spec"]["containers"]
    # As if applied with the image set: the server has put Always beside the one without a tag.
    container |= {"image": os.environ["SENTIMENT_LAUNCHER_IMAGE"], "imagePullPolicy": "IfNotPresent"}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "score-now"}, "spec": template["spec"]}
    kubectl("apply", "--filename=-", text=json.dumps(job))
    ended = wait_for_job(kubectl, "score-now")
    log = kubectl("logs", "job/score-now")
    print(log)
    assert ended == "Complete", log
    assert "every planned row was read back from the table, once" in log


def wait_for_job(kubectl: Kubectl, name: str) -> str:
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline:
        conditions = kubectl.json("get", "job", name)["status"].get("conditions", [])
        if ended := [each["type"] for each in conditions if each["status"] == "True"]:
            return str(ended[0])
        time.sleep(1)
    raise AssertionError(kubectl("describe", "job", name))
