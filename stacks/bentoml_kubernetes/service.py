"""The ZenML service of an endpoint on Kubernetes: what `zenml model-deployer models ...` lists, stops and starts."""

from collections.abc import Generator
from typing import ClassVar

from zenml.enums import ServiceState
from zenml.models.v2.misc.service import ServiceType
from zenml.services import ServiceConfig
from zenml.services.service import BaseDeploymentService
from zenml.services.service_status import ServiceStatus

from sentiment.errors import StackError
from stacks.bentoml_kubernetes.cluster import Cluster, is_rolled_out
from stacks.bentoml_kubernetes.manifests import LABEL, candidate_name
from stacks.model_deployer import Running


class KubernetesServiceConfig(ServiceConfig):
    """What is served where. `environment` reaches the server and holds no secret."""

    kubernetes_context: str | None = None
    namespace: str
    deployment: str
    url: str
    image: str
    bento_tag: str
    environment: dict[str, str]
    replicas: int
    candidate_replicas: int = 1
    start_seconds: float


class KubernetesService(BaseDeploymentService):
    """A version that the Deployment runs, or ran."""

    SERVICE_TYPE: ClassVar[ServiceType] = ServiceType(
        name="bentoml-kubernetes-deployment",
        type="model-serving",
        flavor="bentoml_kubernetes",
        description="A Bento as a Deployment with a Service",
    )

    config: KubernetesServiceConfig
    status: ServiceStatus

    @property
    def cluster(self) -> Cluster:
        """The namespace it is in."""
        return Cluster(self.config.namespace, self.config.kubernetes_context)

    @property
    def url(self) -> str:
        """The address callers use."""
        return self.config.url

    def running(self) -> Running | None:
        """The pods behind the Service."""
        found = self.cluster.deployment(self.config.deployment)
        if found is None or found.metadata.labels.get(LABEL) != str(self.uuid) or not found.status.available_replicas:
            return None
        pods = self.cluster.pods(self.config.deployment, str(self.uuid))
        since = min(pod.metadata.creation_timestamp for pod in pods)
        return Running(f"{found.status.available_replicas} of {found.spec.replicas} pods", since)

    def restart(self) -> None:
        """Pods that were taken away come back; those that run are replaced one after the other."""
        if self.running() is None:
            self.start()
            return
        for name in self.deployments():
            self.cluster.restart(name)
            self.cluster.wait_rolled_out(name, str(self.uuid), self.config.start_seconds)

    @property
    def prediction_url(self) -> str:
        """Where it is asked."""
        return f"{self.config.url}/predict"

    @property
    def healthcheck_url(self) -> str:
        """Where it says that it is ready."""
        return f"{self.config.url}/readyz"

    def is_deployed(self) -> bool:
        """Whether the Deployment is of this version, and not of a later one."""
        found = self.cluster.deployment(self.config.deployment)
        return bool(found and found.metadata.labels.get(LABEL) == str(self.uuid))

    def deployments(self) -> list[str]:
        """Its Deployments that are there: the candidate's before its own."""
        own, candidate = self.config.deployment, candidate_name(self.config.deployment)
        return [*([candidate] if self.cluster.deployment(candidate) else []), own]

    def check_status(self) -> tuple[ServiceState, str]:
        """From the Deployment's own status."""
        found = self.cluster.deployment(self.config.deployment)
        if found is None or found.metadata.labels.get(LABEL) != str(self.uuid):
            return ServiceState.INACTIVE, "The Deployment is gone, or of another version."
        if not found.spec.replicas:
            return ServiceState.INACTIVE, ""
        ready = f"{found.status.available_replicas or 0} of {found.spec.replicas} pods are available."
        if is_rolled_out(found):
            return ServiceState.ACTIVE, ""
        return (ServiceState.ACTIVE if found.status.available_replicas else ServiceState.PENDING_STARTUP), ready

    def start(self, timeout: int = 0) -> None:
        """Bring the pods back. Raises StackError when they are not ready in time."""
        self._require_deployed()
        for name in self.deployments():
            own = name == self.config.deployment
            self.cluster.scale(name, self.config.replicas if own else self.config.candidate_replicas)
            self.cluster.wait_rolled_out(name, str(self.uuid), timeout or self.config.start_seconds)
        self.admin_state = ServiceState.ACTIVE
        self.update_status()

    def stop(self, timeout: int = 0, force: bool = False) -> None:
        """Take the pods away, each after the requests it has; the Deployment stays, for `start`."""
        self._require_deployed()
        for name in reversed(self.deployments()):
            self.cluster.scale(name, 0)
        self.admin_state = ServiceState.INACTIVE
        self.update_status()

    def get_logs(self, follow: bool = False, tail: int | None = None) -> Generator[str, bool, None]:
        """The last lines of a pod."""
        yield from self.cluster.log_tail(self.config.deployment, str(self.uuid), tail or 1_000).splitlines()

    def _require_deployed(self) -> None:
        if not self.is_deployed():
            raise StackError(
                f"The Deployment {self.config.deployment} is gone, or of another version.", "Deploy the version again."
            )
