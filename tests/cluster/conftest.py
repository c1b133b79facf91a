"""`make test-cluster`: on whatever cluster KUBECONFIG names, with the images of deploy/docker in its registry.

    KUBECONFIG                    of the cluster; its current context may do everything in it
    SENTIMENT_REGISTRY            as the nodes name it
    SENTIMENT_TRAINING_IMAGE      the training target of deploy/docker/Dockerfile, in that registry
    SENTIMENT_SERVING_IMAGE       the serving target
    SENTIMENT_LAUNCHER_IMAGE      the launcher target
    SENTIMENT_POSTGRES_IMAGE, SENTIMENT_MYSQL_IMAGE
                                  for test_servers.py, where the nodes cannot pull the official ones
    SENTIMENT_TEST_HOST           an address of this machine that pods reach; the first node's, if it is this machine's

S3, PostgreSQL, MLflow and ZenML are started on that host. Those are used instead that the environment names:
SENTIMENT_BUCKET; MLFLOW_TRACKING_URI and SENTIMENT_DATABASE_URL; ZENML_STORE_URL.
"""

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest

from sentiment.home import PROJECT
from tests.cluster import stand_ins

NAMESPACE = "sentiment"
IMAGES = ("SENTIMENT_TRAINING_IMAGE", "SENTIMENT_SERVING_IMAGE", "SENTIMENT_LAUNCHER_IMAGE")
NEEDED = ("KUBECONFIG", "SENTIMENT_REGISTRY", *IMAGES)
# What the stack file asks for; tests/conftest.py takes some of it out of this process's environment.
GIVEN = (
    *("SENTIMENT_BUCKET", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "SENTIMENT_DATABASE_URL"),
    *("ZENML_STORE_URL", "ZENML_STORE_API_KEY", "SENTIMENT_API_KEY"),
)
COMMAND_SECONDS = 1_500
STACK = ("--stack", "kubernetes")
LINEAR = ("--pipeline", "train", "--set", "candidates=[linear]")
Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Project:
    """Commands of a user whose environment has what the stack file asks for.

    `host` is an address of this machine that pods reach.
    """

    environment: dict[str, str]
    host: str

    def run(self, *arguments: str, check: bool = True) -> Result:
        """Call run.py."""
        return self.command(sys.executable, str(PROJECT / "run.py"), *arguments, check=check)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """run.py while it runs; it has ended when the block has."""
        with subprocess.Popen(
            [sys.executable, str(PROJECT / "run.py"), *arguments],
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def zenml(self, *arguments: str) -> str:
        """Call zenml, and return what it printed."""
        command = str(Path(sys.executable).with_name("zenml"))
        done = self.command(command, *arguments, PYTHONPATH=str(PROJECT))
        return done.stdout + done.stderr

    def command(self, *command: str, check: bool = True, **variables: str) -> Result:
        """Run a command to its end."""
        result = subprocess.run(
            command,
            cwd=PROJECT,
            env={**os.environ, **self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert result.returncode == 0 or not check, result.stdout + result.stderr
        return result


class Kubectl:
    """kubectl in the namespace of the stack."""

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        command = ["kubectl", "--namespace", NAMESPACE, *arguments]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self(*arguments, "--output", "json"))
        return answer

    def pods(self, step: str = "", besides: Container[str] = ()) -> list[dict[str, Any]]:
        """The pods of a step by its name, or of all, oldest first, without those named in `besides`."""
        selector = ("--selector", f"step_name={step}") if step else ()
        found = self.json("get", "pods", *selector)["items"]
        new = [pod for pod in found if pod["metadata"]["name"] not in besides]
        return sorted(new, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def pod_names(self) -> set[str]:
        """All that are there, whatever test left them."""
        return {str(pod["metadata"]["name"]) for pod in self.pods()}

    def fail(self, pod: str) -> None:
        """Have the node end a pod as failed, as it does with one that it evicts or whose memory runs out."""
        self("patch", "pod", pod, "--patch", '{"spec": {"activeDeadlineSeconds": 1}}')


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    missing = [name for name in NEEDED if not os.environ.get(name)]
    assert not missing, f"Set {', '.join(missing)}: see tests/cluster/conftest.py."
    return Kubectl()


@pytest.fixture(scope="session")
def namespace(kubectl: Kubectl) -> str:
    """The namespace with everything of deploy/kubernetes/base, its schedules suspended."""
    kubectl("apply", "--kustomize", str(PROJECT / "deploy/kubernetes" / overlay(kubectl)))
    for name in ("score", "monitor"):
        kubectl("patch", "cronjob", name, "--patch", '{"spec": {"suspend": true}}')
    return NAMESPACE


@pytest.fixture(scope="session")
def project(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The stack's servers, and a user who has never used ZenML before."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        host = _host(kubectl)
        servers = _servers(stack, host, folder)
        environment = {
            "KUBERNETES_CONTEXT": kubectl("config", "current-context").strip(),
            "ZENML_CONFIG_PATH": str(folder / "zenml"),
            "SENTIMENT_HOME": str(folder / "home"),
            "SENTIMENT_STEP_CPU": "100m",
            "COLUMNS": "200",
            **servers,
        }
        secret = f"SENTIMENT_DATABASE_URL={servers['SENTIMENT_DATABASE_URL']}\n"
        made = ("create", "secret", "generic", "sentiment-endpoint", "--from-env-file=/dev/stdin")
        kubectl("apply", "--filename=-", text=kubectl(*made, "--dry-run=client", "--output=yaml", text=secret))
        yield Project(environment, host)
        for kind in ("deployments", "jobs", "pods", "services"):
            kubectl("delete", kind, "--all", "--wait=false")


@pytest.fixture(scope="session")
def trained(project: Project) -> str:
    """What the run printed that made version 1 of the model `sentiment`, which is the champion.

    No step of it comes from the cache, whichever tests ran before.
    """
    return project.run(*LINEAR, "--no-cache", *STACK).stdout


@contextmanager
def uploaded(project: Project, reviews: pl.DataFrame, key: str) -> Iterator[tuple[str, ...]]:
    """The `--set` options of a dataset whose rows lie in the stack's object store, at a URL that pods reach."""
    environment = project.environment
    client = boto3.client(
        "s3",
        endpoint_url=environment.get("AWS_ENDPOINT_URL_S3"),
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment.get("AWS_DEFAULT_REGION"),
    )
    place = {"Bucket": environment["SENTIMENT_BUCKET"], "Key": key}
    body = io.BytesIO()
    reviews.write_parquet(body)
    client.put_object(**place, Body=body.getvalue())
    try:
        url = client.generate_presigned_url("get_object", Params=place, ExpiresIn=3_600)
        facts = {"name": "uploaded", "path": url, "synthetic": "false", "created_from": "null"}
        yield tuple(part for name, value in facts.items() for part in ("--set", f"dataset.{name}={value}"))
    finally:
        client.delete_object(**place)


def overlay(kubectl: Kubectl) -> str:
    """Which of deploy/kubernetes this cluster takes: the base, or that for versions without its APIs."""
    served = kubectl("api-versions").split()
    return "base" if "autoscaling/v2" in served else "overlays/kubernetes-1.20"


def _servers(stack: ExitStack, host: str, folder: Path) -> dict[str, str]:
    known = {name: os.environ[name] for name in GIVEN if os.environ.get(name)}
    if "SENTIMENT_BUCKET" not in known:
        endpoint = stack.enter_context(stand_ins.s3(host, folder))
        known |= {**stand_ins.S3_CREDENTIALS, "AWS_ENDPOINT_URL_S3": endpoint, "SENTIMENT_BUCKET": stand_ins.BUCKET}
    if not {"MLFLOW_TRACKING_URI", "SENTIMENT_DATABASE_URL"} <= known.keys():
        local, known["SENTIMENT_DATABASE_URL"] = stack.enter_context(stand_ins.postgres(host))
        artifacts = f"s3://{known['SENTIMENT_BUCKET']}/mlflow"
        known["MLFLOW_TRACKING_URI"] = stack.enter_context(stand_ins.mlflow(host, folder, local, artifacts, known))
        known |= {"MLFLOW_TRACKING_USERNAME": "stand-in", "MLFLOW_TRACKING_PASSWORD": "stand-in"}  # it asks for none
    if "ZENML_STORE_URL" not in known:
        known["ZENML_STORE_URL"], known["ZENML_STORE_API_KEY"] = stack.enter_context(stand_ins.zenml(host, folder))
    registry = os.environ["SENTIMENT_REGISTRY"]
    if registry.startswith("127.0.0.1"):
        known["SENTIMENT_REGISTRY_ENDPOINT"] = stack.enter_context(stand_ins.relay(host, registry))
    return known


def _host(kubectl: Kubectl) -> str:
    if host := os.environ.get("SENTIMENT_TEST_HOST"):
        return host
    addresses = kubectl.json("get", "nodes")["items"][0]["status"]["addresses"]
    host = next(each["address"] for each in addresses if each["type"] == "InternalIP")
    try:
        socket.create_server((host, 0)).close()
    except OSError:
        raise AssertionError("Set SENTIMENT_TEST_HOST to an address of this machine that pods reach.") from None
    return str(host)
