"""The OpenAPI 3.1 document of one app, made from its published version: what front-end developers generate their clients from.

Every entity gives the schemas ``{Name}`` (as read), ``{Name}Create``, ``{Name}Update`` and ``{Name}Page``; names are the keys in CamelCase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import BothLanguages, Field, label_text
from builder.fields.children import ChildrenField
from builder.fields.parts.choices import ChoiceField
from builder.fields.reference import ReferenceField
from builder.kernel import limits
from builder.kernel.problems import CODES
from builder.kernel.text import Language, Text, say
from runtime.api.openapi_files import file_paths, file_schema, has_files
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
from runtime.records.counting import CountKind

JSON = Any
Schema = dict[str, JSON]

_PROBLEM = {"$ref": "#/components/responses/Problem"}
_ID: Schema = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag that was read: 412 if the record was changed meanwhile.",
    "schema": {"type": "string"},
}
_PREFER: Schema = {
    "name": "Prefer",
    "in": "header",
    "schema": {"type": "string", "enum": ["return=minimal", "return=representation"]},
}
_ETAG: Schema = {"ETag": {"description": "The record's revision, quoted.", "schema": {"type": "string"}}}


def app_openapi(app: CompiledApp, language: Language) -> Schema:
    """Return the document."""
    label = label_text(app.definition.app.label).pick(language)
    paths: Schema = {}
    schemas: Schema = {
        "Problem": _problem_schema(),
        "Event": _event_schema(),
        "View": view_schema(),
        "EventPage": _page_of("Event", ("after", "has_more")),
    }
    for entity in app.entities.values():
        schemas |= _entity_schemas(app, entity, language)
        paths |= _entity_paths(app, entity, language)
    paths |= _feed_paths(app.key, language)
    paths |= view_paths(app.key, _PROBLEM)
    if has_files(app):
        schemas["File"] = file_schema()
        paths |= file_paths(app.key, _PROBLEM, language)
    return {
        "openapi": "3.1.0",
        "info": {"title": label, "version": str(app.version), "description": _help(app, language)},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"session": []}],
        "tags": [{"name": e.key, "description": e.label().pick(language)} for e in app.entities.values()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                "Problem": {
                    "description": say("出错", "Something went wrong").pick(language),
                    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "dougong_session"},
            },
        },
    }


def _help(app: CompiledApp, language: Language) -> str:
    found = app.definition.app.help
    return _pick(found, language) or ""


def _pick(words: str | BothLanguages | None, language: Language) -> str | None:
    if isinstance(words, BothLanguages):
        return Text(words.zh, words.en).pick(language)
    return words


def schema_name(entity: str) -> str:
    """Return the schema's name of an entity: ``sales_area`` -> ``SalesArea``."""
    return "".join(part.capitalize() for part in entity.split("_"))


# -- schemas --------------------------------------------------------------------------------------------------------------


def _entity_schemas(app: CompiledApp, entity: CompiledEntity, language: Language) -> Schema:
    name = schema_name(entity.key)
    read: Schema = {key: _read_schema(field, language) for key, field in entity.system.items()}
    read |= {key: _read_schema(field, language) for key, field in entity.fields.items()}
    write: Schema = {key: _write_schema(field, language) for key, field in entity.fields.items() if not field.assigned}
    needed = [f.key for f in entity.required if f.default is None and not f.assigned]
    always = [key for key in (*entity.system, *entity.fields) if not isinstance(entity.find_field(key), ChildrenField)]
    title = entity.label().pick(language)
    own_id = {"id": {"type": "string", "format": "uuid", "description": "Given by the client, or made by the server."}}
    return {
        name: {"type": "object", "title": title, "properties": read, "required": always},
        f"{name}Create": _object(title, own_id | write, needed),
        f"{name}Update": _object(title, write, []),
        f"{name}Page": _page_of(name, ("next_cursor", "count", "count_is")),
    }


