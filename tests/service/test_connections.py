"""What connections may cost before a request is known: over real sockets, against uvicorn and against the endpoint."""

import asyncio
import json
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from serving import connections
from serving.connections import HEAD_BYTES, KEPT_DESCRIPTORS, REFUSED_AT_ONCE, LimitedProtocol, limit_connections

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
MOST = 8
HEAD_SECONDS = 0.6
Serve = Callable[[], "Served"]


class Served:
    """A server of uvicorn in a thread, whose application reads the body and takes as long as it is asked to."""

    def __init__(self) -> None:
        self.port = 0
        self.bodies: list[int] = []
        config = uvicorn.Config(self._app, http=LimitedProtocol, interface="asgi3", lifespan="off", log_level="warning")
        self.server = uvicorn.Server(config)

    async def _app(self, scope, receive, send):
        more, size = True, 0
        while more and scope["method"] == "POST":
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        self.bodies.append(size)
        await asyncio.sleep(float(scope["query_string"] or 0))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, sent: bytes) -> bytes:
        """What comes back until the connection ends."""
        with closing(self.connect()) as connection:
            return answer(connection, sent)


def answer(connection: socket.socket, sent: bytes = b"") -> bytes:
    received = []
    try:
        connection.sendall(sent)
        while piece := connection.recv(65_536):
            received.append(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass  # what was not read of a refused request
    return b"".join(received)


def status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1]) if response else 0


@contextmanager
def running() -> Iterator[Served]:
    served = Served()
    listener = socket.create_server(("127.0.0.1", 0))
    served.port = listener.getsockname()[1]
    thread = threading.Thread(target=served.server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not served.server.started:
            time.sleep(0.01)
        yield served
    finally:
        served.server.should_exit = True
        thread.join(10)


@pytest.fixture
def served(monkeypatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "_connections", connections._Connections())
    monkeypatch.setattr(connections._connections, "most", MOST)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(LimitedProtocol, "head_seconds", HEAD_SECONDS)
    with running() as one:
        yield one


def test_ordinary_requests_are_answered_on_one_connection(served):
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as client:
        for body in (b"", b"x" * 10, b"y" * 3_000_000):
            assert client.post("/", content=body, headers={"X-Long": "z" * 40_000}).text == "ok"
        assert client.post("/", content=(b"chunk" for _ in range(1_000))).text == "ok"
    assert served.bodies == [0, 10, 3_000_000, 5_000]


def test_pipelined_requests_are_answered_in_order(served):
    response = served.ask((HEAD + b"\r\n") * 3 + HEAD + b"Connection: close\r\n\r\n")
    assert response.count(b"HTTP/1.1 200") == 4


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X-Long: " + b"a" * 10 * HEAD_BYTES,
        HEAD + b"X-Long: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        HEAD + b"A: b\r\n" * 20_000,
        HEAD + b"A: b\r\n" * 20_000 + b"\r\n",
        b"GET /" + b"a" * 10 * HEAD_BYTES,
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n",
        HEAD + b"X-Name" + b"x" * 10 * HEAD_BYTES,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n" + b"A: b\r\n" * 20_000,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: " + b"b" * 10 * HEAD_BYTES,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"b" * 10 * HEAD_BYTES,
    ],
    ids=["endless", "ends", "many", "many, ends", "url", "url, ends", "name", "trailers", "long trailer", "extension"],
)
def test_a_head_over_the_limit_is_refused_and_not_read_on(served, sent):
    with closing(served.connect()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        response = answer(connection, sent)

    assert status(response) in {431, 0}  # 0: reset, because the rest was not read
    if response:
        assert json.loads(response.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"
    assert status(served.ask(HEAD + b"Connection: close\r\n\r\n")) == 200


def test_a_head_just_over_the_limit_is_answered(served):
    """All of it is read, so the answer is sure to arrive."""
    response = served.ask(HEAD + b"X-Long: " + b"a" * HEAD_BYTES + b"\r\n\r\n")
    assert status(response) == 431
    assert status(served.ask(HEAD + b"X: " + b"a" * (HEAD_BYTES - 100) + b"\r\nConnection: close\r\n\r\n")) == 200


def test_a_slow_head_is_told_so_and_a_silent_connection_just_ends(served):
    start = time.monotonic()
    with closing(served.connect()) as slow, closing(served.connect()) as silent, closing(served.connect()) as used:
        used.sendall(HEAD + b"\r\n")
        assert status(used.recv(1_000)) == 200
        used.sendall(b"\r\n")  # no request, and uvicorn's own clock stops
        for byte in HEAD[:10]:
            slow.sendall(bytes([byte]))
            time.sleep(0.02)
        assert status(answer(slow)) == 408
        assert answer(silent) == b""
        assert status(answer(used)) == 408
    assert time.monotonic() - start < HEAD_SECONDS + 2


def test_a_connection_too_many_takes_the_place_of_the_longest_silent_one(served):
    with ExitStack() as stack:
        silent = [stack.enter_context(closing(served.connect())) for _ in range(5 * MOST)]
        for _ in range(20):
            assert status(served.ask(HEAD + b"Connection: close\r\n\r\n")) == 200
        assert len(served.server.server_state.connections) <= MOST + 1
        assert answer(silent[0]) == b""


def test_when_all_are_at_work_one_more_is_told_so(served, caplog):
    busy = b"GET /?1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with ExitStack() as stack:
        working = [stack.enter_context(closing(served.connect())) for _ in range(MOST)]
        for each in working:
            each.sendall(busy)
        time.sleep(0.2)
        refused = served.ask(HEAD + b"\r\n")
        assert status(refused) == 503
        assert b"retry-after: 1" in refused
        assert json.loads(refused.partition(b"\r\n\r\n")[2])["error"]["code"] == "too_many_connections"
        assert [status(answer(each)) for each in working] == [200] * MOST
        assert status(served.ask(HEAD + b"Connection: close\r\n\r\n")) == 200
    assert "the most this server takes" in caplog.text


def test_slow_bodies_make_room_too(served):
    part = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            stack.enter_context(closing(served.connect())).sendall(part)
        time.sleep(0.1)
        assert status(served.ask(HEAD + b"Connection: close\r\n\r\n")) == 200


def test_few_open_files_mean_few_connections(monkeypatch):
    monkeypatch.setattr(connections, "_connections", connections._Connections())
    monkeypatch.setattr("uvicorn.protocols.http.auto.AutoHTTPProtocol", None)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4_096))
    limit_connections(1_000)
    assert connections._connections.most == 256 - KEPT_DESCRIPTORS - REFUSED_AT_ONCE
    limit_connections(50)
    assert connections._connections.most == 50


def test_the_endpoint_keeps_the_limits(server):
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        response = answer(connection, HEAD + b"X-Long: " + b"a" * HEAD_BYTES + b"\r\n\r\n")
    assert status(response) == 431
