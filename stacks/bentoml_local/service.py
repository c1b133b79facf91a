"""The ZenML service of a deployed Bento: what `zenml model-deployer models ...` lists, starts and stops."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field
from zenml.enums import ServiceState
from zenml.integrations.bentoml.constants import BENTOML_HEALTHCHECK_URL_PATH, BENTOML_PREDICTION_URL_PATH
from zenml.integrations.bentoml.services.bentoml_local_deployment import (
    BentoMLDeploymentEndpoint,
    BentoMLDeploymentEndpointConfig,
    BentoMLLocalDeploymentConfig,
    BentoMLLocalDeploymentService,
)
from zenml.services import (
    HTTPEndpointHealthMonitor,
    HTTPEndpointHealthMonitorConfig,
    LocalDaemonServiceEndpointStatus,
    LocalDaemonServiceStatus,
    ServiceEndpointProtocol,
)

from sentiment.errors import StackError
from stacks.bentoml_local.process import LOG, PID, ServerProcess, bind
from stacks.model_deployer import Check, Running, no_check

STOP_SECONDS = 15


class SwitchableServiceConfig(BentoMLLocalDeploymentConfig):
    """What is served where. `bento_uri` is the Bento's folder; `environment` reaches the server and holds no secret."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    bento_uri: str
    working_dir: str = ""
    environment: dict[str, str] = Field(default_factory=dict)
    start_seconds: float = Field(default=60, gt=0)
    drain_seconds: float = Field(default=30, gt=0)


class SwitchableServiceStatus(LocalDaemonServiceStatus):
    """The state of the server's process, read from its folder."""

    @property
    def log_file(self) -> str | None:
        """The server's log."""
        return os.path.join(self.runtime_path, LOG) if self.runtime_path else None

    @property
    def pid_file(self) -> str | None:
        """The file with the server's process id."""
        return os.path.join(self.runtime_path, PID) if self.runtime_path else None

    @property
    def pid(self) -> int | None:
        """The server's process id; None when it does not run."""
        return ServerProcess(Path(self.runtime_path)).pid if self.runtime_path else None


class SwitchableService(BentoMLLocalDeploymentService):
    """A Bento in a server process of its own, which can take over a public port from another.

    The process of ZenML's own service starts BentoML with a port that silently changes when it is taken, and counts
    polls for seconds. Here start-up has a deadline by the clock and raises, with the end of the log.
    """

    config: SwitchableServiceConfig
    status: SwitchableServiceStatus = Field(default_factory=SwitchableServiceStatus)

    def __init__(self, config: SwitchableServiceConfig | dict[str, Any], **attrs: Any) -> None:
        if isinstance(config, SwitchableServiceConfig):
            attrs.setdefault("endpoint", _endpoint(config))
            attrs.setdefault(
                "status",
                SwitchableServiceStatus(runtime_path=os.path.join(str(config.root_runtime_path), str(attrs["uuid"]))),
            )
        super().__init__(config=config, **attrs)

    @property
    def process(self) -> ServerProcess:
        """The server's process, running or not."""
        return ServerProcess(Path(str(self.status.runtime_path)))

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://{self.config.host}:{self.config.port}"

    def running(self) -> Running | None:
        """The server's process."""
        pid, since = self.process.pid, self.process.since
        return Running(f"process {pid}", since) if pid and since else None

    @property
    def is_published(self) -> bool:
        """Whether the server was given its public port."""
        return self.admin_state == ServiceState.ACTIVE

    def start_on(
        self,
        public: socket.socket,
        check: Check = no_check,
        seconds: float | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start the server, with `variables` beside the configured ones, `check` it on a private port, and let it
        accept on `public`.

        Raises StackError, with the end of the log, when it is not ready within `seconds` (else the configured ones),
        and what `check` raises; no process is left then.
        """
        process, bento = self.process, Path(self.config.bento_uri)
        if not bento.is_dir():
            again = f"--set model_name={self.config.model_name} --set port={self.config.port}"
            raise StackError(f"The Bento that {self.url} served is gone: {bento}.", f"python run.py deploy {again}")
        try:
            url = process.launch(bento, {**self.config.environment, **variables}, self.config.drain_seconds)
            process.wait_ready(url, seconds or self.config.start_seconds)
            check(url)
            process.adopt(public)
        except BaseException:
            process.stop(STOP_SECONDS, force=True)
            raise
        self.admin_state = ServiceState.ACTIVE
        self.update_status()

    def start(self, timeout: int = 0) -> None:
        """Start the server and give it its port, within `timeout` seconds if given.

        Raises StackError when the port is taken or the server does not become ready.
        """
        if self.process.pid is None:
            with bind(self.config.host, self.config.port) as public:
                self.start_on(public, seconds=timeout or None)

    def restart(self) -> None:
        """Stop the server and start it again with the variables it had; callers wait meanwhile, and none is refused.

        Raises StackError when the Bento is gone, the port is taken, or the server does not become ready.
        """
        process = self.process
        # Those of whoever deployed it, such as the API key: this shell may have none.
        variables = process.variables()
        with process.lend() or bind(self.config.host, self.config.port) as public:
            if process.pid:
                self.retire()
            self.start_on(public, variables=variables)

    def retire(self) -> None:
        """Stop the server after another took its port: every request it accepted is answered."""
        with suppress(StackError):  # one that does not answer is stopped
            self.process.drain()
            self.process.wait_gone(self.config.drain_seconds)
        self.stop()

    def stop(self, timeout: int = 0, force: bool = False) -> None:
        """Stop the server; requests in flight are answered unless `force`d."""
        self.admin_state = ServiceState.INACTIVE
        self.process.stop(timeout or STOP_SECONDS, force=force)
        self.update_status()


def _endpoint(config: SwitchableServiceConfig) -> BentoMLDeploymentEndpoint:
    return BentoMLDeploymentEndpoint(
        config=BentoMLDeploymentEndpointConfig(
            protocol=ServiceEndpointProtocol.HTTP,
            port=config.port,
            ip_address=config.host,
            allocate_port=False,
            prediction_url_path=BENTOML_PREDICTION_URL_PATH,
        ),
        monitor=HTTPEndpointHealthMonitor(
            config=HTTPEndpointHealthMonitorConfig(
                healthcheck_uri_path=BENTOML_HEALTHCHECK_URL_PATH, use_head_request=False
            )
        ),
        status=LocalDaemonServiceEndpointStatus(
            protocol=ServiceEndpointProtocol.HTTP, hostname=config.host, port=config.port
        ),
    )
