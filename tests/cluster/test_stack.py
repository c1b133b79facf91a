"""The stack `kubernetes` from nothing to a served model, and from one version to the next."""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sentiment.home import PROJECT
from tests.cluster.conftest import LINEAR, NAMESPACE, STACK, Kubectl, Project

pytestmark = pytest.mark.timeout(3_000)

SERVICE = f"/api/v1/namespaces/{NAMESPACE}/services/http:sentiment:80/proxy"
SECONDS_TO_WAIT = 180
HERE = Path(__file__).parent
ANSWERS_OF_THE_NEW = 15  # seconds for which the clients go on after its first answer


@dataclass(frozen=True)
class Clients:
    """A pod whose 8 clients ask the Service, from before a roll-out until after it."""

    kubectl: Kubectl

    def start(self) -> None:
        files = [f"--from-file={path}" for path in (PROJECT / "benchmarks/load.py", HERE / "ask.py")]
        self.kubectl("create", "configmap", "clients", *files)
        container = {
            "name": "clients",
            "image": os.environ["SENTIMENT_TRAINING_IMAGE"],
            "command": ["python3", "/clients/ask.py", "http://sentiment", str(ANSWERS_OF_THE_NEW), "1200"],
            "volumeMounts": [{"name": "clients", "mountPath": "/clients"}],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "clients"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [container],
                "volumes": [{"name": "clients", "configMap": {"name": "clients"}}],
            },
        }
        self.kubectl("apply", "--filename=-", text=json.dumps(pod))
        self._wait(lambda: "asking" in self.kubectl("logs", "clients") if self._phase() == "Running" else False)

    def result(self) -> dict[str, Any]:
        """What they saw."""
        self._wait(lambda: self._phase() in ("Succeeded", "Failed"))
        seen: dict[str, Any] = json.loads(self.kubectl("logs", "clients").splitlines()[-1])
        return seen

    def stop(self) -> None:
        self.kubectl("delete", "pod/clients", "configmap/clients", "--ignore-not-found")

    def _phase(self) -> str:
        return str(self.kubectl.json("get", "pod", "clients")["status"]["phase"])

    def _wait(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS_TO_WAIT
        while not reached():
            assert time.monotonic() < deadline, self.kubectl("describe", "pod", "clients")
            time.sleep(1)


@pytest.fixture(scope="module")
def deployed(project: Project, trained: str) -> str:
    return project.run("--pipeline", "deploy", *STACK).stdout


@pytest.fixture(scope="module")
def clients(project: Project, deployed: str, kubectl: Kubectl) -> Iterator[Clients]:
    asking = Clients(kubectl)
    asking.start()
    yield asking
    asking.stop()


@pytest.fixture(scope="module")
def second(project: Project, clients: Clients) -> str:
    """Version 2, trained on this machine with the cluster's registry, rolled out while clients ask."""
    project.run(*LINEAR, "--set", "seed=7", "--stack", "hybrid", check=False)  # exit code 3: no better than the first
    project.run("--stack", "kubernetes", "models", "promote", "2", "--force", "--reason", "a version to roll out")
    return project.run("--pipeline", "deploy", *STACK).stdout


def test_training_ran_in_pods_and_promoted_a_champion(trained: str, kubectl: Kubectl) -> None:
    assert re.search(r"✓ train_linear .*\d s", trained)
    assert "version 1 (linear) is registered and promoted" in trained
    steps = [job for job in kubectl.json("get", "jobs")["items"] if "step_name" in job["metadata"]["labels"]]
    assert {"load_reviews", "train_linear", "register_model"} <= {
        job["metadata"]["labels"]["step_name"] for job in steps
    }
    for job in steps:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["securityContext"]["runAsNonRoot"] is True
        secret = {each["name"] for each in container["env"] if re.search("PASSWORD|KEY$|TOKEN$", each["name"])}
        in_clear = {each["name"] for each in container["env"] if "value" in each} & secret
        # A shard of a scoring run (of another test) has the run's own token like that: docs/stacks/kubernetes.md.
        of_a_shard = job["metadata"]["labels"]["step_name"].startswith("map-")
        assert in_clear == ({"ZENML_STORE_API_TOKEN"} if of_a_shard else set())


def test_the_champion_answers_through_the_service(deployed: str, kubectl: Kubectl) -> None:
    assert "Serving sentiment version 1 (linear) at http://sentiment.sentiment.svc" in deployed
    assert kubectl("get", "--raw", f"{SERVICE}/readyz").strip() == ""
    assert json.loads(kubectl("get", "--raw", f"{SERVICE}/model"))["version"] == "1"


def test_no_request_fails_while_a_version_takes_over(second: str, clients: Clients) -> None:
    assert "Serving sentiment version 2 (linear)" in second
    assert "after version 1" in second
    seen = clients.result()
    print(seen)
    assert seen["failures"] == []
    assert seen["versions"] == ["1", "2"]
    assert seen["requests"] > 500


def test_predictions_of_all_pods_are_in_the_shared_database(second: str, kubectl: Kubectl) -> None:
    summary = json.loads(kubectl("get", "--raw", f"{SERVICE}/summary"))
    assert {"1", "2"} <= summary["model_versions"].keys()


def test_a_version_that_does_not_start_is_refused_and_the_old_one_serves(
    project: Project, second: str, kubectl: Kubectl
) -> None:
    before = kubectl.json("get", "deployment", "sentiment")
    said = project.command(sys.executable, "-m", "tests.cluster.broken_version", "kubernetes").stdout
    refused = json.loads(said.splitlines()[-1])
    assert "does not start" in refused["cause"]
    assert "not a model folder" in refused["cause"], "the end of the pod's log is part of the error"
    after = kubectl.json("get", "deployment", "sentiment")
    assert after["spec"] == before["spec"]
    assert json.loads(kubectl("get", "--raw", f"{SERVICE}/model"))["version"] == "2"
    assert [each["metadata"]["name"] for each in kubectl.json("get", "deployments")["items"]] == ["sentiment"]


# Runs in a pod: asks the Service as 60 callers, and prints the versions that answered, or a failure's status.
CALLERS = """
import json, urllib.error, urllib.request
for caller in range(60):
    headers = {"Content-Type": "application/json", "X-Caller-Key": f"caller-{caller}"}
    request = urllib.request.Request("http://sentiment/predict", b'{"text": "good"}', headers)
    try:
        print(json.load(urllib.request.urlopen(request, timeout=20))["model_version"])
    except urllib.error.URLError as error:
        print(error)
"""


def test_a_canary_has_pods_of_its_own_and_its_loss_is_no_callers_loss(
    project: Project, second: str, kubectl: Kubectl
) -> None:
    def answers() -> Counter[str]:
        said = kubectl("exec", "deployment/sentiment", "--", "python3", "-c", CALLERS)
        return Counter(said.split("\n")[:-1])

    def deployments() -> list[str]:
        return [each["metadata"]["name"] for each in kubectl.json("get", "deployments")["items"]]

    project.run(*LINEAR, "--set", "seed=9", "--stack", "hybrid", check=False)  # version 3, which the gate refuses
    shared = ("--set", "traffic.mode=canary", "--set", "traffic.version=3", "--set", "traffic.share=0.5")
    deployed = project.run("--pipeline", "deploy", *shared, *STACK).stdout
    assert "candidate version 3 in canary" in deployed
    assert deployments() == ["sentiment", "sentiment-candidate"]
    versions = answers()
    assert versions.keys() == {"2", "3"}
    assert 10 < versions["3"] < 50
    kubectl("scale", "deployment/sentiment-candidate", "--replicas=0")
    kubectl("wait", "pod", "--selector=app.kubernetes.io/instance=sentiment-candidate", "--for=delete", "--timeout=90s")
    assert answers() == {"2": 60}
    project.run("--pipeline", "deploy", *STACK)
    assert deployments() == ["sentiment"]


def test_zenml_lists_describes_stops_starts_and_deletes_the_endpoint(
    project: Project, second: str, kubectl: Kubectl
) -> None:
    project.zenml("stack", "set", "kubernetes")
    listed = project.zenml("model-deployer", "models", "list")
    (service,) = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", listed))
    described = project.zenml("model-deployer", "models", "describe", service)
    assert "sentiment:v2-" in described
    assert "http://sentiment.sentiment.svc/readyz" in described
    project.zenml("model-deployer", "models", "stop", service)
    assert kubectl.json("get", "deployment", "sentiment")["spec"]["replicas"] == 0
    project.zenml("model-deployer", "models", "start", service)
    assert kubectl.json("get", "deployment", "sentiment")["status"]["availableReplicas"] == 2
    project.zenml("model-deployer", "models", "delete", service)
    assert kubectl.json("get", "deployments")["items"] == []
    assert not [each for each in kubectl.json("get", "services")["items"] if each["metadata"]["name"] == "sentiment"]
