"""``json``: any JSON value, checked with the user's own JSON Schema (Draft 2020-12). Source: DESIGN 5; jsonb's order of keys: PostgreSQL 8.14."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import sqlalchemy as sa
from pydantic import ConfigDict, field_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, refuse_control_characters, wrong_type
from builder.kernel.canonical import dump_json, parse_json, plain_decimal
from builder.kernel.limits import JSON_FIELD_BYTES, JSON_FIELD_DEPTH, JSON_FIELD_NUMBER_DIGITS
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.types import Document, StoredType
from formulas import types as formula_types

if TYPE_CHECKING:
    from builder.fields.parts.schemas import Checked  # reads a large library: only for fields that have a schema

_TEXT_CONTROLS = "\n\r\t"
_FIRST_LEVEL = ("title", "description", "type")


class JsonField(Field):
    """A JSON value of its own. Members are kept in one order and numbers in one spelling, so that equal values are equal on every database."""

    model_config = ConfigDict(serialize_by_alias=True)

    title = say("JSON", "JSON")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ({"b": 1, "a": [True, None, "x"], "": {}}, {"": {}, "a": [True, None, "x"], "b": 1}),
                ([], []),
                ("text", "text"),
                (False, False),
                (Decimal("1.50"), Decimal("1.5")),
                (Decimal("2.0"), 2),
                ([Decimal("1E+3"), Decimal("-0.0"), Decimal("1E-10")], [1000, 0, Decimal("0.0000000001")]),
                ({"张三😀": "'); DROP TABLE x; --\n\t\"\\"}, {"张三😀": "'); DROP TABLE x; --\n\t\"\\"}),
                ({"$ref": "#/a", "\u202e": "\u2028"}, {"\u202e": "\u2028", "$ref": "#/a"}),
            ),
            (
                ({"a": "\x00"}, "character"),
                ({"\x00": 1}, "character"),
                (["\ud800"], "character"),
                (Decimal("1E+400"), "digits"),
                (Decimal("1E-99999999"), "digits"),
                ([10**4000], "digits"),
                ("x" * (256 * 1024), "bytes"),
                ([[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]], "depth"),
            ),
        ),
        FieldSample(
            {
                "schema": {
                    "type": "object",
                    "properties": {
                        "width": {"type": "number", "minimum": Decimal("0.1"), "multipleOf": Decimal("0.1")},
                        "code": {"type": "string", "pattern": "^(a+)+$"},
                        "tags": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/tag"}},
                        "parts": {"type": "array", "items": {"$ref": "#"}},
                    },
                    "required": ["width"],
                    "additionalProperties": False,
                    "$defs": {"tag": {"type": ["string", "integer", "boolean"]}},
                }
            },
            (
                ({"width": Decimal("0.3")}, {"width": Decimal("0.3")}),
                ({"width": 5, "tags": [1, True, "1"]}, {"tags": [1, True, "1"], "width": 5}),
                ({"width": 1, "parts": [{"width": 2}]}, {"parts": [{"width": 2}], "width": 1}),
            ),
            (
                ({}, "schema"),
                ([], "schema"),
                ("width", "schema"),
                (True, "schema"),
                ({"width": Decimal("0.05")}, "schema"),
                ({"width": Decimal("0.35")}, "schema"),
                ({"width": True}, "schema"),
                ({"width": 1, "wdith": 2}, "schema"),
                ({"width": 1, "tags": [1, 1]}, "schema"),
                ({"width": 1, "tags": [None]}, "schema"),
                ({"width": 1, "code": "a" * 50_000 + "!"}, "schema"),
                ({"width": 1, "parts": [{"width": 0}]}, "schema"),
            ),
        ),
    )

    type: Literal["json"] = "json"
    json_schema: dict[str, JSON] | None = Option(default=None, alias="schema")
    """A JSON Schema (Draft 2020-12) that every value must meet. References stay inside it (``#``, ``#/$defs/…``); patterns are RE2."""

    @field_validator("json_schema")
    @classmethod
    def _check_schema(cls, schema: dict[str, JSON] | None) -> dict[str, JSON] | None:
        if schema is not None:
            from builder.fields.parts.schemas import check_schema

            check_schema(schema)
        return schema

    def column_type(self) -> StoredType:
        """A JSON value."""
        return Document()

    def coerce(self, value: JSON) -> JSON:
        """Take any JSON value within the bounds that meets the schema."""
        plain = _plain(value, 0)
        size = len(dump_json(plain))
        if size > JSON_FIELD_BYTES:
            message = say(
                f"JSON 最大 {JSON_FIELD_BYTES} 字节,现有 {size} 字节",
                f"At most {JSON_FIELD_BYTES} bytes of JSON, got {size}",
            )
            raise Invalid("bytes", message, maximum=JSON_FIELD_BYTES)
        if self._checked is not None:
            self._checked.check(plain)
        return plain

    @cached_property
    def _checked(self) -> Checked | None:
        if self.json_schema is None:
            return None
        from builder.fields.parts.schemas import Checked

        return Checked(self.json_schema)

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The stored value."""
        return sa.func.json(sa.type_coerce(column, sa.Text)) if dialect == "sqlite" else column

    def formula_type(self) -> formula_types.Type:
        """JSON; formulas only ask whether it is blank."""
        return formula_types.JSON

    def value_schema(self) -> dict[str, Any]:
        """The user's schema, or anything but null. With references only its first level: they point at a root this is no part of elsewhere."""
        if self.json_schema is None:
            return {"not": {"type": "null"}}
        from builder.fields.parts.schemas import has_references

        if not has_references(self.json_schema):
            return dict(self.json_schema)
        return {name: self.json_schema[name] for name in _FIRST_LEVEL if name in self.json_schema}

    def from_text(self, text: str) -> JSON:
        """Read JSON text."""
        try:
            return parse_json(text)
        except Problem as problem:
            raise Invalid("json", problem.detail) from None

    def to_text(self, value: Any) -> str:
        """JSON text."""
        return dump_json(value).decode()


def _plain(value: JSON, depth: int) -> JSON:
    """Return an equal value in its one form."""
    if depth > JSON_FIELD_DEPTH:
        message = say(f"JSON 嵌套超过 {JSON_FIELD_DEPTH} 层", f"JSON is nested deeper than {JSON_FIELD_DEPTH} levels")
        raise Invalid("depth", message, maximum=JSON_FIELD_DEPTH)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        refuse_control_characters(value, allowed=_TEXT_CONTROLS)
        return value
    if isinstance(value, int | Decimal):
        return _plain_number(Decimal(value))
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        for name in value:
            refuse_control_characters(name, allowed=_TEXT_CONTROLS)
        # jsonb keeps members in this order, so SQLite's text is put into it too
        names = sorted(value, key=lambda name: (len(encoded := name.encode()), encoded))
        return {name: _plain(value[name], depth + 1) for name in names}
    raise wrong_type(say("JSON 值", "a JSON value"))


def _plain_number(number: Decimal) -> int | Decimal:
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or max(len(digits), len(digits) + exponent, -exponent) > JSON_FIELD_NUMBER_DIGITS:
        message = say(
            f"JSON 中的数字最多 {JSON_FIELD_NUMBER_DIGITS} 位",
            f"A number in JSON has at most {JSON_FIELD_NUMBER_DIGITS} digits",
        )
        raise Invalid("digits", message, maximum=JSON_FIELD_NUMBER_DIGITS)
    plain = plain_decimal(number)
    return int(plain) if plain == plain.to_integral_value() else plain
