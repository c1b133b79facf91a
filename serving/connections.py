"""What a connection may cost before a request of it is known: bytes of its head, seconds, and a place among the others.

uvicorn has no limit on any of them, and BentoML passes no option of its own. Its parser joins a header piece by piece,
so that one of 64 MB holds up everybody else for seconds, and a connection that says nothing keeps its descriptor.
"""

import asyncio
import logging
import resource
import time
from collections import OrderedDict
from typing import Final

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.errors import ErrorBody, ErrorDetail

HEAD_BYTES: Final = 64 * 2**10  # of the request line, the headers and the trailers together
HEAD_SECONDS: Final = 10.0  # from the connection, or the first byte after an answer, to the end of the headers
UNREAD_SECONDS: Final = 20.0  # for which a caller may read nothing of its answer
LOOK_SECONDS: Final = 1.0
# For the prediction log, its database, the model's files and what the process holds anyway.
KEPT_DESCRIPTORS: Final = 96
# Connections above the most, which are told so.
REFUSED_AT_ONCE: Final = 16
REFUSAL_SECONDS: Final = 1.0
LOG_SECONDS: Final = 10.0

logger = logging.getLogger(__name__)


class _Connections:
    """The connections of this process that wait for their caller, in the order in which they may be ended."""

    def __init__(self) -> None:
        self.most = 1
        self.silent: OrderedDict[LimitedProtocol, float] = OrderedDict()  # without a whole head, and since when
        self.sending: OrderedDict[LimitedProtocol, float] = OrderedDict()  # without a whole body
        self.unread: dict[LimitedProtocol, float] = {}  # whose caller does not read the answer
        self.looking = False
        self.ended = self.refused = 0
        self.told = -LOG_SECONDS

    def end_one(self) -> bool:
        """End the one that has been silent for longest, else the one that has been sending; False: all are at work."""
        for waiting in (self.silent, self.sending):
            if waiting:
                connection, _ = waiting.popitem(last=False)
                connection.connections.discard(connection)  # its place is free from now on
                connection.transport.abort()
                self.ended += 1
                self.tell()
                return True
        return False

    def look(self) -> None:
        """End what has waited too long; again in `LOOK_SECONDS` as long as something waits."""
        now = time.monotonic()
        for connection in [each for each, since in self.silent.items() if now - since > each.head_seconds]:
            connection.end_silence()
        for connection in [each for each, since in self.unread.items() if now - since > UNREAD_SECONDS]:
            connection.transport.abort()
        self.looking = bool(self.silent or self.unread)
        if self.looking:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self.look)

    def watch(self) -> None:
        """Look after them from now on."""
        if not self.looking:
            self.looking = True
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self.look)

    def tell(self) -> None:
        """Say in the log, at most once in `LOG_SECONDS`, that there are too many."""
        now = time.monotonic()
        if now - self.told > LOG_SECONDS:
            self.told = now
            logger.warning(
                "There are %d connections, the most this server takes: %d silent ones were ended, %d were refused. "
                "SENTIMENT_MAX_CONNECTIONS and the limit of open files (ulimit -n) decide it.",
                self.most,
                self.ended,
                self.refused,
            )
            self.ended = self.refused = 0


_connections = _Connections()


def limit_connections(most: int) -> None:
    """Let every uvicorn server of this process that is started from now on keep the limits of this module.

    `most` connections at a time, fewer where the limit of open files is lower.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, files - KEPT_DESCRIPTORS - REFUSED_AT_ONCE)
    if room < most:
        logger.warning("%d connections at a time, not %d: the limit of open files is %d.", room, most, files)
    _connections.most = min(most, room)
    auto.AutoHTTPProtocol = LimitedProtocol  # where uvicorn looks for its protocol when it is given none


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits.

    A connection too many takes the place of the one that has been silent for longest, or has been sending for longest.
    If all wait for their answers, it is answered 503.
    """

    head_seconds = HEAD_SECONDS
    _head = 0  # bytes of the head so far
    _unparsed = 0  # bytes since the last that made a whole head or were a body
    _is_too_many = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, in another's place where there is none, or prepare to refuse it."""
        super().connection_made(transport)
        number = len(self.connections)
        if number > _connections.most and not _connections.end_one():
            _connections.refused += 1
            _connections.tell()
            self._is_too_many = True
            self.head_seconds = REFUSAL_SECONDS
            if number > _connections.most + REFUSED_AT_ONCE:
                transport.abort()
                return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        for waiting in (_connections.silent, _connections.sending, _connections.unread):
            waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in slices, so that no more than one beyond the limit is ever parsed."""
        if self._is_too_many:
            self._refuse(503, "too_many_connections", "There are too many connections; try again.")
            return
        for start in range(0, len(data), HEAD_BYTES):
            if self.transport.is_closing():
                return
            piece = data[start : start + HEAD_BYTES] if len(data) > HEAD_BYTES else data
            self._unparsed += len(piece)
            super().data_received(piece)
            if self._unparsed > HEAD_BYTES:
                self._refuse_head()
        if self.cycle and self.cycle.more_body and not self.cycle.response_complete:
            _connections.sending.setdefault(self, time.monotonic())

    def on_message_begin(self) -> None:
        """A new request."""
        super().on_message_begin()
        self._head = 0

    def on_url(self, url: bytes) -> None:
        """Count it."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it; a trailer too."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It is known what is wanted."""
        self._unparsed = 0
        _connections.silent.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The size and time of a body are the application's to limit."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request has been read."""
        self._unparsed = 0
        _connections.sending.pop(self, None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        _connections.sending.pop(self, None)
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait()

    def pause_writing(self) -> None:
        """The caller does not read."""
        _connections.unread[self] = time.monotonic()
        _connections.watch()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The caller reads again."""
        _connections.unread.pop(self, None)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """What could not be parsed, or was not parsed because of its size."""
        if self._head > HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def end_silence(self) -> None:
        """Its time is over: say so to one that has begun a request."""
        if self._unparsed:
            self._refuse(408, "headers_too_slow", "The headers took too long.")
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer with an error, unless an answer is on its way, and end the connection."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = ErrorBody(error=ErrorDetail(code=code, message=message)).model_dump_json().encode()
            length = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
            later = b"retry-after: 1\r\n" if status == 503 else b""
            self.transport.write(b"".join([STATUS_LINE[status], length, later, b"connection: close\r\n\r\n", body]))
        self.transport.close()

    def _should_upgrade_to_ws(self) -> bool:
        return False  # there is no WebSocket here

    def _wait(self) -> None:
        _connections.silent.setdefault(self, time.monotonic())
        _connections.watch()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_BYTES:
            raise ValueError  # the parser stops, and says so to `data_received` of uvicorn

    def _refuse_head(self) -> None:
        self._refuse(431, "headers_too_large", f"The headers are over {HEAD_BYTES} bytes.")
