"""A namespace of a Kubernetes cluster: what a roll-out does there, and what it says when it does not work."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from kubernetes import config as kubeconfig
from kubernetes.client import ApiClient, AppsV1Api, Configuration, CoreV1Api, V1Deployment, V1Pod
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException
from kubernetes.stream import portforward
from urllib3.exceptions import HTTPError

from sentiment.errors import StackError
from sentiment.text.pii import mask
from stacks.bentoml_kubernetes.image import PORT
from stacks.bentoml_kubernetes.manifests import LABEL, labels

CHUNK = 2**16


@contextmanager
def forwarded(api: ApiClient, namespace: str, pod: str, port: int) -> Iterator[str]:
    """The URL, on 127.0.0.1, under which the pod's `port` answers while the context lasts.

    A pod that a network policy closes to other pods can be reached like this, from a laptop as well as from a step.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        # A client of its own: for the hand-shake the library exchanges the client's request method.
        core = CoreV1Api(ApiClient(api.configuration))
        dial = partial(portforward, core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
        threading.Thread(target=_accept, args=(listener, dial, port), name="port-forward", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, dial: Callable[[], Any], port: int) -> None:
    with suppress(OSError):  # the listener was closed
        while True:
            connection, _ = listener.accept()
            try:
                remote = dial().socket(port)
            except Exception:  # whatever it is, the caller sees a closed connection and says so
                connection.close()
                continue
            remote.setblocking(True)
            threading.Thread(target=_join, args=(connection, remote), name="port-forward", daemon=True).start()


def _join(connection: socket.socket, remote: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(remote, connection), daemon=True)
    back.start()
    _pump(connection, remote)
    back.join()
    connection.close()
    remote.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


POLL_SECONDS = 0.5
REQUEST_SECONDS = 30
TAIL_LINES = 15
IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
# Waiting longer does not help these.
HOPELESS = ("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")
SEE_ABOVE = "See the lines above; the version before goes on serving."
CONFLICT = 409
MISSING = 404


class Cluster:
    """The namespace, through the service account of this pod, or else a context of the kubeconfig."""

    def __init__(self, namespace: str, context: str | None = None) -> None:
        self.namespace = namespace
        self.api = connect(context)
        self._apps = AppsV1Api(self.api)
        self._core = CoreV1Api(self.api)

    def deployment(self, name: str) -> V1Deployment | None:
        """The Deployment, None when there is none."""
        try:
            with _errors():
                return self._apps.read_namespaced_deployment(name, self.namespace, _request_timeout=REQUEST_SECONDS)
        except ApiException:
            return None

    def create_deployment(self, body: dict[str, Any]) -> bool:
        """Create it; False when there is one of that name."""
        return self._created(self._apps.create_namespaced_deployment, body)

    def replace_deployment(self, body: dict[str, Any] | V1Deployment) -> None:
        """Replace it, or raise StackError when another did so since the read one."""
        name = body["metadata"]["name"] if isinstance(body, dict) else body.metadata.name
        try:
            with _errors(CONFLICT):
                self._apps.replace_namespaced_deployment(name, self.namespace, body, _request_timeout=REQUEST_SECONDS)
        except ApiException:
            raise StackError(f"The Deployment {name} was changed by someone else just now.", "Deploy again.") from None

    def scale(self, name: str, replicas: int) -> None:
        """Set the number of pods."""
        with _errors():
            self._apps.patch_namespaced_deployment_scale(
                name, self.namespace, {"spec": {"replicas": replicas}}, _request_timeout=REQUEST_SECONDS
            )

    def restart(self, name: str) -> None:
        """Have every pod replaced, as `kubectl rollout restart` does."""
        template = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": f"{time.time():.0f}"}}}
        with _errors():
            self._apps.patch_namespaced_deployment(
                name, self.namespace, {"spec": {"template": template}}, _request_timeout=REQUEST_SECONDS
            )

    def delete_deployment(self, name: str, *, wait_seconds: float = 0) -> None:
        """Delete it if it is there, and wait for its end that long."""
        self._deleted(self._apps.delete_namespaced_deployment, name)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and self.deployment(name):
            time.sleep(POLL_SECONDS)

    def ensure_service(self, body: dict[str, Any]) -> None:
        """Create the Service, or give the one that is there this type, selector and port."""
        if self._created(self._core.create_namespaced_service, body):
            return
        name, wanted = body["metadata"]["name"], body["spec"]
        with _errors():
            found = self._core.read_namespaced_service(name, self.namespace, _request_timeout=REQUEST_SECONDS)
            found.spec.type, found.spec.selector = wanted["type"], wanted["selector"]
            nodes_port = {} if wanted["type"] == "ClusterIP" else {"nodePort": found.spec.ports[0].node_port}
            found.spec.ports = [{**port, **nodes_port} for port in wanted["ports"]]
            self._core.replace_namespaced_service(name, self.namespace, found, _request_timeout=REQUEST_SECONDS)

    def delete_service(self, name: str) -> None:
        """Delete the Service if it is there."""
        self._deleted(self._core.delete_namespaced_service, name)

    def wait_rolled_out(self, name: str, service: str, seconds: float) -> None:
        """Wait until every pod of the Deployment is one of `service` and available.

        Raises StackError, with the end of a pod's log, when `seconds` pass or a pod cannot become ready.
        """
        deadline = time.monotonic() + seconds
        while True:
            if (deployment := self.deployment(name)) and is_rolled_out(deployment):
                return
            pods = self.pods(name, service)
            if hopeless := next((each for each in map(_problem, pods) if each), None):
                log = self.log_tail(name, service)
                raise StackError(f"The new version does not start: {hopeless}.\n{log}", SEE_ABOVE)
            if time.monotonic() > deadline:
                log = self.log_tail(name, service)
                raise StackError(
                    f"The new version was not ready after {seconds:.0f} s{_why_pending(pods)}.\n{log}",
                    "See the lines above, or give it longer: --set start_seconds=SECONDS.",
                )
            time.sleep(POLL_SECONDS)

    def pods(self, name: str, service: str) -> list[V1Pod]:
        """The pods of the version `service` in the Deployment `name` that are to stay, youngest first."""
        selector = ",".join(f"{key}={value}" for key, value in {**labels(name), LABEL: service}.items())
        with _errors():
            found = self._core.list_namespaced_pod(
                self.namespace, label_selector=selector, _request_timeout=REQUEST_SECONDS
            )
        staying = [pod for pod in found.items if not pod.metadata.deletion_timestamp]
        return sorted(staying, key=lambda pod: pod.metadata.creation_timestamp, reverse=True)

    def forwarded(self, name: str, service: str) -> AbstractContextManager[str]:
        """A pod of the version that was rolled out, as a URL on this machine (see `forward.forwarded`)."""
        ready = self.pods(name, service)[0]
        return forwarded(self.api, self.namespace, ready.metadata.name, PORT)

    def log_tail(self, name: str, service: str, lines: int = TAIL_LINES) -> str:
        """The last lines of the version's youngest pod that wrote any, personal data masked."""
        for pod in self.pods(name, service):
            restarted = any(status.restart_count for status in pod.status.container_statuses or ())
            for previous in (True, False) if restarted else (False,):
                try:
                    with _errors(400):
                        log = self._core.read_namespaced_pod_log(
                            pod.metadata.name,
                            self.namespace,
                            tail_lines=lines,
                            previous=previous,
                            _request_timeout=REQUEST_SECONDS,
                        )
                except ApiException:  # its container has not started
                    continue
                if log:
                    return mask(str(log).rstrip())
        return "(no log)"

    def _created(self, create: Any, body: dict[str, Any]) -> bool:
        try:
            with _errors(CONFLICT):
                create(self.namespace, body, _request_timeout=REQUEST_SECONDS)
        except ApiException:
            return False
        return True

    def _deleted(self, delete: Any, name: str) -> None:
        try:
            with _errors():
                delete(name, self.namespace, _request_timeout=REQUEST_SECONDS)
        except ApiException:
            return


def is_rolled_out(deployment: V1Deployment) -> bool:
    """Whether all pods are of the last template and available."""
    status, wanted = deployment.status, deployment.spec.replicas
    counts = (status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0)
    return (status.observed_generation or 0) >= deployment.metadata.generation and counts == (wanted,) * 3


def connect(context: str | None) -> ApiClient:
    """A client with the service account of this pod, or where this is no pod, the kubeconfig's context.

    Raises StackError when there is neither.
    """
    configuration = Configuration()
    try:
        if IN_CLUSTER in os.environ:
            kubeconfig.load_incluster_config(client_configuration=configuration)
        else:
            kubeconfig.load_kube_config(context=context, client_configuration=configuration)
    except ConfigException as error:
        raise StackError(
            f"There is no way to the cluster: {error}.",
            "Log in to it, set KUBECONFIG, or correct kubernetes_context in the stack file.",
        ) from None
    return ApiClient(configuration)


@contextmanager
def _errors(*expected: int) -> Iterator[None]:
    """Let the API's expected answers (and 404) pass as ApiException; make the others a sentence."""
    try:
        yield
    except ApiException as error:
        if error.status in (MISSING, *expected):
            raise
        if error.status in (401, 403):
            raise StackError(
                f"The cluster refuses: {_message(error)}.",
                "Apply deploy/kubernetes (it has the Role), or renew your login to the cluster.",
            ) from None
        raise StackError(
            f"The cluster answered {error.status}: {_message(error)}.", "Correct the stack file."
        ) from None
    except HTTPError as error:
        raise StackError(f"The cluster does not answer ({error}).", "Check its address and your network.") from None


def _message(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"]).rstrip(".")
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _problem(pod: V1Pod) -> str | None:
    for status in pod.status.container_statuses or ():
        waiting, ended = status.state.waiting, status.last_state.terminated or status.state.terminated
        if waiting and waiting.reason in HOPELESS:
            return f"{waiting.reason}, {waiting.message}" if waiting.message else waiting.reason
        if ended:
            return f"its process ended with {ended.exit_code} ({ended.reason})"
    return None


def _why_pending(pods: list[V1Pod]) -> str:
    for pod in pods:
        for condition in pod.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return f": no node takes the pod ({condition.message})"
    return ""
