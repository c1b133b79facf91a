"""A port of a pod on this machine, through the Kubernetes API: `kubectl port-forward` without kubectl."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.stream import portforward

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
