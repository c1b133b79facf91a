"""What a body may be, its size and its time, and what a page may do."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from serving.errors import ApiError

MAX_FIELDS: Final = 10
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
