"""The part of an app's OpenAPI document about files: only for apps whose records hold some."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledApp
from builder.kernel.limits import THUMBNAIL_SIDES
from builder.kernel.text import Language, say
from runtime.api.openapi_problems import READING, WRITING, problem_answers

Schema = dict[str, Any]

_UUID: Schema = {"type": "string", "format": "uuid"}
_BINARY: Schema = {"type": "string", "format": "binary"}


def has_files(app: CompiledApp) -> bool:
    """Tell whether any record of the app can hold files."""
    return any(field.lists == "file" for entity in app.entities.values() for field in entity.listing)


def file_schema() -> Schema:
    """Return the schema of a file."""
    number: Schema = {"type": ["integer", "null"]}
    properties: Schema = {
        "id": _UUID,
        "name": {"type": "string"},
        "media_type": {"type": "string", "description": "What the content is, not what was declared."},
        "bytes": {"type": "integer"},
        "width": number,
        "height": number,
        "sha256": {"type": "string"},
        "captured_at": {"type": ["string", "null"]},
        "captured_lat": {"type": ["string", "null"]},
        "captured_lng": {"type": ["string", "null"]},
        "uploaded_by": {"type": ["string", "null"]},
        "created_at": {"type": "string", "format": "date-time"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def file_paths(app: str, language: Language) -> Schema:
    """Return the paths of uploads and downloads."""
    made = {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/File"}}}
    form = {"type": "object", "required": ["file"], "properties": {"file": _BINARY}}
    name = {"name": "Content-Disposition", "in": "header", "schema": {"type": "string"}}
    side = {"name": "thumbnail", "in": "query", "schema": {"type": "integer", "enum": list(THUMBNAIL_SIDES)}}
    part = {"name": "Range", "in": "header", "schema": {"type": "string"}}
    content = {"*/*": {"schema": _BINARY}}
    return {
        f"/api/{app}/files": {
            "post": {
                "summary": say("上传文件", "Upload a file").pick(language),
                "operationId": "uploadFile",
                "parameters": [name],
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {"schema": form},
                        "application/octet-stream": {"schema": _BINARY},
                    },
                },
                "responses": {
                    "201": {"description": "Created", "content": {"application/json": {"schema": made}}},
                    **problem_answers(WRITING),
                },
            }
        },
        f"/api/{app}/files/{{id}}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": _UUID}],
            "get": {
                "summary": say("下载文件", "Download a file").pick(language),
                "operationId": "downloadFile",
                "parameters": [side, part],
                "responses": {
                    "200": {"description": "OK", "content": content},
                    "206": {"description": "The range that was asked for", "content": content},
                    "304": {"description": "If-None-Match holds the ETag"},
                    **problem_answers((*READING, 416, 422)),
                },
            },
        },
    }
