"""Every object we send to a cluster or ship for one: valid for a current Kubernetes, restricted, without a secret."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sentiment.home import PROJECT
from stacks.bentoml_kubernetes import manifests
from stacks.bentoml_kubernetes.config import BentoMLKubernetesConfig

CURRENT = "1.37"
FOLDER = PROJECT / "deploy/kubernetes"
# Kustomize's own files, and the operator's kinds, whose schemas come with their custom resource definitions.
UNCHECKED = {"Kustomization", "Component", "ServiceMonitor"}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|_URL$|_URI$")

CONFIG = BentoMLKubernetesConfig(repository="registry.example/endpoint", base_image="registry.example/base:1")
VERSION = manifests.Version(
    "id", "7", "sentiment:v7-1", "registry.example/endpoint@sha256:0", {"SENTIMENT_TRAFFIC": "off"}
)


def shipped() -> list[tuple[str, dict[str, Any]]]:
    files = sorted(FOLDER.rglob("*.yaml"))
    objects = [(path, each) for path in files for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    return [(name(path, each), each) for path, each in objects if each["kind"] not in UNCHECKED]


def name(path: Path, content: dict[str, Any]) -> str:
    return f"{path.relative_to(FOLDER)}:{content['kind']}:{content['metadata']['name']}"


def ours() -> list[tuple[str, dict[str, Any]]]:
    deployment = manifests.deployment(CONFIG, VERSION, name="sentiment", replicas=2)
    return [
        ("deployer:Deployment", deployment),
        ("deployer:Service", manifests.service(CONFIG, name=CONFIG.name, kind=CONFIG.service_type)),
    ]


OBJECTS = dict([*shipped(), *ours()])


def pods() -> dict[str, dict[str, Any]]:
    found = {}
    for where, each in OBJECTS.items():
        spec = each.get("spec", {})
        template = spec.get("template") or spec.get("jobTemplate", {}).get("spec", {}).get("template")
        if template:
            found[where] = template["spec"]
    return found


PODS = pods()


@pytest.mark.parametrize("where", OBJECTS)
def test_it_is_valid_for_a_current_cluster(where: str) -> None:
    kubernetes_validate.validate(OBJECTS[where], CURRENT, strict=True)


def test_there_are_pods_to_check() -> None:
    kinds = {where.split(":")[1] for where in PODS}
    assert kinds == {"Deployment", "StatefulSet", "CronJob"}


@pytest.mark.parametrize("where", PODS)
def test_its_pods_are_restricted(where: str) -> None:
    pod = PODS[where]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.get("automountServiceAccountToken") is False or "serviceAccountName" in pod
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("where", PODS)
def test_no_secret_is_written_in_it(where: str) -> None:
    for container in PODS[where]["containers"]:
        plain = [each["name"] for each in container.get("env", ()) if "value" in each]
        assert not [each for each in plain if SECRET_NAME.search(each)]


def test_what_selects_the_endpoint_selects_the_pods_of_the_deployer_and_not_a_preview() -> None:
    public = manifests.deployment(CONFIG, VERSION, name=CONFIG.name, replicas=2)["spec"]["template"]["metadata"][
        "labels"
    ]
    hidden = manifests.deployment(CONFIG, VERSION, name=f"{CONFIG.name}-{manifests.PREVIEW}", replicas=1)
    selectors = {
        "service": OBJECTS["deployer:Service"]["spec"]["selector"],
        "budget": OBJECTS["base/endpoint.yaml:PodDisruptionBudget:sentiment"]["spec"]["selector"]["matchLabels"],
        "policy": OBJECTS["base/network-policies.yaml:NetworkPolicy:endpoint"]["spec"]["podSelector"]["matchLabels"],
    }
    for selector in selectors.values():
        assert selector.items() <= public.items()
        assert not selector.items() <= hidden["spec"]["template"]["metadata"]["labels"].items()
    scaled = OBJECTS["base/endpoint.yaml:HorizontalPodAutoscaler:sentiment"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", CONFIG.name)


def test_a_candidate_has_pods_of_its_own_that_only_the_champions_reach() -> None:
    shared = {
        "SENTIMENT_TRAFFIC": "canary",
        "SENTIMENT_CANDIDATE_DIR": "candidate/model",
        "SENTIMENT_CANARY_SHARE": "0.1",
    }
    champion, candidate = manifests.sides(CONFIG, VERSION._replace(environment=shared))
    assert candidate
    assert champion.image == candidate.image
    assert champion.environment == {
        "SENTIMENT_TRAFFIC": "canary",
        "SENTIMENT_CANARY_SHARE": "0.1",
        "SENTIMENT_CANDIDATE_URL": f"http://{CONFIG.name}-candidate.{CONFIG.namespace}.svc:{CONFIG.port}",
    }
    assert candidate.environment["SENTIMENT_MODEL_DIR"] == "candidate/model"
    name = manifests.candidate_name(CONFIG.name)
    pods = manifests.deployment(CONFIG, candidate, name=name, replicas=1)["spec"]["template"]["metadata"]["labels"]
    policy = OBJECTS["base/network-policies.yaml:NetworkPolicy:candidate"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= pods.items()
    (callers,) = policy["ingress"][0]["from"]
    assert callers["podSelector"]["matchLabels"] == manifests.labels(CONFIG.name)
    assert not OBJECTS["deployer:Service"]["spec"]["selector"].items() <= pods.items()


def test_without_a_candidate_the_version_is_served_as_it_is() -> None:
    alone = VERSION._replace(environment={"SENTIMENT_TRAFFIC": "off"})
    assert manifests.sides(CONFIG, alone) == (alone, None)


def test_no_pod_of_the_endpoint_is_missing_during_a_roll_out() -> None:
    spec = manifests.deployment(CONFIG, VERSION, name="sentiment", replicas=2)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > CONFIG.drain_seconds