def _object(title: str, properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "title": title, "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _read_schema(field: Field, language: Language) -> Schema:
    if isinstance(field, ChildrenField):
        schema: Schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema_name(field.entity)}"}}
    elif isinstance(field, ReferenceField) and field.key != "id":
        target = {"$ref": f"#/components/schemas/{schema_name(field.entity)}"}
        schema = {"anyOf": [{"type": "string", "format": "uuid"}, target, {"type": "null"}]}
    elif field.refers_to is not None:
        shown = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
        schema = {"anyOf": [{"type": "string", "format": "uuid"}, shown, {"type": "null"}]}
    elif field.lists is not None:
        items = field.value_schema()["items"]
        shown = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
        schema = {"type": "array", "items": {"anyOf": [items, shown]}}
    elif field.key in ("id", "revision", "created_at", "updated_at") or field.blank_json() is not None:
        schema = dict(field.value_schema())
    else:
        schema = _or_null(field.value_schema())
    return _described(schema, field, language)


def _write_schema(field: Field, language: Language) -> Schema:
    if isinstance(field, ChildrenField):
        name = schema_name(field.entity)
        row = {
            "anyOf": [{"$ref": f"#/components/schemas/{name}Create"}, {"$ref": f"#/components/schemas/{name}Update"}]
        }
        schema: Schema = {"type": "array", "maxItems": limits.CHILD_RECORDS, "items": row}
    else:
        schema = dict(field.value_schema()) if field.required else _or_null(field.value_schema())
    if field.default is not None:
        schema = {**schema, "default": field.default}
    return _described(schema, field, language)


