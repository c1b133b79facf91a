"""Whether the servers of a stack answer, and take the credentials: the part of the doctor that asks others.

Every question has a short deadline, is asked once, and changes nothing.
"""

import os
import shlex
import sqlite3
import traceback
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import psutil
from sqlalchemy.exc import SQLAlchemyError
from zenml.config.global_config import GlobalConfiguration
from zenml.constants import ENV_ZENML_STORE_PREFIX
from zenml.enums import StoreType
from zenml.exceptions import AuthorizationException

from sentiment.config.stack import Component, StackConfig
from sentiment.errors import OR, SentimentError, StackError
from sentiment.registry.tracking import database_path, require_answer, without_credentials
from stacks.secrets import values_of


class Finding(NamedTuple):
    """One check. `fix` is empty when it is ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


SECONDS: Final = 5
# MLflow's first look at its accounts and experiments after a start is slow.
SECONDS_OF_MLFLOW: Final = 20
FORBIDDEN: Final = 403
LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
ZENML_SERVER: Final = "ZenML server"
ZENML_DATABASE: Final = "ZenML's database"


def reach(config: StackConfig, kinds: Collection[str]) -> list[Finding]:
    """One finding for each server, database, cluster and daemon that the stack's components of these kinds need."""
    findings = [zenml_store(config)]
    for kind, component in config.enabled().items():
        if kind in kinds:
            findings += SPECIAL.get((kind, component.flavor), _addresses)(config, kind, component)
    return findings


@contextmanager
def zenml_reached() -> Iterator[None]:
    """Raises StackError in place of whatever ZenML's client raises when its server or its database is lost."""
    try:
        yield
    except SentimentError:
        raise
    except Exception as error:
        if lost := _lost_store(error):
            raise StackError(f"{lost.name}: {lost.detail}", lost.fix) from error
        raise


def _lost_store(error: Exception) -> Finding | None:
    store = GlobalConfiguration().store_configuration
    if store.type == StoreType.REST and isinstance(error, AuthorizationException) and _zenml_server(store.url).ok:
        return Finding(ZENML_SERVER, False, f"{store.url} refuses the credentials.", f"zenml login {store.url}")
    if store.type == StoreType.REST or (isinstance(error, SQLAlchemyError) and _raised_in(error, "zenml.zen_stores")):
        found = _zenml_server(store.url) if store.type == StoreType.REST else _zenml_database(store.url)
        if not found.ok:
            return found
    if isinstance(error, SQLAlchemyError) and _raised_in(error, "zenml.zen_stores"):
        detail = f"It cannot be used ({str(error).partition(chr(10))[0]})."
        return Finding(ZENML_DATABASE, False, detail, f"Check the disk of {store.url}.")
    return None


def _raised_in(error: Exception, package: str) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__")).startswith(package) for frame, _ in frames)


def zenml_store(config: StackConfig) -> Finding:
    """What ZenML's client works on: a server, or a database of this machine."""
    store = GlobalConfiguration().store_configuration
    if store.type == StoreType.REST:
        return _zenml_server(store.url)
    if config.requires.zenml_server:
        detail = "ZenML works on a database of this machine, which pods cannot reach."
        return Finding(
            ZENML_SERVER, False, detail, "Run zenml login https://SERVER, or set ZENML_STORE_URL and its key."
        )
    return _zenml_database(store.url)


def _zenml_server(url: str) -> Finding:
    found = _answer(ZENML_SERVER, url)
    if found.ok:
        return found
    if named := [name for name in os.environ if name.startswith(ENV_ZENML_STORE_PREFIX)]:
        fix = f"Start it{OR}Go back to what this machine is configured for: unset {' '.join(sorted(named))}"
        return Finding(ZENML_SERVER, False, f"{found.detail} {ENV_ZENML_STORE_PREFIX}URL names it.", fix)
    written = Path(GlobalConfiguration().config_directory) / "config.yaml"
    since = f"{datetime.fromtimestamp(written.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC" if written.exists() else ""
    detail = f"{found.detail} ZenML is connected to it by {written}, written {since}."
    local = urlsplit(url).hostname in LOCAL_HOSTS
    again = "Start it again: zenml login --local" if local else f"Connect again, when it runs: zenml login {url}"
    fix = f"Go back to this machine's database: zenml logout{OR}{again}"
    return Finding(ZENML_SERVER, False, detail, fix)


