"""What is wrong with a request to the API, as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from vorab.errors import Unavailable

MEDIA: Final = "application/problem+json"
API: Final = "/api/"

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {name: {"type": "string"} for name in ("pointer", "detail", "hint")}},
        },
    },
}
_CONTENT: Final = {MEDIA: {"schema": SCHEMA}}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {"default": {"description": "A problem (RFC 9457)", "content": _CONTENT}}


class Problem(Exception):
    """A request that cannot be done, and why."""

    def __init__(self, status: int, name: str, detail: str = "", *, errors: Sequence[dict[str, str]] = (), wait_s: int = 0) -> None:
        """`name` ends the type, `urn:vorab:problem:NAME`."""
        super().__init__(detail)
        self.status, self.name, self.detail, self.errors, self.wait_s = status, name, detail, list(errors), wait_s

    def response(self) -> JSONResponse:
        """As it leaves the house."""
        body: dict[str, Any] = {"type": f"urn:vorab:problem:{self.name}", "title": HTTPStatus(self.status).phrase, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = self.errors
        headers = {"Retry-After": str(self.wait_s)} if self.wait_s else {}
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(body, self.status, headers, media_type=MEDIA)


def unknown(what: str) -> Problem:
    """Nobody knows it."""
    return Problem(404, "unknown", f"nobody knows this {what}")


def add_handlers(app: FastAPI) -> None:
    """Let every mistake under `/api/` speak so."""

    def told(_request: Request, error: Exception) -> Response:
        return cast(Problem, error).response()

    def away(_request: Request, error: Exception) -> Response:
        return Problem(503, "unavailable", str(error), wait_s=5).response()

    async def invalid(request: Request, error: Exception) -> Response:
        found = cast(RequestValidationError, error)
        if not request.url.path.startswith(API):
            return await request_validation_exception_handler(request, found)
        errors = [{"pointer": pointer(each["loc"]), "detail": str(each["msg"])} for each in found.errors()]
        return Problem(422, "invalid", "the request is not valid", errors=errors).response()

    async def other(request: Request, error: Exception) -> Response:
        found = cast(HTTPException, error)
        if not request.url.path.startswith(API):
            return await http_exception_handler(request, found)
        return Problem(found.status_code, HTTPStatus(found.status_code).phrase.lower().replace(" ", "-")).response()

    app.add_exception_handler(Problem, told)
    app.add_exception_handler(Unavailable, away)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, other)


def pointer(loc: Sequence[str | int]) -> str:
    """Where it stands: `#/limits/pressure_low` in a body, `query:limit` elsewhere."""
    first, *rest = loc
    return "#/" + "/".join(map(str, rest)) if first == "body" else f"{first}:{'.'.join(map(str, rest))}"
