"""``multi_select``: several of a list of options. Source: DESIGN 5."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

import sqlalchemy as sa
from pydantic import model_validator
from sqlalchemy.dialects import postgresql as pg

from builder.fields.base import JSON, FieldSample, Invalid, Option, wrong_type
from builder.fields.parts.choices import ChoiceField
from builder.fields.parts.numbers import check_bounds
from builder.kernel.limits import OPTIONS_PER_FIELD
from builder.kernel.text import say
from builder.store.types import KeySet, StoredType
from formulas import types as formula_types

_SEPARATORS = re.compile("[;；、|]")
_OPTIONS = [
    {"key": "price", "label": {"zh": "价格", "en": "Price"}},
    {"key": "quality", "label": "质量"},
    {"key": "service", "label": "服务;售后"},
    {"key": "B-2", "label": "其他", "hidden": True},
]


class MultiSelectField(ChoiceField):
    """The keys of several options, each once, in the options' own order. No option is blank, and blank is ``[]`` in JSON."""

    title = say("多选", "Multiple select")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"options": _OPTIONS},
            (
                (["quality", "price"], ["price", "quality"]),
                (["价格", "Price", "price"], ["price"]),
                (["B-2", "服务;售后"], ["service", "B-2"]),
                ([], []),
                (["", " "], []),
            ),
            (
                (["pricce"], "option"),
                (["price", "x'; DROP TABLE y; --"], "option"),
                (["\x00"], "option"),
                (["\ud800"], "option"),
                ("price", "type"),
                ([1], "type"),
                ([["price"]], "type"),
                ([None], "type"),
                ({"price": True}, "type"),
                (True, "type"),
            ),
        ),
        FieldSample(
            {"options": _OPTIONS, "min_count": 2, "max_count": 3},
            ((["price", "quality"], ["price", "quality"]), ([], [])),
            (
                (["price"], "min_count"),
                (["price", "price"], "min_count"),
                (["price", "quality", "service", "B-2"], "max_count"),
            ),
        ),
    )

    type: Literal["multi_select"] = "multi_select"
    min_count: Annotated[int, Option(ge=0, le=OPTIONS_PER_FIELD)] = 0
    """The least number of options of a value that is not blank."""
    max_count: Annotated[int, Option(ge=1, le=OPTIONS_PER_FIELD)] | None = None
    """The greatest number of options."""

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        check_bounds(self.min_count, self.max_count)
        return self

    def column_type(self) -> StoredType:
        """A JSON array of keys."""
        return KeySet()

    def coerce(self, value: JSON) -> tuple[str, ...] | None:
        """Take a list of keys or labels."""
        if not isinstance(value, list | tuple):
            raise wrong_type(say("选项的列表", "a list of options"))
        chosen = {key for item in value if (key := self.key_of(item)) is not None}
        if not chosen:
            return None
        if len(chosen) < self.min_count:
            raise Invalid(
                "min_count",
                say(f"至少选 {self.min_count} 项", f"Choose at least {self.min_count}"),
                min_count=self.min_count,
            )
        if self.max_count is not None and len(chosen) > self.max_count:
            raise Invalid(
                "max_count",
                say(f"最多选 {self.max_count} 项", f"Choose at most {self.max_count}"),
                max_count=self.max_count,
            )
        return tuple(sorted(chosen, key=self.position.__getitem__))

    def to_json(self, value: Any) -> JSON:
        """A list of keys."""
        return list(value)

    def blank_json(self) -> JSON:
        """The empty list."""
        return []

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The stored array; empty where there is none."""
        empty: sa.ColumnElement[str] = sa.literal_column("'[]'")
        if dialect == "sqlite":
            return sa.func.json(sa.func.coalesce(sa.type_coerce(column, sa.Text), empty))
        # jsonb writes a space behind a comma; keys have neither, so without it both databases give the same bytes
        compact = sa.func.replace(sa.cast(column, sa.Text), sa.literal_column("', '"), sa.literal_column("','"))
        return sa.cast(sa.func.coalesce(compact, empty), pg.JSON)

    def formula_type(self) -> formula_types.Type:
        """A set of options."""
        return formula_types.set_of(formula_types.option(self.option_keys, self.option_labels))

    def value_schema(self) -> dict[str, Any]:
        """A list of keys."""
        schema: dict[str, Any] = {
            "type": "array",
            "items": {"type": "string", "enum": list(self.option_keys)},
            "uniqueItems": True,
        }
        if self.min_count:
            schema["minItems"] = self.min_count
        if self.max_count is not None:
            schema["maxItems"] = self.max_count
        return schema

    def from_text(self, text: str) -> JSON:
        """Read keys or labels between ``;``, ``；``, ``、`` or ``|``; a label that contains one of these is found if it stands alone."""
        alone = self.find_key(text.strip())
        return [alone] if alone is not None else _SEPARATORS.split(text)

    def to_text(self, value: Any) -> str:
        """Keys with ``;`` between them."""
        return ";".join(value)