def _or_null(schema: Mapping[str, JSON]) -> Schema:
    """Let a schema allow null, in the plain form that code generators like best."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    if "enum" in schema and isinstance(kind, str):
        return {**schema, "type": [kind, "null"], "enum": [*schema["enum"], None]}
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _described(schema: Schema, field: Field, language: Language) -> Schema:
    described = {**schema, "title": label_text(field.label).pick(language)}
    words = _pick(field.help, language)
    if words:
        described["description"] = words
    if isinstance(field, ChoiceField):
        described["x-enum-labels"] = {option.key: label_text(option.label).pick(language) for option in field.options}
    return described


def _page_of(name: str, meta: tuple[str, ...]) -> Schema:
    kinds: Schema = {
        "next_cursor": {"type": ["string", "null"]},
        "after": {"type": ["string", "null"]},
        "before": {"type": ["string", "null"]},
        "has_more": {"type": "boolean"},
        "count": {"type": "integer"},
        "count_is": {"type": "string", "enum": list(get_args(CountKind))},
    }
    return {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}},
            "meta": {"type": "object", "properties": {key: kinds[key] for key in meta}},
        },
    }


def _problem_schema() -> Schema:
    error = {
        "type": "object",
        "required": ["code", "pointer", "detail"],
        "properties": {
            "code": {"type": "string"},
            "pointer": {"type": "string", "description": "JSON pointer into the request"},
            "detail": {"type": "string"},
            "params": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "instance": {"type": "string"},
            "code": {"type": "string", "enum": sorted(CODES)},
            "errors": {"type": "array", "items": error},
        },
    }


def _event_schema() -> Schema:
    text: Schema = {"type": "string"}
    return {
        "type": "object",
        "required": ["position", "entity", "record_id", "kind", "at", "door", "revision", "changes"],
        "properties": {
            "position": text,
            "entity": text,
            "record_id": {"type": "string", "format": "uuid"},
            "kind": {"type": "string", "enum": ["created", "updated", "deleted", "moved"]},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"type": ["string", "null"]},
            "door": text,
            "request_id": text,
            "version": {"type": "integer"},
            "revision": {"type": "integer"},
            "changes": {"type": "object", "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2}},
            "detail": {"type": "object", "description": "Of a move: pipeline, transition, from, to, reason."},
        },
    }


# -- paths ----------------------------------------------------------------------------------------------------------------


def _entity_paths(app: CompiledApp, entity: CompiledEntity, language: Language) -> Schema:
    name = schema_name(entity.key)
    label = entity.label().pick(language)
    base = f"/api/{app.key}/records/{entity.key}"

    def operation(verb: Text, operation_id: str, answers: Schema, **more: JSON) -> Schema:
        return {
            "tags": [entity.key],
            "summary": f"{verb.pick(language)} {label}" if language == "en" else f"{verb.zh}{label}",
            "operationId": f"{operation_id}{name}",
            "responses": {**answers, "default": _PROBLEM},
            **more,
        }

    one = {"200": _answer(_data(name), headers=_ETAG)}
    minimal: Schema = {"204": {"description": "Prefer: return=minimal", "headers": _ETAG}}
    page = {"200": _answer({"$ref": f"#/components/schemas/{name}Page"})}
    shown = shown_parameters()
    groups = {"200": _answer(aggregate_answer())}
    query = list_parameters()
    many: Schema = {
        "type": "object",
        "required": ["create"],
        "additionalProperties": False,
        "properties": {
            "create": {
                "type": "array",
                "maxItems": limits.BATCH_RECORDS,
                "items": {"$ref": f"#/components/schemas/{name}Create"},
            }
        },
    }
    created = _answer(_data(name), headers=_ETAG)
    return {
        base: {
            "get": operation(say("列出", "List"), "list", page, parameters=query),
            "post": operation(
                say("新建", "Create"),
                "create",
                {"201": created, **minimal},
                parameters=[_PREFER],
                requestBody=_body(f"{name}Create"),
            ),
        },
        f"{base}/query": {
            "post": operation(
                say("查询", "Query"),
                "query",
                page,
                requestBody=_json_body(query_body()),
            )
        },
        f"{base}/aggregate": {
            "get": operation(say("汇总", "Sum up"), "sumUp", groups, parameters=aggregate_parameters()),
            "post": operation(
                say("汇总", "Sum up"),
                "aggregate",
                groups,
                requestBody=_json_body(
                    {"type": "object", "properties": aggregate_members(), "additionalProperties": False}
                ),
            ),
        },
        f"{base}/batch": {
            "post": operation(
                say("批量新建", "Create many"),
                "batch",
                {"201": _answer({"type": "object"})},
                parameters=[_PREFER],
                requestBody=_json_body(many),
            )
        },
        f"{base}/{{id}}": {
            "parameters": [_ID],
            "get": operation(say("读取", "Get"), "get", one, parameters=shown),
            "patch": operation(
                say("修改", "Update"),
                "update",
                {**one, **minimal},
                parameters=[_IF_MATCH, _PREFER],
                requestBody=_body(f"{name}Update"),
            ),
            "delete": operation(
                say("删除", "Delete"), "delete", {"204": {"description": "Deleted"}}, parameters=[_IF_MATCH]
            ),
        },
        f"{base}/{{id}}/timeline": {
            "parameters": [_ID],
            "get": operation(
                say("历史", "History of"),
                "timeline",
                {"200": _answer({"$ref": "#/components/schemas/EventPage"})},
                parameters=[query_parameter("before", {"type": "string"}), _event_limit()],
            ),
        },
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
        "responses": {"200": _answer({"$ref": "#/components/schemas/EventPage"}), "default": _PROBLEM},
    }
    frames: Schema = {"description": "Server-sent events; the data of each is an Event.", "content": {}}
    frames["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    stream: Schema = {
        "summary": say("变更流", "Stream of changes").pick(language),
        "operationId": "streamEvents",
        "parameters": [after, *narrow, last],
        "responses": {"200": frames, "default": _PROBLEM},
    }
    return {f"/api/{app}/events": {"get": page}, f"/api/{app}/events/stream": {"get": stream}}


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
