"""The OpenAPI 3.1 document of one app, made from its published version: what front-end developers generate their clients from.

Every entity gives the schemas ``{Name}`` (as read), ``{Name}Create``, ``{Name}Update`` and ``{Name}Page``; names are the keys in CamelCase.
"""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import label_text
from builder.kernel import limits
from builder.kernel.text import Language, Text, say
from runtime.api.openapi_exports import download_path, export_path
from runtime.api.openapi_files import file_paths, file_schema, has_files
from runtime.api.openapi_filters import shared_filters
from runtime.api.openapi_imports import import_path, refused_path
from runtime.api.openapi_once import ONCE, TRIED
from runtime.api.openapi_problems import (
    ASKING,
    READING,
    WRITING,
    problem_responses,
    problem_schema,
    with_problems,
)
from runtime.api.openapi_process import app_process_paths, process_paths, process_schemas
from runtime.api.openapi_queries import (
    aggregate_answer,
    aggregate_members,
    aggregate_parameters,
    list_parameters,
    query_body,
    query_parameter,
    shown_parameters,
    view_paths,
    view_schema,
)
from runtime.api.openapi_schemas import Described, entity_schemas, event_schema, page_of, pick_words, schema_names
from runtime.api.openapi_writes import (
    batch_path,
    entity_batch,
    kept_paths,
    write_schemas,
    writes_by_filter,
)

JSON = Any
Schema = dict[str, JSON]

_ID: Schema = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was read: 412 if the record was changed meanwhile.",
    "schema": {"type": "string"},
}
# Not of a single create: its 201 would have no body then, which OpenAPI cannot say beside one that has.
_PREFER: Schema = {
    "name": "Prefer",
    "in": "header",
    "description": "return=minimal: an answer without the record.",
    "schema": {"type": "string", "examples": ["return=minimal", "return=representation"]},
}
_ETAG: Schema = {"ETag": {"description": "The record's revision, quoted.", "schema": {"type": "string"}}}


def app_openapi(app: CompiledApp, language: Language) -> Schema:
    """Return the document."""
    label = label_text(app.definition.app.label).pick(language)
    paths: Schema = {}
    schemas: Schema = {
        "Problem": problem_schema(),
        "Event": event_schema(),
        "View": view_schema(),
        "EventPage": page_of("Event", ("after", "has_more")),
        "TimelinePage": page_of("Event", ("before",)),
        **shared_filters(),
        **write_schemas(),
        **process_schemas(),
    }
    d = Described(app, language, schema_names(app))
    for entity in app.own.values():
        schemas |= entity_schemas(d, entity)
        paths |= _entity_paths(d, entity)
    paths |= _feed_paths(app.key, language)
    paths |= batch_path(app.key, language) | refused_path(app.key, language) | download_path(app.key, language)
    paths |= view_paths(app.key)
    paths |= app_process_paths(app, language)
    if has_files(app):
        schemas["File"] = file_schema()
        paths |= file_paths(app.key, language)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": label,
            "version": str(app.version),
            "description": pick_words(app.definition.app.help, language) or "",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "tags": [{"name": e.key, "description": e.label().pick(language)} for e in app.own.values()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": problem_responses(language),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "dougong_session"},
            },
        },
    }


# -- paths ----------------------------------------------------------------------------------------------------------------


