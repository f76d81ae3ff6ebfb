"""What OpenAPI says of what can go wrong: one answer per status, with the codes it may have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builder.kernel.problems import CODES
from builder.kernel.text import Language

Schema = dict[str, Any]

READING = (400, 401, 403, 404, 414, 429, 503)
"""Statuses of a request that only reads."""
ASKING = (*READING, 413, 415)
"""Statuses of a question with a body."""
WRITING = (*ASKING, 409, 412, 422)
"""Statuses of a write."""

_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "TooLarge",
    414: "AddressTooLong",
    415: "UnsupportedMediaType",
    422: "Unprocessable",
    416: "RangeNotSatisfiable",
    429: "TooManyRequests",
    503: "Unavailable",
}
_OF_THE_BUILDER = frozenset(
    {"definition", "publish", "package", "template", "kept", "version", "settings", "identity", "formula"}
)
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def problem_answers(statuses: Iterable[int]) -> Schema:
    """Return the answers of an operation that can fail in these ways; ``default`` stands for a failure of ours."""
    named: Schema = {str(status): {"$ref": f"#/components/responses/{_NAMES[status]}"} for status in sorted(statuses)}
    return {**named, "default": {"$ref": "#/components/responses/Problem"}}


def problem_responses(language: Language) -> Schema:
    """Return the answers that operations refer to."""
    made: Schema = {"Problem": _response("Problem", _PROBLEM)}
    for status in sorted(_NAMES):
        codes = sorted(code for code, row in CODES.items() if row.status == status and of_records(code))
        words = "; ".join(f"{code}: {CODES[code].title.pick(language)}" for code in codes)
        narrowed = {"type": "object", "properties": {"status": {"const": status}, "code": {"enum": codes}}}
        made[_NAMES[status]] = _response(words, {"allOf": [_PROBLEM, narrowed]})
    return made


def with_problems(operation: Schema, statuses: Iterable[int]) -> Schema:
    """Return an operation with the ways in which it can fail."""
    return {**operation, "responses": {**operation["responses"], **problem_answers(statuses)}}


def problem_schema() -> Schema:
    """Return the schema of a problem document (RFC 9457)."""
    error = {
        "type": "object",
        "required": ["code", "pointer", "detail", "params"],
        "properties": {
            "code": {"type": "string"},
            "pointer": {"type": "string", "description": "JSON pointer into the request (RFC 6901)"},
            "detail": {"type": "string"},
            "params": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string", "description": "address of a page about the code"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "what is wrong, where, and how to mend it"},
            "instance": {"type": "string", "description": "urn:request:<id of the request>"},
            "code": {"type": "string", "enum": sorted(CODES)},
            "errors": {"type": "array", "items": error},
            "retry_after": {"type": "integer", "description": "seconds"},
        },
    }


def of_records(code: str) -> bool:
    """Tell whether the API of an app may answer with a code; the others belong to the builder."""
    return code.partition(".")[0] not in _OF_THE_BUILDER


def _response(words: str, schema: Schema) -> Schema:
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}
