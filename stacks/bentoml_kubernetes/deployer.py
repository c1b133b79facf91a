"""The model deployer of the `bentoml_kubernetes` flavor.

A new version first runs in a Deployment of its own, which the Service does not select; there it is checked. Then the
one behind the Service is rolled over to it, pod by pod. A candidate, where traffic is shared, has a third one.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, cast
from uuid import UUID

from zenml.client import Client
from zenml.enums import ServiceState
from zenml.model_deployers import BaseModelDeployer, BaseModelDeployerFlavor
from zenml.model_deployers.base_model_deployer import (
    DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT,
    get_model_version_id_if_exists,
)
from zenml.services import BaseService, ServiceConfig
from zenml.services.service_status import ServiceStatus
from zenml.utils.pagination_utils import depaginate

from sentiment.errors import StackError
from stacks.bentoml_kubernetes import manifests
from stacks.bentoml_kubernetes.cluster import Cluster
from stacks.bentoml_kubernetes.config import BentoMLKubernetesConfig
from stacks.bentoml_kubernetes.flavor import BentoMLKubernetesFlavor
from stacks.bentoml_kubernetes.image import push_image
from stacks.bentoml_kubernetes.registry import Credentials, ImageName, ecr_credentials
from stacks.bentoml_kubernetes.service import KubernetesService, KubernetesServiceConfig
from stacks.model_deployer import Check, RolledOut, RollOutDeployer, Server, no_check

UNTIL = "sentiment-ops/until"
DELETE_SECONDS = 60


class BentoMLKubernetesDeployer(BaseModelDeployer, RollOutDeployer):
    """Deploys Bentos as `KubernetesService`s."""

    NAME: ClassVar[str] = "BentoML on Kubernetes"
    FLAVOR: ClassVar[type[BaseModelDeployerFlavor]] = BentoMLKubernetesFlavor

    @property
    def config(self) -> BentoMLKubernetesConfig:
        """The configuration."""
        return cast(BentoMLKubernetesConfig, self._config)

    def roll_out(
        self,
        bento: Path,
        check: Check,
        *,
        model_name: str,
        model_version: str,
        environment: Mapping[str, str],
        port: int | None = None,
        start_seconds: float | None = None,
    ) -> RolledOut:
        """Push the Bento as an image, check it beside what runs now, and roll over to it (see `RollOutDeployer`).

        `port` is the Service's.
        """
        settings = self.config.model_copy(update={"port": port} if port else {})
        self.cluster.deployment(settings.name)  # a cluster that cannot be had is told before an image is pushed
        image = push_image(
            bento,
            base_image=settings.base_image,
            repository=settings.repository,
            endpoint=settings.registry_endpoint,
            credentials=_credentials(settings),
            drain_seconds=settings.drain_seconds,
        )
        config = KubernetesServiceConfig(
            model_name=model_name,
            model_version=model_version,
            pipeline_name="deploy",
            kubernetes_context=settings.kubernetes_context,
            namespace=settings.namespace,
            deployment=settings.name,
            url=settings.url or _service_url(settings),
            image=image,
            bento_tag=f"{bento.parent.name}:{bento.name}",
            environment=dict(environment),
            replicas=settings.replicas,
            candidate_replicas=settings.candidate_replicas,
            start_seconds=start_seconds or settings.start_seconds,
        )
        client = Client()
        zenml_version = get_model_version_id_if_exists(model_name, f"v{model_version}")
        record = client.create_service(config, KubernetesService.SERVICE_TYPE, zenml_version)
        service = _service(record.id, config)
        _record(service)  # at once: ZenML deletes records that name no class whenever it lists services
        try:
            replaced = self._roll_over(service, check, settings)
        except BaseException:
            client.delete_service(record.id)
            raise
        return RolledOut(
            id=str(service.uuid),
            url=config.url,
            log=f"kubectl --namespace {settings.namespace} logs deployment/{settings.name}",
            bento=config.bento_tag,
            replaced=tuple(replaced),
        )

    def perform_deploy_model(
        self, id: UUID, config: ServiceConfig, timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT
    ) -> BaseService:
        """ZenML's way to deploy, of an image that is in the registry: with no check beyond readiness."""
        service = _service(id, KubernetesServiceConfig.model_validate(config.model_dump(exclude={"type"})))
        self._roll_over(service, no_check, self.config)
        return service

    def perform_start_model(
        self, service: BaseService, timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT
    ) -> BaseService:
        """Bring the pods back."""
        service.start(timeout=timeout)
        return service

    def perform_stop_model(
        self, service: BaseService, timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT, force: bool = False
    ) -> BaseService:
        """Take the pods away; Deployment and Service stay."""
        service.stop(timeout=timeout, force=force)
        return service

    def perform_delete_model(
        self, service: BaseService, timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT, force: bool = False
    ) -> None:
        """Delete Deployments and Services, unless they are another version's by now."""
        ours = cast(KubernetesService, service)
        if ours.is_deployed():
            for name in ours.deployments():
                ours.cluster.delete_deployment(name, wait_seconds=timeout)
                ours.cluster.delete_service(name)

    @staticmethod
    def get_model_server_info(service: BaseService) -> dict[str, str | None]:
        """What `zenml model-deployer models describe` shows."""
        ours = cast(KubernetesService, service)
        return {
            "PREDICTION_URL": ours.prediction_url,
            "HEALTH_CHECK_URL": ours.healthcheck_url,
            "MODEL_NAME": ours.config.model_name,
            "MODEL_VERSION": ours.config.model_version,
            "BENTO_TAG": ours.config.bento_tag,
            "IMAGE": ours.config.image,
            "NAMESPACE": ours.config.namespace,
            "DEPLOYMENT": ours.config.deployment,
        }

    def servers(self, model_name: str) -> list[KubernetesService]:
        """The version behind the Service, if it is of this model."""
        found = _services(self.config.namespace, self.config.name)
        return [each for each in found if each.config.model_name == model_name]

    def keep_state(self, server: Server) -> None:
        """Write the state of the version to its record."""
        _record(cast(KubernetesService, server))

    @property
    def cluster(self) -> Cluster:
        """The namespace to deploy to."""
        return Cluster(self.config.namespace, self.config.kubernetes_context)

    def _roll_over(self, service: KubernetesService, check: Check, settings: BentoMLKubernetesConfig) -> list[str]:
        config = service.config
        version = manifests.Version(
            str(service.uuid), config.model_version, config.bento_tag, config.image, config.environment
        )
        cluster = self.cluster
        with _preview(cluster, settings, version, config.start_seconds) as url:
            check(url)
        _publish(cluster, settings, version, config.start_seconds)
        service.admin_state = ServiceState.ACTIVE
        service.update_status()
        _record(service)
        before = [each for each in _services(config.namespace, config.deployment) if each.uuid != service.uuid]
        for each in before:
            Client().delete_service(each.uuid)
        return [each.config.model_version for each in before]


