"""What FastAPI's routes raise, answered as problems; the framework's own refusals (404, 405, bad input) too."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from builder.kernel.problems import Problem
from runtime.api.http import REQUEST_ID, is_json, not_json, request_language
from runtime.api.problems import client_left, problem_of, problem_reply


async def answer(request: Request, error: Exception) -> Response:
    """Turn an exception into a problem document."""
    if client_left(error):
        raise error
    problem = problem_of(error)
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


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Problem: answer,
    HTTPException: answer,
    RequestValidationError: answer,
    Exception: answer,
}
"""``Exception`` is everything else: the framework answers with it and raises it once more, so that the edge can log it."""
