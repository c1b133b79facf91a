"""The one pass around every request: the API key and the headers; the size and time of a body; what a page may do."""

import asyncio
import base64
import hashlib
import hmac
import re
import time
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError
from serving.metrics import Metrics

MAX_FIELDS: Final = 10
CALLER_LEFT: Final = 499  # before an answer; nginx's number for it
Answer = TypeVar("Answer")
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def content_security_policy(html: str) -> str:
    """A policy that runs only the scripts and styles inside `html`, and lets it talk to this server alone."""
    sources: dict[str, list[str]] = {"script": [], "style": []}
    for kind, inline in _INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        sources[kind].append(f"'sha256-{digest}'")
    return (
        f"default-src 'none'; script-src {' '.join(sources['script'])}; style-src {' '.join(sources['style'])}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def read_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """The body, counted while it is read, so that a missing or false Content-Length does not matter.

    Raises ApiError: 413 above `limit` bytes, 408 when it takes longer than `seconds`, 400 when the caller went away.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(400, "incomplete_body", "The body ended early.")
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > limit:
                    raise _too_large(limit)
                more = message.get("more_body", False)
    except TimeoutError:
        raise ApiError(408, "body_too_slow", "The body took too long.", {"Connection": "close"}) from None
    return b"".join(chunks)


async def while_connected(request: Request, answering: Coroutine[Any, Any, Answer]) -> Answer:
    """What `answering` gives; it is cancelled when the caller goes away, because nobody waits for the rest.

    The body must have been read. Raises ApiError 499 when the caller has gone, and whatever `answering` raises.
    """
    work = asyncio.ensure_future(answering)
    left = asyncio.ensure_future(request.receive())  # after the body comes nothing but the end of the connection
    try:
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ApiError(CALLER_LEFT, "caller_left", "The caller has gone.")
        return work.result()
    finally:
        work.cancel()
        left.cancel()


async def form_fields(request: Request, body: bytes) -> dict[str, str]:
    """The fields of a form, urlencoded or multipart. Raises ApiError for what is neither, for files and repeats."""
    if content_type(request) == "application/x-www-form-urlencoded":
        pairs = _urlencoded(body)
    else:
        pairs = await _multipart(request.headers, body)
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ApiError(422, "repeated_field", "A form field stands twice.")
    return fields


def content_type(request: Request) -> str:
    """The media type alone, in lower case; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        parsed = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # UnicodeDecodeError is one
        raise ApiError(400, "invalid_form", "The form is not valid UTF-8 or has too many fields.") from None
    return [(name, value) for name, values in parsed.items() for value in values]


async def _multipart(headers: Headers, body: bytes) -> list[tuple[str, str]]:
    async def stream() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(headers, stream(), max_files=0, max_fields=MAX_FIELDS, max_part_size=len(body))
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError):  # KeyError: no boundary is declared
        raise ApiError(400, "invalid_form", "The form is not a valid multipart body of text fields.") from None
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def _too_large(limit: int) -> ApiError:
    # What is left of the body is not worth reading, so the connection cannot be used again.
    return ApiError(413, "body_too_large", f"The body is over {limit} bytes.", {"Connection": "close"})


OPEN_PATHS: Final = frozenset({"/", "/docs", "/monitor", "/openapi.json", "/livez", "/readyz", "/metrics"})
PROTECTION: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class Edge:
    """ASGI middleware: asks for the key where one is set, and counts every answer under its route.

    A path that is not among `endpoints` counts as "other".
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, endpoints: frozenset[str], api_key: str | None) -> None:
        self.app = app
        self.metrics = metrics
        self.endpoints = endpoints
        self.api_key = api_key.encode() if api_key else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        status = CALLER_LEFT
        path = scope["path"]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *PROTECTION]
            await send(message)

        try:
            if self.api_key and path not in OPEN_PATHS and not self._knows_key(Headers(scope=scope)):
                await _refusal(scope, receive, answer)
            else:
                # Where there is GET there is HEAD: the server leaves the body out.
                inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
                await self.app(inner, receive, answer)
        finally:
            self.metrics.answered(path if path in self.endpoints else "other", status, time.perf_counter() - start)

    def _knows_key(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = headers.get("x-api-key") or (token if scheme.lower() == "bearer" else "")
        return hmac.compare_digest(given.encode("latin-1"), self.api_key or b"")


async def _refusal(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = ApiError(401, "unauthorized", "The API key is missing or wrong.", {"WWW-Authenticate": "Bearer"})
    await refusal.response()(scope, receive, send)
