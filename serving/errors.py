"""What callers are told when something is wrong: `{"error": {"code", "message"}}` with a 4xx or 5xx, nothing else.

Codes are for programs and never change; messages are for people and never repeat what the caller sent, because that
may be personal data.
"""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

logger = logging.getLogger(__name__)


class ErrorDetail(BaseModel):
    """`code` is for programs, `message` for people."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The body of every 4xx and 5xx."""

    error: ErrorDetail


class ApiError(Exception):
    """An answer other than 2xx that the API means to give."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def response(self) -> Response:
        """The error as an HTTP response."""
        body = ErrorBody(error=ErrorDetail(code=self.code, message=self.message))
        return Response(f"{body.model_dump_json()}\n", self.status, self.headers, "application/json")


# pydantic's error types, for the fields of our requests: the code, and what is said of the field.
_WRONG = {
    "string_type": ("not_text", "it is not a text"),
    "string_pattern_mismatch": ("empty_text", "it is empty"),
    "string_too_short": ("empty_text", "it is empty"),
    "says_nothing": ("empty_text", "it is empty"),
    "string_too_long": ("text_too_long", "it has more than {max_length} characters"),
    "list_type": ("invalid_request", "it is not a list"),
    "too_long": ("too_many_texts", "it has more than {max_length} texts"),
    "too_short": ("no_texts", "it has no texts"),
    "missing": ("missing_field", "it is missing"),
    "extra_forbidden": ("unknown_field", "it has an unknown field"),
    "model_type": ("not_an_object", "it is not a JSON object"),
}
_OTHERWISE = ("invalid_request", "it is not valid")
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def from_validation(error: ValidationError) -> ApiError:
    """The first thing that is wrong with a body: 400 when it is no JSON, else 422."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return ApiError(400, "invalid_json", "The body is not valid JSON in UTF-8.")
    # An unknown field's name is the caller's own text: it is not repeated.
    known = first["loc"] and first["type"] != "extra_forbidden"
    where = ".".join(str(part) for part in first["loc"]) if known else "The body"
    code, wrong = _WRONG.get(first["type"], _OTHERWISE)
    return ApiError(422, code, f"{where}: {wrong.format_map(first.get('ctx', {}))}.")


def install(app: FastAPI) -> None:
    """Give every error of `app` the one shape."""
    app.exception_handler(ApiError)(_api_error)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_query_error)
    app.exception_handler(Exception)(_unexpected)


async def _api_error(_: Request, error: ApiError) -> Response:
    return error.response()


async def _http_error(_: Request, error: HTTPException) -> Response:
    code = _HTTP_CODES.get(error.status_code, "http_error")
    return ApiError(error.status_code, code, f"{error.detail}.", error.headers).response()


async def _query_error(_: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    return ApiError(422, "invalid_request", f"{first['loc'][-1]}: {first['msg']}.").response()


async def _unexpected(_: Request, __: Exception) -> Response:
    return ApiError(500, "internal_error", "The server failed; its log says why.").response()
