"""What a cluster test needs beside the cluster, where the environment names no real one: S3, MLflow, ZenML, a registry.

They listen on `host`, an address of this machine that the cluster's pods reach, and end with the context.
"""

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
import httpx
import psycopg

from tests.service.postgres_server import PostgresServer

SECONDS_TO_START = 120
BIN = Path(sys.executable).parent
BUCKET = "sentiment"
# moto checks no credentials.
S3_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "stand-in",
    "AWS_SECRET_ACCESS_KEY": "stand-in",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def s3(host: str, folder: Path) -> Iterator[str]:
    """The endpoint of an object store in memory that has the bucket BUCKET."""
    port = free_port(host)
    url = f"http://{host}:{port}"
    with _running([BIN / "moto_server", "-H", host, "-p", str(port)], f"{url}/moto-api/", folder / "s3.log"):
        boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=S3_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=S3_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=S3_CREDENTIALS["AWS_DEFAULT_REGION"],
        ).create_bucket(Bucket=BUCKET)
        yield url


@contextmanager
def postgres(host: str) -> Iterator[tuple[str, str]]:
    """A PostgreSQL: the URL of a database for MLflow on this machine, and that of one for pods, with a password."""
    server = PostgresServer()
    try:
        password, data = secrets.token_hex(16), server._server.pgdata
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE pods LOGIN PASSWORD '{password}'")
            connection.execute("CREATE DATABASE predictions OWNER pods")
        with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write("host predictions pods 0.0.0.0/0 scram-sha-256\n")
        server.stop()
        server._control("-o", f"-h {host} -k {data}", "-l", str(data / "log"), "start")
        local = server.url.replace("postgresql://", "postgresql+psycopg://")
        yield local, f"postgresql://pods:{password}@{host}/predictions"
    finally:
        server.delete()


@contextmanager
def mlflow(host: str, folder: Path, database_url: str, artifacts: str, environment: dict[str, str]) -> Iterator[str]:
    """The address of an MLflow server on this database that keeps its artifacts at an s3:// address."""
    port = free_port(host)
    command = [BIN / "mlflow", "server", "--host", host, "--port", str(port), "--workers", "1"]
    storage = ["--backend-store-uri", database_url, "--artifacts-destination", artifacts]
    environment = {**environment, "MLFLOW_S3_ENDPOINT_URL": environment.get("AWS_ENDPOINT_URL_S3", "")}
    url = f"http://{host}:{port}"
    hosts = ["--allowed-hosts", f"{host}:{port}"]
    with _running([*command, *storage, *hosts], f"{url}/health", folder / "mlflow.log", environment):
        yield url


@contextmanager
def zenml(host: str, folder: Path) -> Iterator[tuple[str, str]]:
    """The address of a ZenML server, and an API key for it."""
    port, password = free_port(host), secrets.token_urlsafe(16)
    url = f"http://{host}:{port}"
    environment = {
        "ZENML_CONFIG_PATH": str(folder / "zenml-server"),
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_DEFAULT_USER_NAME": "admin",
        "ZENML_DEFAULT_USER_PASSWORD": password,
    }
    app = ["-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--host", host, "--port", str(port)]
    with _running([sys.executable, *app, "--log-level", "warning"], f"{url}/health", folder / "zenml.log", environment):
        yield url, api_key(url, "admin", password)


@contextmanager
def relay(host: str, registry: str) -> Iterator[str]:
    """The address under which pods reach a registry that listens on this machine's loopback only."""
    target, _, port = registry.partition(":")
    with socket.create_server((host, 0)) as listener:
        threading.Thread(target=_relay, args=(listener, (target, int(port or 80))), daemon=True).start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def _running(
    command: list[object], health: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(health, process, log)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait(health: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(health, timeout=5).status_code < 500:
                return
        time.sleep(0.3)
    raise AssertionError(f"{health} does not answer:\n{log.read_text(errors='replace')[-3000:]}")


def api_key(url: str, user: str, password: str) -> str:
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
        token = client.post("/login", data={"username": user, "password": password}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        name = f"cluster-test-{uuid.uuid4().hex[:8]}"
        account = {"name": name, "full_name": name, "active": True}
        account_id = client.post("/service_accounts", json=account).raise_for_status().json()["id"]
        key = client.post(f"/service_accounts/{account_id}/api_keys", json={"name": "key"}).raise_for_status()
        return str(key.json()["body"]["key"])


def _relay(listener: socket.socket, target: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            incoming, _ = listener.accept()
            outgoing = socket.create_connection(target)
            for source, sink in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(2**16):
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
