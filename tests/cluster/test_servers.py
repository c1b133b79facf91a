"""deploy/kubernetes/servers as they are: accounts with drawn passwords, a run that they keep, and their own restart.

Where the nodes cannot pull the databases' images, SENTIMENT_POSTGRES_IMAGE and SENTIMENT_MYSQL_IMAGE name others. A
cluster without a storage class gets volumes in a folder of this machine, which then is its node, and the test root.
"""

import base64
import configparser
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sentiment.home import PROJECT
from tests.cluster.conftest import LINEAR, NAMESPACE, STACK, Kubectl, Project
from tests.cluster.stand_ins import api_key

pytestmark = pytest.mark.timeout(1_500)

SERVERS = PROJECT / "deploy/kubernetes/servers"
DEPLOYMENTS = ("mlflow", "zenml")
DATABASES = ("mlflow-postgres", "zenml-mysql")
DATABASE_USER = 999
TRAINER = "trainer"
MODELS = "/api/2.0/mlflow/registered-models/search"
HOSTS = "mlflow,mlflow:5000"
VARIABLES_FOR_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Servers:
    """The two servers by their Services' addresses, which this machine and pods reach, and their administrators."""

    mlflow: str
    zenml: str
    mlflow_password: str
    zenml_password: str

    def as_mlflow(self, user: str, password: str) -> httpx.Client:
        return httpx.Client(base_url=self.mlflow, auth=(user, password), timeout=60)


