"""What FastAPI's routes raise, answered as problems; the framework's own refusals (404, 405, bad input) too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from builder.definition.parse import causes
from builder.kernel.canonical import JSON
from builder.kernel.input_words import input_words
from builder.kernel.problems import Problem, Violation, escape_pointer
from builder.kernel.text import errors_found
from runtime.api.http import REQUEST_ID, ClientGone, is_json, not_json, request_language
from runtime.api.problems import client_left, problem_of, problem_reply


async def answer(request: Request, error: Exception) -> Response:
    """Turn an exception into a problem document."""
    if client_left(error):  # raised below and caught once more by the outermost layer: nobody is there to be answered
        raise error
    if isinstance(error, ClientDisconnect) or isinstance(error.__cause__, ClientDisconnect):
        raise ClientGone from error
    problem = _problem_of(error)
    declared = request.headers.get("content-type")
    if isinstance(error, RequestValidationError) and await request.body() and not is_json(declared):
        problem = not_json(
            declared
        )  # the framework read the body as bytes, and everything it found amiss follows from that
    language = request_language(request.scope, request.app.state.services.settings.language)
    status, headers, body = problem_reply(problem, language, request.scope[REQUEST_ID])
    response = Response(body, status)
    response.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]
    return response


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, RequestValidationError) and not isinstance(error.__cause__, Problem):
        return _from_validation(error.errors())
    if isinstance(error, HTTPException) and not isinstance(error.__cause__, Problem):
        return _from_framework(error)
    return problem_of(error)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Problem: answer,
    HTTPException: answer,
    RequestValidationError: answer,
    Exception: answer,
}
"""``Exception`` is everything else: the framework answers with it and raises it once more, so that the edge can log it."""


def _from_framework(error: HTTPException) -> Problem:
    if error.status_code == 404:
        return Problem("route.not_found")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return Problem("request.method", extra={"allow": [name.strip() for name in allowed.split(",") if name.strip()]})
    codes = {
        400: "request.malformed",
        401: "auth.required",
        403: "access.denied",
        413: "limit.body",
        415: "request.media_type",
    }
    return Problem(codes.get(error.status_code, "service.internal"))


def _from_validation(errors: Sequence[Any]) -> Problem:
    violations = [validation_violation(item) for item in causes(errors)]
    return Problem(
        "request.malformed",
        errors_found(len(violations), "请求", "The request has"),
        violations=violations,
    )


def validation_violation(item: Any) -> Violation:
    """Turn one error of pydantic into a violation; what was sent is not repeated, it may be a secret."""
    place, *path = item["loc"] or ("body",)
    kind = str(item["type"])
    params: dict[str, JSON] = {}
    if kind == "json_invalid":
        params, path = {"position": path[0] if path else 0}, []
    elif place != "body":
        params = {"in": place, "name": ".".join(str(part) for part in path)}
        path = []
    pointer = "".join(f"/{escape_pointer(part)}" for part in path)
    return Violation(kind, pointer, input_words(item), params)
