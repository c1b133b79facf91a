"""The one pass around every request: the API key, the headers browsers are protected by, and the count of answers."""

import hmac
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ApiError
from serving.metrics import Metrics

OPEN_PATHS: Final = frozenset({"/", "/docs", "/monitor", "/openapi.json", "/livez", "/readyz", "/metrics"})
PROTECTION: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
CALLER_LEFT: Final = 499  # before an answer; nginx's number for it


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
                await self.app(scope, receive, answer)
        finally:
            self.metrics.answered(path if path in self.endpoints else "other", status, time.perf_counter() - start)

    def _knows_key(self, headers: Headers) -> bool:
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode("latin-1"), self.api_key or b"")


async def _refusal(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = ApiError(401, "unauthorized", "The API key is missing or wrong.", {"WWW-Authenticate": "Bearer"})
    await refusal.response()(scope, receive, send)