@contextmanager
def _preview(
    cluster: Cluster, settings: BentoMLKubernetesConfig, version: manifests.Version, seconds: float
) -> Iterator[str]:
    """The URL of the version in a Deployment of its own. Having it is also what keeps other roll-outs out.

    Raises StackError while another has it.
    """
    name = f"{settings.name}-{manifests.PREVIEW}"
    body = manifests.deployment(settings, version, name=name, replicas=1)
    body["metadata"]["annotations"] = {**body["metadata"]["annotations"], UNTIL: f"{time.time() + 3 * seconds:.0f}"}
    if not cluster.create_deployment(body):
        other = cluster.deployment(name)
        if other and float(other.metadata.annotations.get(UNTIL, 0)) > time.time():
            raise StackError(
                f"Another roll-out of {settings.name} is going on in {settings.namespace}.",
                f"Wait for it; or, if it was killed: kubectl -n {settings.namespace} delete deployment {name}.",
            )
        cluster.delete_deployment(name, wait_seconds=DELETE_SECONDS)
        if not cluster.create_deployment(body):
            raise StackError(f"The Deployment {name} of an earlier roll-out does not go away.", "Delete it.")
    try:
        cluster.wait_rolled_out(name, version.service, seconds)
        with cluster.forwarded(name, version.service) as url:
            yield url
    finally:
        cluster.delete_deployment(name)