def _entity_paths(d: Described, entity: CompiledEntity) -> Schema:
    language, name = d.language, d.name(entity.key)
    label = entity.label().pick(language)
    base = f"/api/{d.app.key}/records/{entity.key}"

    def operation(
        verb: Text, operation_id: str, answers: Schema, statuses: tuple[int, ...] = READING, **more: JSON
    ) -> Schema:
        made = {
            "tags": [entity.key],
            "summary": f"{verb.pick(language)} {label}" if language == "en" else f"{verb.zh}{label}",
            "operationId": f"{operation_id}{name}",
            "responses": answers,
            **more,
        }
        return with_problems(made, statuses)

    one = {"200": _answer(_data(name), headers=_ETAG)}
    minimal: Schema = {"204": {"description": "Prefer: return=minimal", "headers": _ETAG}}
    page = {"200": _answer({"$ref": f"#/components/schemas/{name}Page"})}
    shown = shown_parameters()
    groups = {"200": _answer(aggregate_answer())}
    query = list_parameters(name)
    created = _answer(_data(name), headers=_ETAG)
    return {
        base: {
            "get": operation(say("列出", "List"), "list", page, parameters=query),
            "post": operation(
                say("新建", "Create"),
                "create",
                {"201": {**created, "links": _links(name)}, "200": TRIED},
                WRITING,
                parameters=[*ONCE],
                requestBody=_body(f"{name}Create"),
            ),
            **writes_by_filter(d, entity),
        },
        f"{base}/query": {
            "post": operation(
                say("查询", "Query"),
                "query",
                page,
                ASKING,
                requestBody=_json_body(query_body(name)),
            )
        },
        f"{base}/aggregate": {
            "get": operation(say("汇总", "Sum up"), "sumUp", groups, parameters=aggregate_parameters(name)),
            "post": operation(
                say("汇总", "Sum up"),
                "aggregate",
                groups,
                ASKING,
                requestBody=_json_body(
                    {"type": "object", "properties": aggregate_members(name), "additionalProperties": False}
                ),
            ),
        },
        f"{base}/batch": {"post": entity_batch(d, entity)},
        **import_path(d, entity, base),
        **export_path(d, entity, base),
        **kept_paths(d, entity, base, _ID),
        **process_paths(d, entity, base, _ID),
        f"{base}/{{id}}": {
            "parameters": [_ID],
            "get": operation(say("读取", "Get"), "get", one, parameters=shown),
            "patch": operation(
                say("修改", "Update"),
                "update",
                {**one, **minimal},
                WRITING,
                parameters=[_IF_MATCH, _PREFER, *ONCE],
                requestBody=_body(f"{name}Update"),
            ),
            "delete": operation(
                say("删除", "Delete"),
                "delete",
                {"204": {"description": "Deleted"}, "200": TRIED},
                WRITING,
                parameters=[_IF_MATCH, *ONCE],
            ),
        },
        f"{base}/{{id}}/timeline": {
            "parameters": [_ID],
            "get": operation(
                say("历史", "History of"),
                "timeline",
                {"200": _answer({"$ref": "#/components/schemas/TimelinePage"})},
                parameters=[query_parameter("before", {"type": "string"}), _event_limit()],
            ),
        },
    }


def _links(name: str) -> Schema:
    """Say what can be done with a record that was just created."""
    found = {"id": "$response.body#/data/id"}
    return {
        verb: {"operationId": f"{verb}{name}", "parameters": found} for verb in ("get", "update", "delete", "timeline")
    }


def _feed_paths(app: str, language: Language) -> Schema:
    after = query_parameter("after", {"type": "string"})
    narrow = [
        query_parameter("entity", {"type": "array", "items": {"type": "string"}}),
        query_parameter("record", {"type": "string", "format": "uuid"}),
    ]
    wait = query_parameter("wait", {"type": "integer", "minimum": 0, "maximum": limits.EVENTS_WAIT_SECONDS})
    last: Schema = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}}
    page: Schema = {
        "summary": say("变更", "Changes").pick(language),
        "operationId": "listEvents",
        "parameters": [after, *narrow, wait, _event_limit()],
        "responses": {"200": _answer({"$ref": "#/components/schemas/EventPage"})},
    }
    frames: Schema = {"description": "Server-sent events; the data of each is an Event.", "content": {}}
    frames["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    stream: Schema = {
        "summary": say("变更流", "Stream of changes").pick(language),
        "operationId": "streamEvents",
        "parameters": [after, *narrow, last],
        "responses": {"200": frames},
    }
    return {
        f"/api/{app}/events": {"get": with_problems(page, READING)},
        f"/api/{app}/events/stream": {"get": with_problems(stream, READING)},
    }


def _event_limit() -> Schema:
    return query_parameter("limit", {"type": "integer", "minimum": 1, "maximum": limits.EVENTS_PAGE, "default": 100})


def _answer(schema: Schema, *, headers: Schema | None = None) -> Schema:
    answer: Schema = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    return {**answer, "headers": headers} if headers else answer


def _data(name: str) -> Schema:
    return {"type": "object", "required": ["data"], "properties": {"data": {"$ref": f"#/components/schemas/{name}"}}}


def _body(name: str) -> Schema:
    return _json_body({"$ref": f"#/components/schemas/{name}"})


def _json_body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}