def _zenml_database(url: str) -> Finding:
    database = database_path(url)
    return opens(ZENML_DATABASE, database) if database else Finding(ZENML_DATABASE, True, "not checked")


def _answer(name: str, address: str) -> Finding:
    try:
        require_answer(address, SECONDS)
    except StackError as error:
        return Finding(name, False, error.cause, error.fix)
    return Finding(name, True, f"{without_credentials(address)} answers")


def _addresses(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    for uri in _strings(component.configuration):
        if uri.startswith(("http://", "https://")):
            yield _answer(kind, uri)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _mlflow(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    uri = component.configuration.get("tracking_uri", "")
    name = f"MLflow {without_credentials(uri)}"
    if database := database_path(uri):
        yield opens(name, database)
    elif uri.startswith(("http://", "https://")):
        yield _mlflow_server(name, uri)


def opens(name: str, database: Path) -> Finding:
    """Whether a file of SQLite opens, is whole as far as its first pages tell, and can be written."""
    if not database.exists():
        return Finding(name, True, "will be created")
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=SECONDS)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "locked" in str(error):
            detail = f"Another program has locked it for {SECONDS} seconds{_holders(database)}."
            return Finding(name, False, detail, "Wait for it, or end it, and run the same command again.")
        place = shlex.quote(str(database))
        fix = f"Restore it from a copy{OR}Begin an empty one: mv {place} {place}.damaged"
        return Finding(name, False, f"{database} does not open: {error}.", fix)
    return Finding(name, True, "opens")


def _holders(database: Path) -> str:
    """The processes that have the file open, as far as this user may see."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(each.path == str(database) for each in process.open_files()):
                found.append(f"{process.pid} ({' '.join(process.cmdline())[:80]})")
    return f": process {', '.join(found)}" if found else ""


def _mlflow_server(name: str, uri: str) -> Finding:
    try:
        require_answer(uri, SECONDS)
    except StackError as error:
        return Finding(name, False, error.cause, error.fix)
    headers = {}
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    elif user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    status = _status(f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1", headers, SECONDS_OF_MLFLOW)
    if status is None:
        detail = f"It does not answer within {SECONDS_OF_MLFLOW} seconds."
        return Finding(name, False, detail, "Look at its log, or try again.")
    if status in (401, 403):
        fix = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to valid ones."
        return Finding(name, False, f"It refuses the credentials (HTTP {status}).", fix)
    if status != 200:
        fix = "Correct MLFLOW_TRACKING_URI: it is the server's address without a path behind."
        return Finding(name, False, f"It does not answer as MLflow does (HTTP {status}).", fix)
    return Finding(name, True, "answers, and takes the credentials")


def _status(url: str, headers: dict[str, str], seconds: float = SECONDS) -> int | None:
    """The status of a GET; None when there is no answer."""
    try:
        with urlopen(Request(url, headers=headers), timeout=seconds) as answer:  # noqa: S310 - http(s) only
            return int(answer.status)
    except HTTPError as error:
        return error.code
    except (OSError, HTTPException, ValueError):
        return None


def _s3(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    bucket = urlsplit(component.configuration["path"]).netloc
    name = f"S3 bucket {bucket}"
    secret = component.configuration.get("authentication_secret")
    if secret and secret not in config.secrets:
        yield Finding(name, True, f"not checked: only ZenML knows the secret {secret}")
        return
    credentials = values_of(config, secret) if secret else {}
    client = boto3.client(
        "s3",
        config=Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"total_max_attempts": 1}),
        **(component.configuration.get("client_kwargs") or {}),
        **credentials,
    )
    endpoint = client.meta.endpoint_url
    try:
        client.head_bucket(Bucket=bucket)
    except NoCredentialsError:
        fix = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in: aws sso login."
        yield Finding(name, False, "There are no credentials for it.", fix)
    except ClientError as error:
        yield _refused(name, bucket, endpoint, str(error.response["Error"]["Code"]))
    except BotoCoreError as error:
        detail = f"{endpoint} does not answer ({type(error).__name__})."
        yield Finding(name, False, detail, "Start it, or correct its address.")
    else:
        yield Finding(name, True, f"{endpoint} takes the credentials")


def _refused(name: str, bucket: str, endpoint: str, code: str) -> Finding:
    if code == "404":
        fix = f"Make it: aws s3 mb s3://{bucket} --endpoint-url {endpoint}"
        return Finding(name, False, f"{endpoint} has no such bucket.", fix)
    fix = "Renew AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give them access to the bucket."
    return Finding(name, False, f"{endpoint} refuses the credentials (HTTP {code}).", fix)


def _registry(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    host = str(component.configuration["uri"]).partition("/")[0]
    name = f"container registry {host}"
    scheme = "http" if host.rpartition(":")[0] in LOCAL_HOSTS else "https"
    # In a pod, the name that the nodes use may lead nowhere.
    deployer = config.enabled().get("model_deployer")
    endpoint = deployer.configuration.get("registry_endpoint") if deployer else None
    statuses = [_status(f"{address}/v2/", {}) for address in (f"{scheme}://{host}", endpoint) if address]
    if any(status in (200, 401) for status in statuses):
        yield Finding(name, True, "answers")
    else:
        found = ", ".join(f"HTTP {status}" if status else "no answer" for status in statuses)
        fix = "Correct the registry's uri, or registry_endpoint of the model deployer."
        yield Finding(name, False, f"It does not answer as a registry does ({found}).", fix)


def _kubernetes(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    from kubernetes import client
    from urllib3.exceptions import HTTPError as TransportError

    from stacks.bentoml_kubernetes.cluster import connect

    context = component.configuration.get("kubernetes_context")
    name = f"Kubernetes context {context}" if context else "Kubernetes"
    try:
        api = connect(context)
        version = client.VersionApi(api).get_code(_request_timeout=SECONDS).git_version
        _look_at_namespace(client.CoreV1Api(api), _namespace(component))
    except StackError as error:
        fix = "See kubectl config get-contexts; on a managed cluster: aws eks update-kubeconfig or the like."
        yield Finding(name, False, error.cause, fix)
    except client.ApiException as error:
        yield _cluster_refusal(name, _namespace(component), error.status)
    except (TransportError, OSError) as error:
        reason = type(getattr(error, "reason", error)).__name__
        yield Finding(name, False, f"The cluster does not answer ({reason}).", "Check kubectl cluster-info.")
    else:
        yield Finding(name, True, f"{version}, namespace {_namespace(component)}")


def _look_at_namespace(core: Any, namespace: str) -> None:
    from kubernetes.client import ApiException

    try:
        core.read_namespace(namespace, _request_timeout=SECONDS)
    except ApiException as error:
        if error.status != FORBIDDEN:  # who may only work in it may not look at it
            raise


def _namespace(component: Component) -> str:
    configuration = component.configuration
    return str(configuration.get("kubernetes_namespace") or configuration.get("namespace") or "zenml")


def _cluster_refusal(name: str, namespace: str, status: int) -> Finding:
    if status == 404:
        fix = f"Make it: kubectl create namespace {namespace}"
        return Finding(name, False, f"It has no namespace {namespace}.", fix)
    return Finding(name, False, f"It refuses the credentials (HTTP {status}).", "Log in to the cluster again.")


def _docker(config: StackConfig, kind: str, component: Component) -> Iterator[Finding]:
    import docker
    from docker.errors import DockerException, ImageNotFound

    name = "Docker daemon"
    try:
        client = docker.from_env(timeout=SECONDS)
        version = client.version()["Version"]
    except DockerException as error:
        detail = f"It does not answer ({type(error).__name__})."
        yield Finding(name, False, detail, "Start it (systemctl start docker), or set DOCKER_HOST.")
        return
    yield Finding(name, True, version)
    image = config.settings.image
    if image:
        try:
            client.images.get(image)
            yield Finding(f"image {image}", True, "is here")
        except ImageNotFound:
            fix = f"Build it: docker build --target training --tag {image} --file deploy/docker/Dockerfile ."
            yield Finding(f"image {image}", False, "Docker does not have it.", fix)


Ask = Callable[[StackConfig, str, Component], Iterator[Finding]]
SPECIAL: Final[dict[tuple[str, str], Ask]] = {
    ("artifact_store", "s3"): _s3,
    ("container_registry", "default"): _registry,
    ("container_registry", "aws"): _registry,
    ("experiment_tracker", "mlflow"): _mlflow,
    ("model_deployer", "bentoml_kubernetes"): _kubernetes,
    ("orchestrator", "kubernetes"): _kubernetes,
    ("orchestrator", "local_docker"): _docker,
}
