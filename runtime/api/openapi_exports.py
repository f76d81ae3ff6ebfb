"""What OpenAPI says of lists of records that are taken out as sheets."""

from __future__ import annotations

from typing import Any, get_args

from builder.compiled.app import CompiledEntity
from builder.kernel.text import Language, say
from runtime.access.sight import sight_of
from runtime.api.openapi_once import IDEMPOTENCY_KEY
from runtime.api.openapi_problems import READING, WRITING, with_problems
from runtime.api.openapi_queries import query_body
from runtime.api.openapi_schemas import Described
from runtime.exports.records import Format
from runtime.files.sniffing import XLSX

Schema = dict[str, Any]
_UUID: Schema = {"type": "string", "format": "uuid"}
_SHEETS: Schema = {"text/csv": {"schema": {"type": "string"}}, XLSX: {"schema": {"type": "string", "format": "binary"}}}


def export_path(d: Described, entity: CompiledEntity, base: str) -> Schema:
    """Return the path that orders a sheet of an entity; nothing for who may not."""
    sight = sight_of(d.app)
    if sight is not None and not sight.may(entity.key, "export"):
        return {}
    label = entity.label().pick(d.language)
    asked = query_body(d.name(entity.key))["properties"]
    members = {name: asked[name] for name in ("filter", "sort", "fields", "search", "view") if name in asked}
    members["format"] = {"type": "string", "enum": [*get_args(Format)], "default": "csv"}
    ordered: Schema = {
        "type": "object",
        "required": ["job_id", "row_count"],
        "properties": {
            "job_id": {**_UUID, "description": "See /api/jobs/{id}: progress, cancel, retry."},
            "row_count": {"type": "integer"},
        },
    }
    answer: Schema = {"type": "object", "required": ["data"], "properties": {"data": ordered}}
    body: Schema = {"type": "object", "properties": members, "additionalProperties": False}
    made: Schema = {
        "tags": [entity.key],
        "summary": say(f"导出{label}表格", f"Take out a sheet of {label}").pick(d.language),
        "operationId": f"export{d.name(entity.key)}",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"202": {"description": "It is under way.", "content": {"application/json": {"schema": answer}}}},
    }
    return {f"{base}/export": {"post": with_problems(made, WRITING)}}


def download_path(app: str, language: Language) -> Schema:
    """Return the path of a finished sheet."""
    made: Schema = {
        "summary": say("下载导出的表格", "The sheet of an export").pick(language),
        "operationId": "downloadExport",
        "responses": {"200": {"description": "OK", "content": _SHEETS}},
    }
    key: Schema = {"name": "id", "in": "path", "required": True, "schema": _UUID}
    return {f"/api/{app}/exports/{{id}}": {"parameters": [key], "get": with_problems(made, READING)}}
