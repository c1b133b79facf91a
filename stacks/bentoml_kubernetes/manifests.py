"""The Deployment and the Service of an endpoint, as Kubernetes takes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stacks.bentoml_kubernetes.config import BentoMLKubernetesConfig
from stacks.bentoml_kubernetes.image import PORT, USER

LABEL = "sentiment-ops/service"
CANDIDATE_DIR = "SENTIMENT_CANDIDATE_DIR"
HOME = "/var/lib/sentiment"
PREVIEW = "preview"


class Version(NamedTuple):
    """What is deployed: `service` is the id of ZenML's record."""

    service: str
    model_version: str
    bento: str
    image: str
    environment: Mapping[str, str]


def labels(name: str) -> dict[str, str]:
    """What the pods of the Deployment `name` have in common. The Service, PDB, HPA and policies select by it."""
    return {"app.kubernetes.io/name": "sentiment", "app.kubernetes.io/instance": name}


def sides(config: BentoMLKubernetesConfig, version: Version) -> tuple[Version, Version | None]:
    """The version as its pods serve it, and the candidate of its Bento, if traffic is shared, for pods of its own.

    Both are the same image. The champion's pods send the candidate's Service what the candidate is to score, so that
    a candidate that crashes or grows takes nothing from the champion.
    """
    environment = dict(version.environment)
    candidate_dir = environment.pop(CANDIDATE_DIR, None)
    if candidate_dir is None:
        return version, None
    service = f"http://{candidate_name(config.name)}.{config.namespace}.svc:{config.port}"
    alone = {"SENTIMENT_MODEL_DIR": candidate_dir, "SENTIMENT_TRAFFIC": "off", "SENTIMENT_LOG_PREDICTIONS": "false"}
    return (
        version._replace(environment={**environment, "SENTIMENT_CANDIDATE_URL": service}),
        version._replace(environment=alone),
    )


def candidate_name(name: str) -> str:
    """Of the Deployment and the Service of the candidate beside the Deployment `name`."""
    return f"{name}-candidate"


def deployment(config: BentoMLKubernetesConfig, version: Version, *, name: str, replicas: int) -> dict[str, Any]:
    """A Deployment that never has fewer ready pods than replicas."""
    about = {"sentiment-ops/model-version": version.model_version, "sentiment-ops/bento": version.bento}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "labels": {**labels(name), "app.kubernetes.io/managed-by": "sentiment-ops", LABEL: version.service},
            "annotations": about,
        },
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": labels(name)},
            "template": {
                "metadata": {"labels": {**labels(name), LABEL: version.service}, "annotations": about},
                "spec": _pod(config, version, name),
            },
        },
    }


def service(config: BentoMLKubernetesConfig, *, name: str, kind: str) -> dict[str, Any]:
    """The Service in front of the Deployment `name`; `kind` is ClusterIP, NodePort or LoadBalancer."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {**labels(name), "app.kubernetes.io/managed-by": "sentiment-ops"}},
        "spec": {
            "type": kind,
            "selector": labels(name),
            "ports": [{"name": "http", "port": config.port, "targetPort": "http"}],
        },
    }


def _pod(config: BentoMLKubernetesConfig, version: Version, name: str) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": config.drain_seconds + 15,
        "imagePullSecrets": [{"name": each} for each in config.image_pull_secrets],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(name)},
            }
        ],
        "containers": [_container(config, version)],
        # The root filesystem is read-only. A spool that waits for the database lives as long as the pod.
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "home", "emptyDir": {}}],
    }


def _container(config: BentoMLKubernetesConfig, version: Version) -> dict[str, Any]:
    own = {"HOME": HOME, "SENTIMENT_HOME": HOME, "BENTOML_HOME": f"{HOME}/bentoml", "BENTOML_DO_NOT_TRACK": "true"}
    variables = {**version.environment, **own}
    return {
        "name": "server",
        "image": version.image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": [{"name": key, "value": value} for key, value in sorted(variables.items())],
        "envFrom": [{"secretRef": {"name": each}} for each in config.environment_secrets],
        "resources": {
            "requests": {"cpu": config.cpu_request, "memory": config.memory_request},
            "limits": {"memory": config.memory_limit},  # a limit on processor time would only add latency
        },
        "startupProbe": _probe("/readyz", period=2, failures=max(1, int(config.start_seconds / 2))),
        "readinessProbe": _probe("/readyz", period=2, failures=3),
        "livenessProbe": _probe("/livez", period=10, failures=6),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "home", "mountPath": HOME}],  # noqa: S108
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
