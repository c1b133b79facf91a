"""The model deployer of the `bentoml_local` flavor.

ZenML's own BentoML deployer deletes the running server before it starts the next one; here the next starts beside it.
"""

import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

from filelock import FileLock
from zenml.client import Client
from zenml.integrations.bentoml.model_deployers.bentoml_model_deployer import BentoMLModelDeployer
from zenml.model_deployers import BaseModelDeployerFlavor
from zenml.model_deployers.base_model_deployer import (
    DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT,
    get_model_version_id_if_exists,
)
from zenml.models.v2.misc.service import ServiceType
from zenml.services import BaseService, ServiceConfig
from zenml.utils.pagination_utils import depaginate

from stacks.bentoml_local.flavor import BentoMLLocalConfig, BentoMLLocalFlavor
from stacks.bentoml_local.process import bind
from stacks.bentoml_local.service import SwitchableService, SwitchableServiceConfig
from stacks.model_deployer import Check, RolledOut, RollOutDeployer, Server, no_check


class BentoMLLocalDeployer(BentoMLModelDeployer, RollOutDeployer):
    """Deploys Bentos as `SwitchableService`s."""

    NAME: ClassVar[str] = "BentoML on this machine"
    FLAVOR: ClassVar[type[BaseModelDeployerFlavor]] = BentoMLLocalFlavor

    @property
    def config(self) -> BentoMLLocalConfig:
        """The configuration."""
        return cast(BentoMLLocalConfig, self._config)

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
        """Start the Bento beside what runs now, check it, and give it the public port (see `RollOutDeployer`)."""
        kept = self._bentos / bento.name
        shutil.copytree(bento, kept)
        config = SwitchableServiceConfig(
            model_name=model_name,
            model_version=model_version,
            model_uri=str(kept),
            bento_tag=f"{bento.parent.name}:{bento.name}",
            bento_uri=str(kept),
            environment=dict(environment),
            host=self.config.host,
            port=port or self.config.port,
            start_seconds=start_seconds or self.config.start_seconds,
            drain_seconds=self.config.drain_seconds,
            pipeline_name="deploy",
            root_runtime_path=self.local_path,
        )
        service, replaced = self._deploy(config, check)
        return RolledOut(
            id=str(service.uuid),
            url=str(service.endpoint.status.uri),
            log=str(service.status.log_file),
            bento=config.bento_tag,
            replaced=tuple(replaced),
        )

    def deploy_model(
        self,
        config: ServiceConfig,
        service_type: ServiceType,
        replace: bool = False,
        continuous_deployment_mode: bool = False,
        timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT,
    ) -> BaseService:
        """ZenML's way to deploy: the same switch, with no check beyond readiness.

        Whatever serves on the port is replaced, whatever the flags say: a port has one server.
        """
        own = {"root_runtime_path": self.local_path, "start_seconds": timeout or self.config.start_seconds}
        local = SwitchableServiceConfig.model_validate({**config.model_dump(exclude={"type"}), **own})
        return self._deploy(local, no_check)[0]

    def perform_delete_model(
        self, service: BaseService, timeout: int = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT, force: bool = False
    ) -> None:
        """Stop the server and delete its folder and its Bento."""
        service.stop(timeout=timeout, force=force)
        self._discard(cast(SwitchableService, service))

    def servers(self, model_name: str) -> list[SwitchableService]:
        """The processes that were deployed of this model, one a port."""
        return [each for each in _services() if each.config.model_name == model_name]

    def keep_state(self, server: Server) -> None:
        """Write the server's state to its record."""
        _record(cast(SwitchableService, server))

    def _deploy(self, config: SwitchableServiceConfig, check: Check) -> tuple[SwitchableService, list[str]]:
        client = Client()
        zenml_version = get_model_version_id_if_exists(config.model_name, f"v{config.model_version}")
        registered = client.create_service(config, SwitchableService.SERVICE_TYPE, zenml_version)
        service = SwitchableService(uuid=registered.id, config=config)
        _record(service)  # at once: ZenML deletes records that name no class whenever it lists services
        try:
            return service, self._switch(service, check)
        except BaseException:
            if not service.is_published:
                client.delete_service(service.uuid)
            raise

    def _switch(self, service: SwitchableService, check: Check) -> list[str]:
        config = service.config
        with FileLock(Path(self.local_path) / "switch.lock"):
            before = [each for each in _services_at(config.host, config.port) if each.uuid != service.uuid]
            try:
                with _public_socket(config, before) as public:
                    service.start_on(public, check)
            except BaseException:
                self._discard(service)
                raise
            _record(service)
            for each in before:
                each.retire()
                Client().delete_service(each.uuid)
                self._discard(each)
        return [each.config.model_version for each in before]

    def _discard(self, service: SwitchableService) -> None:
        shutil.rmtree(service.process.folder, ignore_errors=True)
        bento = Path(service.config.bento_uri)
        if bento.parent == self._bentos:  # others are not ours to delete
            shutil.rmtree(bento, ignore_errors=True)

    @property
    def _bentos(self) -> Path:
        return Path(self.local_path) / "bentos"


def _services() -> list[SwitchableService]:
    # Not find_model_server: it deletes the record of a service that is being deployed.
    kind = SwitchableService.SERVICE_TYPE
    recorded = depaginate(Client().list_services, type=kind.type, flavor=kind.flavor, hydrate=True)
    services = [SwitchableService.from_model(each) for each in recorded if each.service_source]
    return [each for each in services if isinstance(each, SwitchableService)]


def _services_at(host: str, port: int) -> list[SwitchableService]:
    return [each for each in _services() if (each.config.host, each.config.port) == (host, port)]


def _public_socket(config: SwitchableServiceConfig, before: Sequence[SwitchableService]) -> socket.socket:
    for each in before:
        if lent := each.process.lend():
            return lent
    return bind(config.host, config.port)


def _record(service: SwitchableService) -> None:
    Client().update_service(
        service.uuid,
        name=service.config.service_name,
        service_source=service.model_dump()["type"],
        admin_state=service.admin_state,
        status=service.status.model_dump(),
        endpoint=service.endpoint.model_dump(),
        prediction_url=service.get_prediction_url(),
        health_check_url=service.get_healthcheck_url(),
    )
