"""ZenML's dashboard and MLflow's pages as servers of this machine, which end with the command that started them.

ZenML's client is left as it is: the dashboard gets a config folder of its own and the client's database, as
`zenml login --local` does it, without connecting the client to it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

import httpx
from zenml.config.global_config import GlobalConfiguration
from zenml.constants import (
    ENV_ZENML_CONFIG_PATH,
    ENV_ZENML_DISABLE_DATABASE_MIGRATION,
    ENV_ZENML_LOCAL_STORES_PATH,
    ENV_ZENML_SERVER,
    ENV_ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS,
    ENV_ZENML_SERVER_AUTH_SCHEME,
    ENV_ZENML_SERVER_AUTO_ACTIVATE,
    ENV_ZENML_SERVER_DEPLOYMENT_TYPE,
    ZEN_SERVER_ENTRYPOINT,
)
from zenml.enums import AuthScheme, StoreType

from sentiment.errors import StackError
from sentiment.home import home
from sentiment.registry.tracking import is_server

SECONDS_TO_START: Final = 60.0
SECONDS_TO_END: Final = 5.0
POLL_SECONDS: Final = 0.2
PORT: Final = "PORT"  # in a command: where the port goes


class Companion:
    """A server that is started when somebody first asks for it. `running_at` is one that is there already."""

    def __init__(
        self,
        name: str,
        command: Sequence[str] = (),
        *,
        variables: Mapping[str, str] | None = None,
        health: str = "/health",
        running_at: str | None = None,
    ) -> None:
        self.name = name
        self.log = home() / "logs" / f"ui-{name}.log"
        self._command, self._variables, self._health = command, dict(variables or {}), health
        self._url = running_at
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = Lock()

    def url(self) -> str:
        """Its address, once it answers. Raises StackError when it does not within SECONDS_TO_START."""
        with self._lock:
            if self._url is None or (self._process and self._process.poll() is not None):
                self._url = self._start()
            return self._url

    def end(self) -> None:
        """End it with all its workers; one that was there already goes on."""
        if self._process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_END)

    def _start(self) -> str:
        port = _free_port()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(str(port) if each == PORT else each for each in self._command)],
                env={**os.environ, **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(url + self._health, timeout=POLL_SECONDS * 5).status_code == httpx.codes.OK:
                    return url
            time.sleep(POLL_SECONDS)
        self.end()
        raise StackError(f"{self.name} did not start.", f"See its log: less {self.log}")


def zenml_dashboard() -> Companion:
    """The server that the client is connected to, else one on the client's own database."""
    zenml = GlobalConfiguration()
    if zenml.store_configuration.type == StoreType.REST:
        return Companion("zenml", running_at=zenml.store_configuration.url)
    folder = home() / "ui" / "zenml"
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        ENV_ZENML_CONFIG_PATH: str(folder),
        ENV_ZENML_LOCAL_STORES_PATH: str(Path(zenml.local_stores_path)),
        ENV_ZENML_SERVER: "true",
        ENV_ZENML_SERVER_ALLOW_LOCAL_FILE_ACCESS: "true",
        ENV_ZENML_SERVER_AUTH_SCHEME: AuthScheme.NO_AUTH.value,
        ENV_ZENML_SERVER_DEPLOYMENT_TYPE: "local",
        ENV_ZENML_SERVER_AUTO_ACTIVATE: "True",
        ENV_ZENML_DISABLE_DATABASE_MIGRATION: "True",
    }
    command = ("-m", "uvicorn", ZEN_SERVER_ENTRYPOINT, "--host", "127.0.0.1", "--port", PORT, "--no-access-log")
    return Companion("zenml", command, variables=variables)


def mlflow_pages(tracking_uri: str) -> Companion:
    """The tracking server, else one on the database of this machine."""
    if is_server(tracking_uri):
        return Companion("mlflow", running_at=tracking_uri.rstrip("/"))
    server = ("-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1", "--backend-store-uri", tracking_uri)
    return Companion("mlflow", (*server, "--port", PORT))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
