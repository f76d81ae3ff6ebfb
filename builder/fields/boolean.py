"""``boolean``: yes or no. Source: DESIGN 5."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import sqlalchemy as sa

from builder.fields.base import JSON, Field, FieldSample, wrong_type
from builder.kernel.text import say
from builder.store.types import StoredType, YesNo
from formulas.types import BOOLEAN, Type

_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "1", "是"), True),
    **dict.fromkeys(("false", "no", "n", "0", "否"), False),
}


class BooleanField(Field):
    """Yes, no, or blank. Give a default of false where blank should not occur."""

    title = say("是/否", "Boolean")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            ((True, True), (False, False)),
            ((1, "type"), (0, "type"), ("true", "type"), ("", "type"), ([True], "type"), ({}, "type")),
        ),
    )

    type: Literal["boolean"] = "boolean"

    def column_type(self) -> StoredType:
        """Boolean."""
        return YesNo()

    def coerce(self, value: JSON) -> bool:
        """Take true or false; words and numbers are for cells of text only."""
        if type(value) is not bool:
            raise wrong_type(say("true 或 false", "true or false"))
        return value

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """True or false, not SQLite's 1 or 0."""
        if dialect != "sqlite":
            return column
        raw = sa.type_coerce(column, sa.Integer)
        word = sa.case((raw == sa.literal_column("1"), sa.literal_column("'true'")), else_=sa.literal_column("'false'"))
        return sa.case((raw.is_not(None), sa.func.json(word)))

    def formula_type(self) -> Type:
        """Boolean."""
        return BOOLEAN

    def value_schema(self) -> dict[str, Any]:
        """True or false."""
        return {"type": "boolean"}

    def from_text(self, text: str) -> JSON:
        """Read 是, 否, true, false, yes, no, y, n, 1, 0."""
        return _WORDS.get(text.strip().lower(), text)

    def to_text(self, value: Any) -> str:
        """True or false in lower case."""
        return "true" if value else "false"
