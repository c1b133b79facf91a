"""The servers of a team, real and on this machine: S3 (moto), MLflow on PostgreSQL and S3, with accounts."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import boto3
from moto.server import ThreadedMotoServer

from tests.ports import free_port
from tests.service.postgres_server import PostgresServer

BUCKET = "sentiment-artifacts"
MLFLOW_BUCKET = "sentiment-mlflow"
# moto takes the first part of any name but Amazon's for a bucket.
INTERNAL_S3 = "http://s3.us-east-1.amazonaws.com"
SECONDS_TO_START = 120


@dataclass
class MlflowServer:
    """`mlflow server` as deploy/compose runs it; stop() and start() as an operator would."""

    folder: Path
    database: str
    s3: str
    username: str = "admin"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = self.folder / "basic_auth.ini"
        settings.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = {self.database}\nadmin_username = {self.username}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            # Checking a password costs a tenth of a second, and a run asks hundreds of times.
            "auth_cache_ttl_seconds = 60\n"
        )
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port), "--backend-store-uri", self.database]
        command += ["--artifacts-destination", f"s3://{MLFLOW_BUCKET}/mlflow"]
        environment = {
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_AUTH_ADMIN_PASSWORD": self.password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
            # A way that only the server has, as in compose or on a cluster: clients must not be sent there.
            "MLFLOW_S3_ENDPOINT_URL": INTERNAL_S3,
            "HTTP_PROXY": self.s3,
            **CREDENTIALS,
        }
        with (self.folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
            )
        self._wait()

    def stop(self) -> None:
        """Kill it with its workers, as a lost machine would."""
        if self._process:
            os.killpg(self._process.pid, 9)
            self._process.wait(30)
            self._process = None

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            try:
                urlopen(f"{self.url}/health", timeout=2).close()  # noqa: S310 - http
            except HTTPError:
                return
            except (OSError, HTTPException):
                assert self._process, "not started"
                assert self._process.poll() is None, self.log()
                time.sleep(0.5)
            else:
                return
        raise TimeoutError(self.log())

    def log(self) -> str:
        """The end of its log."""
        return (self.folder / "mlflow.log").read_text(encoding="utf-8", errors="replace")[-3000:]


# moto takes any; real ones never stand in a file.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test-access-key",
    "AWS_SECRET_ACCESS_KEY": "test-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Team:
    """The servers, and the variables with which a machine uses them."""

    s3: str
    mlflow: MlflowServer
    database: str

    @property
    def environment(self) -> dict[str, str]:
        """What a person exports before --stack hybrid."""
        return {
            **CREDENTIALS,
            "SENTIMENT_BUCKET": BUCKET,
            "AWS_ENDPOINT_URL_S3": self.s3,
            "MLFLOW_TRACKING_URI": self.mlflow.url,
            "MLFLOW_TRACKING_USERNAME": self.mlflow.username,
            "MLFLOW_TRACKING_PASSWORD": self.mlflow.password,
        }

    def objects(self, bucket: str = BUCKET) -> list[str]:
        """The keys in a bucket."""
        pages = s3_client(self.s3).get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]


@contextmanager
def team_servers(folder: Path) -> Iterator[Team]:
    """Start everything on free ports of 127.0.0.1, and end it."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    postgres = PostgresServer()
    host, port = moto.get_host_and_port()
    s3 = f"http://{host}:{port}"
    # SQLAlchemy's dialect with psycopg 3, which requirements.txt has.
    mlflow = MlflowServer(folder, postgres.url.replace("postgresql://", "postgresql+psycopg://"), s3)
    try:
        for bucket in (BUCKET, MLFLOW_BUCKET):
            s3_client(s3).create_bucket(Bucket=bucket)
        mlflow.start()
        yield Team(s3, mlflow, postgres.url)
    finally:
        mlflow.stop()
        postgres.delete()
        moto.stop()


def s3_client(endpoint: str) -> "boto3.client":
    """A client of the stand-in."""
    keys = {name.lower(): value for name, value in CREDENTIALS.items() if name.startswith("AWS_")}
    return boto3.client("s3", endpoint_url=endpoint, region_name=keys.pop("aws_default_region"), **keys)