def _publish(cluster: Cluster, settings: BentoMLKubernetesConfig, version: manifests.Version, seconds: float) -> None:
    """Roll the pods behind the Service over to the version, after those of its candidate, which others then go."""
    champion, candidate = manifests.sides(settings, version)
    name = manifests.candidate_name(settings.name)
    with ExitStack() as unless_all_is_well:
        if candidate:
            body = manifests.deployment(settings, candidate, name=name, replicas=settings.candidate_replicas)
            unless_all_is_well.enter_context(_replaced(cluster, body, version.service, seconds))
            cluster.ensure_service(manifests.service(settings, name=name, kind="ClusterIP"))
        body = manifests.deployment(settings, champion, name=settings.name, replicas=settings.replicas)
        unless_all_is_well.enter_context(_replaced(cluster, body, version.service, seconds))
        cluster.ensure_service(manifests.service(settings, name=settings.name, kind=settings.service_type))
    if not candidate:
        cluster.delete_deployment(name)
        cluster.delete_service(name)


@contextmanager
def _replaced(cluster: Cluster, body: dict[str, Any], service: str, seconds: float) -> Iterator[None]:
    """The Deployment rolled over to `body`; when that or something in the context fails, back to what it was."""
    name = body["metadata"]["name"]
    before = cluster.deployment(name)
    if before is None:
        cluster.create_deployment(body)
    else:
        # The number of pods is the autoscaler's, or whoever's who changed it.
        body["spec"]["replicas"] = before.spec.replicas or body["spec"]["replicas"]
        body["metadata"]["resourceVersion"] = before.metadata.resource_version
        cluster.replace_deployment(body)
    try:
        cluster.wait_rolled_out(name, service, seconds)
        yield
    except BaseException:
        if before is None:
            cluster.delete_deployment(name)
        else:
            before.metadata.resource_version = None
            cluster.replace_deployment(before)
        raise


def _service(id_: UUID, config: KubernetesServiceConfig) -> KubernetesService:
    return KubernetesService(uuid=id_, config=config, status=ServiceStatus())


def _service_url(settings: BentoMLKubernetesConfig) -> str:
    port = "" if settings.port == 80 else f":{settings.port}"
    return f"http://{settings.name}.{settings.namespace}.svc{port}"


def _credentials(settings: BentoMLKubernetesConfig) -> Credentials:
    """The account of the stack's container registry; with none, what the registry's own cloud gives."""
    registry = Client().active_stack.container_registry
    given: Credentials = registry.credentials if registry else None
    return given or ecr_credentials(ImageName.parse(settings.repository).registry)


def _services(namespace: str, deployment: str) -> list[KubernetesService]:
    kind = KubernetesService.SERVICE_TYPE
    recorded = depaginate(Client().list_services, type=kind.type, flavor=kind.flavor, hydrate=True)
    services = [KubernetesService.from_model(each) for each in recorded if each.service_source]
    place = (namespace, deployment)
    return [
        each
        for each in services
        if isinstance(each, KubernetesService) and (each.config.namespace, each.config.deployment) == place
    ]


def _record(service: KubernetesService) -> None:
    Client().update_service(
        service.uuid,
        name=service.config.service_name,
        service_source=service.model_dump()["type"],
        admin_state=service.admin_state,
        status=service.status.model_dump(),
        prediction_url=service.get_prediction_url(),
        health_check_url=service.healthcheck_url,
    )
