"""``composite``: several simple values under one label, such as a date with a note. Source: DESIGN 5."""

from __future__ import annotations

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import sqlalchemy as sa
from pydantic import model_validator

from builder.fields.base import (
    JSON,
    Field,
    FieldSample,
    Invalid,
    Option,
    label_text,
    wrong_option,
    wrong_type,
)
from builder.fields.parts.nested import Part
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.limits import COMPOSITE_PARTS
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import say
from builder.store.types import Document, StoredType
from formulas import types as formula_types


class CompositeField(Field):
    """Parts that belong together, kept as one JSON object. A part that is blank is left out; without any part the value is blank."""

    title = say("组合", "Composite")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {
                "parts": [
                    {
                        "key": "promised_on",
                        "type": "date",
                        "label": {"zh": "承诺日期", "en": "Promised on"},
                        "required": True,
                    },
                    {"key": "note", "type": "text", "label": "说明", "max_length": 20},
                    {"key": "amount", "type": "money", "label": "金额"},
                    {"key": "level", "type": "select", "label": "级别", "options": [{"key": "a", "label": "甲"}]},
                    {"key": "sure", "type": "boolean", "label": "确定"},
                ]
            },
            (
                (
                    {"promised_on": "2026-11-22", "note": ' 尾款😀" ', "amount": "12.5", "level": "甲", "sure": False},
                    {
                        "note": '尾款😀"',
                        "sure": False,
                        "level": "a",
                        "amount": Decimal("12.50"),
                        "promised_on": "2026-11-22",
                    },
                ),
                ({"promised_on": "2026-11-22", "note": "", "amount": None}, {"promised_on": "2026-11-22"}),
                ({"note": " ", "promised_on": None}, None),
                ({}, None),
            ),
            (
                ({"note": "x"}, "required"),
                ({"promised_on": "2026-02-30"}, "date"),
                ({"promised_on": "2026-11-22", "note": "x" * 21}, "max_length"),
                ({"promised_on": "2026-11-22", "level": "b"}, "option"),
                ({"promised_on": "2026-11-22", "amount": "x"}, "type"),
                ({"promised_on": "2026-11-22", "nota": "x"}, "unknown"),
                ({"\ud800": 1}, "unknown"),
                ("2026-11-22", "type"),
                (["2026-11-22"], "type"),
                (True, "type"),
                (5, "type"),
            ),
        ),
    )

    type: Literal["composite"] = "composite"
    parts: Annotated[tuple[Part, ...], Option(min_length=1, max_length=COMPOSITE_PARTS)]
    """The parts in the order in which they are shown; each is a field document of a simple type."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        keys = [part.key for part in self.parts]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise wrong_option(f"两个组成部分的键都是“{twice}”", f'two parts have the key "{twice}"')
        return self

    @cached_property
    def _in_order(self) -> tuple[Field, ...]:
        # jsonb keeps members by length, then by bytes; SQLite's text is put into the same order
        return tuple(sorted(self.parts, key=lambda part: (len(part.key), part.key)))

    def column_type(self) -> StoredType:
        """A JSON object."""
        return Document()

    def coerce(self, value: JSON) -> dict[str, JSON] | None:
        """Take an object with the parts' values; each is checked as a field of its type."""
        if not isinstance(value, dict):
            raise wrong_type(say("各部分组成的对象", "an object of the parts"))
        known = {part.key for part in self.parts}
        for name in value:
            if name not in known:
                shown = str(name)[:60].encode("utf-8", "replace").decode()
                hint = nearest_hint(shown, known)
                message = say(f"没有部分“{shown}”{hint.zh}", f'There is no part "{shown}"{hint.en}')
                raise Invalid("unknown", message, name=shown).below(shown)
        found = {
            part.key: one for part in self._in_order if (one := _coerce_part(part, value.get(part.key))) is not None
        }
        if not found:
            return None
        for part in self.parts:
            if part.required and part.key not in found:
                label = label_text(part.label)
                message = say(f"请填写“{label.zh}”", f"{label.en} is required")
                raise Invalid("required", message, part=part.key).below(part.key)
        return found

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The stored object."""
        return sa.func.json(sa.type_coerce(column, sa.Text)) if dialect == "sqlite" else column

    def formula_type(self) -> formula_types.Type:
        """JSON; formulas only ask whether it is blank."""
        return formula_types.JSON

    def value_schema(self) -> dict[str, Any]:
        """An object of the parts."""
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {part.key: part.value_schema() | {"title": label_text(part.label).zh} for part in self.parts},
            "additionalProperties": False,
        }
        required = [part.key for part in self.parts if part.required]
        return {**schema, "required": required} if required else schema

    def from_text(self, text: str) -> JSON:
        """Read a JSON object."""
        try:
            return parse_json(text)
        except Problem as problem:
            raise Invalid("json", problem.detail) from None

    def to_text(self, value: Any) -> str:
        """A JSON object."""
        return dump_json(value).decode()


def _coerce_part(part: Field, given: JSON) -> JSON:
    if given is None:
        return None
    try:
        value = part.coerce(given)
    except Invalid as invalid:
        label = label_text(part.label)
        message = say(f"{label.zh}:{invalid.message.zh}", f"{label.en}: {invalid.message.en}")
        raise Invalid(invalid.code, message, **{**invalid.params, "part": part.key}).below(part.key) from None
    return None if value is None else part.to_json(value)
