"""What OpenAPI says of writes of many records: batches, writes by filter, and what every write takes besides."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledEntity
from builder.kernel import limits
from builder.kernel.text import Language, Text, say
from runtime.api.openapi_once import ONCE, TRIED
from runtime.api.openapi_problems import WRITING, with_problems
from runtime.api.openapi_queries import query_parameter
from runtime.api.openapi_schemas import Described

Schema = dict[str, Any]

_PREFER: Schema = {"name": "Prefer", "in": "header", "schema": {"type": "string", "examples": ["return=minimal"]}}
_MODE: Schema = {"type": "string", "enum": ["all", "partial"], "default": "all"}
_REVISION: Schema = {"type": ["integer", "null"]}
_UUID: Schema = {"type": "string", "format": "uuid"}
_REF: Schema = {
    "type": "object",
    "required": ["$ref"],
    "additionalProperties": False,
    "properties": {"$ref": {"type": "string", "description": "The name of an item before this one."}},
}


def write_schemas() -> Schema:
    """Return the schemas that all entities share."""
    counts = ("created_count", "updated_count", "unchanged_count", "deleted_count", "refused_count")
    row: Schema = {
        "type": "object",
        "required": ["place", "deed"],
        "properties": {
            "place": {"type": "integer", "description": "Which item of the request it is, counted from 0."},
            "deed": {"type": "string", "enum": ["created", "updated", "unchanged", "deleted", "refused"]},
            "entity": {"type": "string"},
            "id": _UUID,
            "revision": {"type": "integer"},
            "record": {"type": "object", "description": "The record as it is now."},
            "problem": {"$ref": "#/components/schemas/Problem"},
        },
    }
    answer: Schema = {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/WrittenRow"}},
            "meta": {
                "type": "object",
                "required": list(counts),
                "properties": {
                    **{name: {"type": "integer"} for name in counts},
                    "dry_run": {"type": "boolean"},
                    "status": {"type": "integer", "description": "Of a dry run: what the answer would be."},
                    "effects": {"type": "array", "items": {"$ref": "#/components/schemas/Effect"}},
                    "automations": {"type": "array", "items": {"$ref": "#/components/schemas/Started"}},
                },
            },
        },
    }
    effect: Schema = {
        "type": "object",
        "required": ["entity", "kind", "count", "ids"],
        "properties": {
            "entity": {"type": "string"},
            "kind": {"type": "string"},
            "count": {"type": "integer"},
            "ids": {"type": "array", "items": _UUID},
        },
    }
    started: Schema = {
        "type": "object",
        "description": "An automation that a dry run would set off (a key), or what follows from a move (`move:…`); waiting: it goes on after the commit.",
        "required": ["automation", "state", "count"],
        "properties": {
            "automation": {"type": "string"},
            "state": {"enum": ["done", "failed", "passed", "waiting"]},
            "count": {"type": "integer"},
        },
    }
    return {"WrittenRow": row, "Written": answer, "Effect": effect, "Started": started}


def entity_batch(d: Described, entity: CompiledEntity) -> Schema:
    """Return the operation ``POST …/records/{entity}/batch``."""
    name = d.name(entity.key)
    create, update = {"$ref": f"#/components/schemas/{name}Create"}, {"$ref": f"#/components/schemas/{name}Update"}
    changed = {
        "allOf": [
            update,
            {"type": "object", "required": ["id"], "properties": {"id": _UUID, "if_match": _REVISION}},
        ]
    }
    members: Schema = {"create": _list(create), "update": _list(changed)}
    if entity.uniques:
        by = {"type": "array", "minItems": 1, "items": {"type": "string"}, "examples": [list(entity.uniques[0])]}
        upsert = {"type": "object", "required": ["by", "records"], "additionalProperties": False}
        members["upsert"] = {**upsert, "properties": {"by": by, "records": _list(create)}}
    gone = {"type": "object", "required": ["id"], "properties": {"id": _UUID, "if_match": _REVISION}}
    members |= {"delete": _list({"oneOf": [_UUID, gone]}), "mode": _MODE}
    body = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": members}
    return _operation(d, entity, say("批量写入", "Write many"), "batch", body, (_PREFER, *ONCE))


def writes_by_filter(d: Described, entity: CompiledEntity) -> Schema:
    """Return the operations that change or delete whatever a filter finds."""
    name = d.name(entity.key)
    most = query_parameter("max_affected", {"type": "integer", "minimum": 1, "maximum": limits.BATCH_RECORDS}) | {
        "required": True
    }
    asked = query_parameter("filter", {"type": "string", "minLength": 1}) | {"required": True}
    parameters = (asked, most, query_parameter("mode", _MODE), _PREFER, *ONCE)
    body = {"$ref": f"#/components/schemas/{name}Update"}
    return {
        "patch": _operation(d, entity, say("按筛选修改", "Update by filter"), "updateWhere", body, parameters),
        "delete": _operation(d, entity, say("按筛选删除", "Delete by filter"), "deleteWhere", None, parameters),
    }


def batch_path(app: str, language: Language) -> Schema:
    """Return the path of batches over entities."""
    record: Schema = {"type": "object"}
    common: Schema = {"entity": {"type": "string"}, "name": {"type": "string", "minLength": 1, "maxLength": 100}}
    target: Schema = {"oneOf": [_UUID, _REF]}
    items = [
        _item("create", ("entity", "record"), {**common, "record": record}),
        _item("update", ("entity", "id", "record"), {**common, "id": target, "record": record, "if_match": _REVISION}),
        _item(
            "upsert",
            ("entity", "by", "record"),
            {**common, "by": {"type": "array", "minItems": 1, "items": {"type": "string"}}, "record": record},
        ),
        _item("delete", ("entity", "id"), {"entity": {"type": "string"}, "id": target, "if_match": _REVISION}),
    ]
    body: Schema = {
        "type": "object",
        "required": ["items"],
        "additionalProperties": False,
        "properties": {"items": _list({"oneOf": items}), "mode": _MODE},
    }
    made: Schema = {
        "summary": say("多实体批量写入", "Write records of several entities").pick(language),
        "operationId": "batch",
        "parameters": [_PREFER, *ONCE],
        "requestBody": _body(body),
        "responses": _answers(),
    }
    return {f"/api/{app}/batch": {"post": with_problems(made, WRITING)}}


def _item(verb: str, required: tuple[str, ...], properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["verb", *required],
        "additionalProperties": False,
        "properties": {"verb": {"const": verb}, **properties},
    }


def _operation(
    d: Described, entity: CompiledEntity, verb: Any, operation_id: str, body: Schema | None, parameters: Any
) -> Schema:
    label = entity.label().pick(d.language)
    made: Schema = {
        "tags": [entity.key],
        "summary": f"{verb.en} {label}" if d.language == "en" else f"{verb.zh}{label}",
        "operationId": f"{operation_id}{d.name(entity.key)}",
        "parameters": list(parameters),
        "responses": _answers(),
    }
    if body is not None:
        made["requestBody"] = _body(body)
    return with_problems(made, WRITING)


def _answers() -> Schema:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Written"}}}
    answer: Schema = {"description": "OK", "content": content}
    return {"200": answer, "201": {**answer, "description": "Every item was created."}}


def _list(items: Schema) -> Schema:
    return {"type": "array", "maxItems": limits.BATCH_RECORDS, "items": items}


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def kept_paths(d: Described, entity: CompiledEntity, base: str, record_id: Schema) -> Schema:
    """Return the paths of the trash and of merges of an entity."""
    name, key = d.name(entity.key), entity.key
    record = {"$ref": f"#/components/schemas/{name}"}
    shown = _json({"type": "object", "required": ["data"], "properties": {"data": record, "meta": {"type": "object"}}})

    def operation(verb: Text, operation_id: str, answers: Schema, **more: Any) -> Schema:
        label = entity.label().pick(d.language)
        summary = f"{verb.en} {label}" if d.language == "en" else f"{verb.zh}{label}"
        made = {"tags": [key], "summary": summary, "operationId": f"{operation_id}{name}", "responses": answers}
        return with_problems({**made, **more}, WRITING)

    wish: Schema = {
        "type": "object",
        "required": ["others"],
        "additionalProperties": False,
        "properties": {
            "others": {"type": "array", "minItems": 1, "maxItems": limits.MERGED_RECORDS, "items": _UUID},
            "fields": {"type": "object", "additionalProperties": _UUID},
            "fill_blanks": {"type": "boolean", "default": True},
        },
    }
    many = _json({"type": "object", "properties": {"data": {"type": "array", "items": {"type": "object"}}}})
    once = {"parameters": [*ONCE]}
    merge_id: Schema = {"name": "merge", "in": "path", "required": True, "schema": _UUID}
    paths: Schema = {
        f"{base}/{{id}}/merge": {
            "parameters": [record_id],
            "post": operation(say("合并", "Merge"), "merge", {"200": shown}, requestBody=_body(wish), **once),
        },
        f"{base}/{{id}}/merges": {
            "parameters": [record_id],
            "get": operation(say("合并记录", "Merges into"), "listMerges", {"200": many}),
        },
        f"{base}/{{id}}/merges/{{merge}}/undo": {
            "parameters": [record_id, merge_id],
            "post": operation(say("撤销合并", "Undo a merge into"), "undoMerge", {"200": shown}, **once),
        },
    }
    if entity.definition.duplicates:
        looks_like = operation(say("可能重复的", "Duplicates of"), "listDuplicates", {"200": many})
        paths[f"{base}/{{id}}/duplicates"] = {"parameters": [record_id], "get": looks_like}
    if entity.definition.trash:
        before = query_parameter("before", _UUID)
        gone: Schema = {"204": {"description": "Destroyed"}, "200": TRIED}
        paths |= {
            f"{base}/trash": {"get": operation(say("回收站", "Trash of"), "trash", {"200": many}, parameters=[before])},
            f"{base}/trash/{{id}}": {
                "parameters": [record_id],
                "delete": operation(say("彻底删除", "Purge"), "purge", gone, **once),
            },
            f"{base}/{{id}}/restore": {
                "parameters": [record_id],
                "post": operation(say("恢复", "Restore"), "restore", {"200": shown}, **once),
            },
        }
    return paths


def _json(schema: Schema) -> Schema:
    return {"description": "OK", "content": {"application/json": {"schema": schema}}}
