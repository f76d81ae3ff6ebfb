"""What OpenAPI says of filters: one schema per entity with the conditions that each field takes. The rules are those of ``formulas.filters``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.compiled.app import CompiledApp
from formulas.filter_texts import FORMULA
from formulas.schema import FieldInfo
from formulas.syntax import LENGTH_LIMIT
from formulas.types import Type

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "description": "An id, or $CURRENT_USER."}
_DAY: Schema = {"type": "string", "description": "A day, an instant, $TODAY or $NOW, also $TODAY(-7 days)."}
_FORMULA: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": LENGTH_LIMIT,
    "description": "A condition as a formula, about the record whose fields stand beside it: ROUND(amount * 1.13, 1) > 500. "
    "Inside _some, _none and _all this.… is the record that is asked about.",
}
_BLANK: Schema = {"enum": [None, ""]}
_BLANKS = ("_null", "_nnull", "_empty", "_nempty")
_TEXT_CALLS = (
    *("_contains", "_ncontains", "_icontains", "_nicontains", "_starts_with", "_nstarts_with"),
    *("_istarts_with", "_ends_with", "_nends_with", "_iends_with"),
)
_ORDERED = frozenset({"text", "integer", "decimal", "date", "datetime", "time", "duration", "option"})

_SHARED: Mapping[str, tuple[str, Schema]] = {
    "text": ("FilterText", _TEXT),
    "integer": ("FilterInteger", {"type": ["integer", "string"], "pattern": r"^-?\d{1,18}$"}),
    "decimal": (
        "FilterNumber",
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d{1,18}(\.\d{1,10})?$"}]},
    ),
    "boolean": ("FilterBoolean", {"type": "boolean"}),
    "date": ("FilterDate", _DAY),
    "datetime": ("FilterDatetime", _DAY),
    "time": ("FilterTime", {"type": "string", "description": "09:30 or 09:30:00"}),
    "duration": ("FilterDuration", {"type": ["integer", "string"], "pattern": r"^-?\d{1,18}$"}),
    "person": ("FilterId", _ID),
    "department": ("FilterId", _ID),
    "file": ("FilterId", _ID),
    "record": ("FilterId", _ID),
}
"""Kind of type -> schema that its fields share, and the schema of a value."""


def shared_filters() -> dict[str, Schema]:
    """Return the schemas that the filters of all apps have."""
    made = {name: _either(value, _operators(kind, value)) for kind, (name, value) in _SHARED.items()}
    made["FilterBlank"] = _object(_blank_operators())
    made["FilterFormula"] = _FORMULA
    return made


def filter_schema(app: CompiledApp, entity: str, names: Mapping[str, str]) -> Schema:
    """Return the schema of filters of one entity (or of links from one side); ``names`` are those of the schemas."""
    own = _ref(f"{names[entity]}Filter")
    properties: Schema = {
        "_and": {"type": "array", "items": own},
        "_or": {"type": "array", "items": own},
        "_not": own,
        FORMULA: _ref("FilterFormula"),
    }
    for key, _ in app.fields(entity):
        info = app.find_field(entity, key)
        if info is not None:
            properties[key] = _field(info, names)
    # paths over relations in one key ("customer.level") stand beside the fields
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$": {}},
        "additionalProperties": False,
    }


def _field(info: FieldInfo, names: Mapping[str, str]) -> Schema:
    target = names.get(info.target_entity or "")
    if target is not None and info.many:
        inner = _ref(f"{target}Filter")
        operators = {"_some": inner, "_none": inner, "_all": inner, **_blank_operators()}
        operators |= {"_has": _ID, **{key: {"type": "array", "items": _ID} for key in ("_in", "_has_all", "_has_none")}}
        return {"anyOf": [_object(operators), inner]}
    if target is not None:
        return {"anyOf": [_ref("FilterId"), _ref(f"{target}Filter")]}
    kind = info.type.kind
    if kind in _SHARED:
        return _ref(_SHARED[kind][0])
    if kind == "option":
        value = _option(info.type)
        return _either(value, _operators(kind, value))
    if kind == "set" and info.type.element is not None:
        element = info.type.element
        value = _option(element) if element.kind == "option" else _SHARED.get(element.kind, ("", _TEXT))[1]
        many: Schema = {"type": "array", "items": value}
        sets = {"_has": value, **dict.fromkeys(("_has_any", "_has_all", "_has_none"), many)}
        return _object({**sets, **_blank_operators()})
    return _ref("FilterBlank")


def _option(type_: Type) -> Schema:
    return {"type": "string", "enum": list(type_.options)} if type_.options else _TEXT


def _either(value: Schema, operators: Schema) -> Schema:
    """A value, several of which one has to be there, or operators."""
    return {"anyOf": [value, _BLANK, {"type": "array", "items": {"anyOf": [value, _BLANK]}}, operators]}


def _operators(kind: str, value: Schema) -> Schema:
    nullable: Schema = {"anyOf": [value, _BLANK]}
    several: Schema = {"type": "array", "items": nullable}
    found: Schema = {"_eq": nullable, "_ne": nullable, "_in": several, "_nin": several, **_blank_operators()}
    if kind in _ORDERED:
        two: Schema = {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
        found |= dict.fromkeys(("_lt", "_lte", "_gt", "_gte"), value) | dict.fromkeys(("_between", "_nbetween"), two)
    if kind in ("text", "option"):
        found |= {key: {**_TEXT, "minLength": 1} for key in _TEXT_CALLS}
    return _object(found)


def _blank_operators() -> Schema:
    return {key: {"type": "boolean"} for key in _BLANKS}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