@pytest.fixture(scope="module")
def servers(project: Project, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("volumes")
    volumes = [] if kubectl.json("get", "storageclasses")["items"] else [volume(folder / name) for name in DATABASES]
    for each in volumes:
        kubectl("apply", "--filename=-", text=json.dumps(each))
    variables = {name: project.environment[name] for name in VARIABLES_FOR_SECRETS}
    artifacts = f"s3://{project.environment['SENTIMENT_BUCKET']}/servers"
    project.command(str(SERVERS.parent / "make-secrets.sh"), ARTIFACTS=artifacts, NAMESPACE=NAMESPACE, **variables)
    kubectl("apply", "--kustomize", str(overlay(tmp_path_factory.mktemp("overlay"))))
    mlflow = f"{address(kubectl, 'mlflow')}:5000"
    kubectl("set", "env", "deployment/mlflow", f"MLFLOW_SERVER_ALLOWED_HOSTS={HOSTS},{mlflow}")
    wait(kubectl)
    basic_auth = configparser.ConfigParser()
    basic_auth.read_string(secret(kubectl, "mlflow-auth", "basic_auth.ini"))
    yield Servers(
        f"http://{mlflow}",
        f"http://{address(kubectl, 'zenml')}:8080",
        basic_auth["mlflow"]["admin_password"],
        secret(kubectl, "zenml", "ZENML_DEFAULT_USER_PASSWORD"),
    )
    kubectl("delete", "--kustomize", str(SERVERS))
    kubectl("delete", "secret", *DEPLOYMENTS, *DATABASES, "mlflow-auth")
    kubectl("delete", "persistentvolumeclaims", *(f"data-{name}-0" for name in DATABASES))
    for each in volumes:
        kubectl("delete", "persistentvolume", each["metadata"]["name"])


@pytest.fixture(scope="module")
def team(servers: Servers, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A member of the team: an account on each server, and none of the administrators' passwords."""
    password = os.urandom(16).hex()
    with servers.as_mlflow("admin", servers.mlflow_password) as admin:
        account = {"username": TRAINER, "password": password}
        admin.post("/api/2.0/mlflow/users/create", json=account).raise_for_status()
    environment = {
        "MLFLOW_TRACKING_URI": servers.mlflow,
        "MLFLOW_TRACKING_USERNAME": TRAINER,
        "MLFLOW_TRACKING_PASSWORD": password,
        "ZENML_STORE_URL": servers.zenml,
        "ZENML_STORE_API_KEY": api_key(servers.zenml, "admin", servers.zenml_password),
        "ZENML_CONFIG_PATH": str(tmp_path_factory.mktemp("member") / "zenml"),
    }
    return replace(project, environment={**project.environment, **environment})


@pytest.fixture(scope="module")
def said(team: Project) -> str:
    """What a training run in pods printed that the two servers keep."""
    return team.run(*LINEAR, *STACK).stdout


def test_nobody_reads_without_an_account(servers: Servers) -> None:
    assert httpx.get(servers.mlflow + MODELS, timeout=60).status_code == 401
    with servers.as_mlflow("admin", "password1234") as guess:  # MLflow's own default
        assert guess.get(MODELS).status_code == 401
    assert httpx.get(f"{servers.zenml}/api/v1/pipelines", timeout=60).status_code == 401
    for password in ("", "admin", "default"):
        guessed = httpx.post(f"{servers.zenml}/api/v1/login", data={"username": "admin", "password": password})
        assert guessed.status_code == 401
    stranger = {"admin_username": "stranger", "admin_password": "a password of a stranger"}
    taken = httpx.put(f"{servers.zenml}/api/v1/activate", json=stranger, timeout=60)
    assert taken.status_code >= 400, "nobody can come first and make himself the administrator"


def test_a_host_that_nobody_named_is_refused(servers: Servers) -> None:
    with servers.as_mlflow("admin", servers.mlflow_password) as admin:
        assert admin.get(MODELS).status_code == 200
        assert admin.get(MODELS, headers={"Host": "evil.example"}).status_code == 403


def test_a_run_in_pods_is_kept_by_both(said: str, servers: Servers, team: Project) -> None:
    assert "version 1 (linear) is registered and promoted" in said
    assert champion(servers, team) == "1"
    assert runs(team) == ["completed"]


def test_what_they_keep_outlives_their_pods(said: str, servers: Servers, team: Project, kubectl: Kubectl) -> None:
    for name in (*DATABASES, *DEPLOYMENTS):
        kubectl("delete", "pods", "--selector", f"app.kubernetes.io/name={name}")
    wait(kubectl)
    assert champion(servers, team) == "1"
    listed = team.run("--stack", "kubernetes", "models", "list").stdout
    assert "champion" in listed
    assert runs(team) == ["completed"]


def champion(servers: Servers, team: Project) -> str:
    """The version that MLflow calls the champion, read with the member's account."""
    with servers.as_mlflow(TRAINER, team.environment["MLFLOW_TRACKING_PASSWORD"]) as client:
        alias = {"name": "sentiment", "alias": "champion"}
        found = client.get("/api/2.0/mlflow/registered-models/alias", params=alias).raise_for_status().json()
    return str(found["model_version"]["version"])


def runs(team: Project) -> list[str]:
    """How the runs ended that the ZenML server knows."""
    listed = team.zenml("pipeline", "runs", "list", "--columns=status", "--output=csv")
    return [line for line in listed.split() if line in ("completed", "failed", "running")]


def overlay(folder: Path) -> Path:
    """What a team's overlay adds: images that its nodes can pull."""
    images = {
        "sentiment-training": os.environ["SENTIMENT_TRAINING_IMAGE"],
        "postgres": os.environ.get("SENTIMENT_POSTGRES_IMAGE"),
        "mysql": os.environ.get("SENTIMENT_MYSQL_IMAGE"),
    }
    split = {name: image.rpartition(":") for name, image in images.items() if image}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(SERVERS, folder.resolve())],
        "images": [{"name": name, "newName": new, "newTag": tag} for name, (new, _, tag) in split.items()],
    }
    (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
    return folder


def volume(folder: Path) -> dict[str, Any]:
    """A volume on this machine that belongs to the databases' user, as a cluster's driver would see to."""
    folder.mkdir()
    os.chown(folder, DATABASE_USER, DATABASE_USER)
    for parent in list(folder.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o111)
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"test-{folder.name}"},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": NAMESPACE, "name": f"data-{folder.name}-0"},
            "hostPath": {"path": str(folder)},
        },
    }


def address(kubectl: Kubectl, service: str) -> str:
    return str(kubectl.json("get", "service", service)["spec"]["clusterIP"])


def secret(kubectl: Kubectl, name: str, key: str) -> str:
    return base64.b64decode(kubectl.json("get", "secret", name)["data"][key]).decode()


def wait(kubectl: Kubectl) -> None:
    """Until all four are ready."""
    kinds = [*(f"statefulset/{name}" for name in DATABASES), *(f"deployment/{name}" for name in DEPLOYMENTS)]
    for each in kinds:
        try:
            kubectl("rollout", "status", each, "--timeout=280s")
        except (AssertionError, subprocess.TimeoutExpired):
            print(kubectl("describe", "pods"), kubectl("logs", each, "--tail=60"))
            raise
