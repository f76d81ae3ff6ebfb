"""What OpenAPI says of questions about many records: lists and aggregates."""

from __future__ import annotations

from typing import Any, get_args

from builder.kernel import limits
from runtime.api.openapi_once import ONCE, TRIED
from runtime.api.openapi_problems import READING, WRITING, with_problems
from runtime.api.openapi_schemas import pending_schema
from runtime.query.aggregate_request import BUCKETS, FUNCTIONS, MEMBERS
from runtime.query.request import Count

JSON = Any
Schema = dict[str, JSON]

_TEXT: Schema = {"type": "string"}
_VALUE: Schema = {"type": ["string", "number", "boolean", "null"]}
_DESCRIPTIONS = {
    "filter": 'Which records count; conditions such as {"level": "A"}.',
    "group_by": 'Field paths over to-one relations, or days, weeks … of a date: "created_at:month" or an object.',
    "measures": 'Name -> measure, such as {"total": {"sum": "budget"}, "n": {"count": "*"}}. A share is of the total of a named measure.',
    "having": 'Which groups are shown; conditions over measures, such as {"total": {"_gt": 100}}.',
    "sort": "Groups or measures; - in front for descending. Groups in their own order if left out.",
    "limit": "Groups of an answer; meta.has_more tells whether there are more.",
    "totals": "Whether meta.totals is wanted: the measures over all records at once.",
    "labels": "Whether meta.labels is wanted: names of options and of the records that groups point to.",
}


