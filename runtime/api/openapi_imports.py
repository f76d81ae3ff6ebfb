"""What OpenAPI says of sheets of records that are brought in."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledEntity
from builder.kernel import limits
from builder.kernel.text import Language, say
from runtime.api.openapi_once import ONCE
from runtime.api.openapi_problems import READING, WRITING, with_problems
from runtime.api.openapi_queries import query_parameter
from runtime.api.openapi_schemas import Described

Schema = dict[str, Any]
_UUID: Schema = {"type": "string", "format": "uuid"}
_COLUMNS = (
    """JSON object: title of a column -> key of its field, null to pass it over. Others are found by key or label."""
)


def import_path(d: Described, entity: CompiledEntity, base: str) -> Schema:
    """Return the path that takes a sheet of an entity."""
    label = entity.label().pick(d.language)
    begun: Schema = {
        "type": "object",
        "required": ["job_id", "row_count", "columns"],
        "properties": {
            "job_id": {**_UUID, "description": "See /api/jobs/{id}: progress, cancel, retry."},
            "row_count": {"type": "integer"},
            "columns": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        },
    }
    answer: Schema = {"type": "object", "required": ["data"], "properties": {"data": begun}}
    by = query_parameter("by", {"type": "string"}) | {"description": "Keys of a unique set, with commas: an upsert."}
    columns = query_parameter("columns", {"type": "string"}) | {"description": _COLUMNS}
    made: Schema = {
        "tags": [entity.key],
        "summary": say(f"导入{label}表格", f"Bring in a sheet of {label}").pick(d.language),
        "operationId": f"import{d.name(entity.key)}",
        "parameters": [by, columns, *ONCE],
        "requestBody": {
            "required": True,
            "description": f".xlsx, .xls, .ods or CSV, at most {limits.SHEET_ROWS} rows.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        "responses": {"202": {"description": "It is under way.", "content": {"application/json": {"schema": answer}}}},
    }
    return {f"{base}/import": {"post": with_problems(made, WRITING)}}


def refused_path(app: str, language: Language) -> Schema:
    """Return the path of the rows that were not taken."""
    fault: Schema = {
        "type": "object",
        "required": ["field", "code", "detail"],
        "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
    }
    row: Schema = {
        "type": "object",
        "required": ["line", "cells", "errors"],
        "properties": {
            "line": {"type": "integer", "description": "In the sheet; the header is 1."},
            "cells": {"type": "object", "additionalProperties": {"type": "string"}},
            "errors": {"type": "array", "items": fault},
        },
    }
    after: Schema = {"type": ["integer", "null"], "description": "To go on from; null: there are no more."}
    answer: Schema = {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": row},
            "meta": {"type": "object", "properties": {"after": after}},
        },
    }
    most = {"type": "integer", "minimum": 1, "maximum": limits.EVENTS_PAGE, "default": 100}
    made: Schema = {
        "summary": say("导入中未写入的行", "Rows of an import that were not taken").pick(language),
        "operationId": "listRefused",
        "parameters": [
            query_parameter("after", {"type": "integer", "minimum": 0}),
            query_parameter("limit", most),
            query_parameter("format", {"type": "string", "enum": ["json", "csv"], "default": "json"}),
        ],
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": answer}, "text/csv": {"schema": {"type": "string"}}},
            }
        },
    }
    key: Schema = {"name": "id", "in": "path", "required": True, "schema": _UUID}
    return {f"/api/{app}/imports/{{id}}/refused": {"parameters": [key], "get": with_problems(made, READING)}}