def filter_value(entity: str) -> Schema:
    """Return the schema of a filter in a body: conditions, or a formula as text."""
    return {"anyOf": [_ref(f"{entity}Filter"), _TEXT, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def aggregate_members(entity: str) -> Schema:
    """Return the schema of each member of a request."""
    group: Schema = {
        "type": "object",
        "required": ["path"],
        "additionalProperties": False,
        "properties": {"path": _TEXT, "bucket": {"type": "string", "enum": list(BUCKETS)}, "as": _TEXT},
    }
    measure: Schema = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": dict.fromkeys(FUNCTIONS, _TEXT),
    }
    key: Schema = {"pattern": "^[a-z][a-z0-9_]{0,39}$"}
    members: Schema = {
        "filter": filter_value(entity),
        "group_by": {"type": "array", "maxItems": limits.GROUP_KEYS, "items": {"anyOf": [_TEXT, group]}},
        "measures": {
            "type": "object",
            "maxProperties": limits.MEASURES,
            "propertyNames": key,
            "additionalProperties": measure,
        },
        "having": {"type": ["object", "null"]},
        "sort": {"type": "array", "maxItems": limits.SORT_KEYS, "items": _TEXT},
        "limit": {"type": "integer", "minimum": 0, "maximum": limits.GROUPS, "default": limits.GROUPS_DEFAULT},
        "totals": {"type": "boolean", "default": False},
        "labels": {"type": "boolean", "default": False},
    }
    return {name: {**members[name], "description": _DESCRIPTIONS[name]} for name in MEMBERS}


def aggregate_parameters(entity: str) -> list[Schema]:
    """Return the same members for a query string."""
    listed: list[Schema] = []
    for name, schema in aggregate_members(entity).items():
        parameter: Schema = {"name": name, "in": "query", "description": schema["description"]}
        if name == "filter":
            parameter["content"] = {"application/json": {"schema": _ref(f"{entity}Filter")}}
        elif name in ("measures", "having"):
            parameter["content"] = {"application/json": {"schema": schema}}
        elif schema["type"] == "array":
            parameter |= {"schema": {**schema, "items": _TEXT}, "style": "form", "explode": False}
        else:
            parameter["schema"] = schema
        listed.append(parameter)
    return listed


def aggregate_answer() -> Schema:
    """Return the schema of an answer: rows of keys and measures."""
    row: Schema = {"type": "object", "additionalProperties": _VALUE}
    labels: Schema = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": _TEXT}}
    meta: Schema = {
        "type": "object",
        "required": ["has_more"],
        "properties": {"has_more": {"type": "boolean"}, "totals": row, "labels": labels, "pending": pending_schema()},
    }
    return {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {"data": {"type": "array", "items": row}, "meta": meta},
    }


def list_members(entity: str) -> dict[str, Schema]:
    """Return the members of a list request: schema for a query string, and description."""
    names: Schema = {"type": "array", "items": {"type": "string"}}
    return {
        "filter": {
            "schema": _ref(f"{entity}Filter"),
            "description": 'Conditions such as {"level":{"_eq":"A"}}; filter[level][_eq]=A and a formula (level = "A") are fine too.',
        },
        "sort": {
            "schema": {**names, "maxItems": limits.SORT_KEYS},
            "description": "Field paths; - in front for descending.",
        },
        "fields": {"schema": {**names, "maxItems": limits.FIELD_PATHS}, "description": "Field paths to show."},
        "expand": {
            "schema": {**names, "maxItems": limits.EXPAND_PATHS},
            "description": "Relations to show as objects.",
        },
        "limit": {
            "schema": {
                "type": "integer",
                "minimum": 0,
                "maximum": limits.PAGE_RECORDS,
                "default": limits.PAGE_RECORDS_DEFAULT,
            },
            "description": "Records of a page.",
        },
        "cursor": {"schema": {"type": "string"}, "description": "next_cursor of the page before."},
        "page": {
            "schema": {"type": "integer", "minimum": 1},
            "description": f"Number of the page instead of a cursor, with at most {limits.PAGE_SKIPPED} records before it; shifts while others write.",
        },
        "count": {
            "schema": {"type": "string", "enum": list(get_args(Count))},
            "description": "Whether meta.count is wanted; estimated is cheap: meta.count_is tells exact, estimate or at_least.",
        },
        "search": {
            "schema": {"type": "string", "maxLength": limits.SEARCH_LENGTH},
            "description": "Words that the record's texts hold, all of them; the best match first unless sort is given.",
        },
        "view": {
            "schema": {"type": "string"},
            "description": "A view: says what the request does not; filters hold together.",
        },
    }


def list_parameters(entity: str) -> list[Schema]:
    """Return the parameters of a list."""
    listed: list[Schema] = []
    for name, member in list_members(entity).items():
        if name == "filter":
            content = {"application/json": {"schema": member["schema"]}}
            listed.append({"name": name, "in": "query", "description": member["description"], "content": content})
        else:
            listed.append({**query_parameter(name, member["schema"]), "description": member["description"]})
    return listed


def shown_parameters() -> list[Schema]:
    """Return the parameters that say what of a record is shown."""
    return [parameter for parameter in list_parameters("") if parameter["name"] in ("fields", "expand")]


def query_parameter(name: str, schema: Schema) -> Schema:
    """Return a parameter; lists take commas."""
    parameter: Schema = {"name": name, "in": "query", "schema": schema}
    return {**parameter, "style": "form", "explode": False} if schema.get("type") == "array" else parameter


def query_body(entity: str) -> Schema:
    """Return the schema of ``POST …/query``: what to expand may say more than a path there."""
    names: Schema = {"type": "array", "items": _TEXT}
    relation: Schema = {
        "type": "object",
        "required": ["path"],
        "additionalProperties": False,
        "properties": {
            "path": _TEXT,
            "filter": {"type": ["object", "string", "null"]},
            "sort": {**names, "maxItems": limits.SORT_KEYS},
            "limit": {"type": "integer", "minimum": 0, "maximum": limits.CHILD_RECORDS},
            "fields": {**names, "maxItems": limits.FIELD_PATHS},
            "expand": {"type": "array", "maxItems": limits.EXPAND_PATHS, "items": {"type": ["string", "object"]}},
        },
    }
    members = {name: member["schema"] for name, member in list_members(entity).items()}
    members["filter"] = filter_value(entity)
    for name in ("cursor", "search", "view"):
        members[name] = {**members[name], "type": ["string", "null"]}
    members["page"] = {**members["page"], "type": ["integer", "null"]}
    members["expand"] = {"type": "array", "maxItems": limits.EXPAND_PATHS, "items": {"anyOf": [_TEXT, relation]}}
    return {"type": "object", "properties": members, "additionalProperties": False}


def view_schema() -> Schema:
    """Return the schema of a saved view, as read and (without what the system gives) as written."""
    names: Schema = {"type": "array", "items": _TEXT}
    members: Schema = {
        "id": {**_TEXT, "readOnly": True, "description": "The key of a view of the app, or the id of a saved one."},
        "entity": _TEXT,
        "label": _TEXT,
        "filter": {"type": ["object", "string", "null"]},
        "sort": {**names, "type": ["array", "null"]},
        "columns": {**names, "type": ["array", "null"]},
        "limit": {"type": ["integer", "null"]},
        "own": {"type": "boolean", "readOnly": True},
        "shared": {"type": "boolean"},
    }
    return {"type": "object", "properties": members, "required": ["entity", "label"]}


def view_paths(app: str) -> Schema:
    """Return the routes of views."""
    view: Schema = {"$ref": "#/components/schemas/View"}
    one: Schema = {"type": "object", "required": ["data"], "properties": {"data": view}}
    many: Schema = {
        "type": "object",
        "required": ["data"],
        "properties": {"data": {"type": "array", "items": view}},
    }

    def operation(name: str, status: str, schema: Schema | None, *, body: bool = False) -> Schema:
        answer: Schema = {"description": "OK"}
        if schema is not None:
            answer["content"] = {"application/json": {"schema": schema}}
        found: Schema = {"operationId": name, "responses": {status: answer}}
        if body:
            written = {
                "content": {"application/json": {"schema": {"type": "object"} if name == "changeView" else view}}
            }
            found["requestBody"] = {"required": True, **written}
        if name in {"listViews", "getView"}:
            return with_problems(found, READING)
        found["responses"] = {"200": TRIED, **found["responses"]}
        return with_problems({**found, "parameters": [*ONCE]}, WRITING)

    place: Schema = {"name": "view", "in": "path", "required": True, "schema": _TEXT}
    return {
        f"/api/{app}/views": {
            "get": operation("listViews", "200", many),
            "post": operation("createView", "201", one, body=True),
        },
        f"/api/{app}/views/{{view}}": {
            "parameters": [place],
            "get": operation("getView", "200", one),
            "patch": operation("changeView", "200", one, body=True),
            "delete": operation("deleteView", "204", None),
        },
    }
