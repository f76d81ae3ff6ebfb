"""Fields that hold several different texts as one JSON array: tags, ids."""

from __future__ import annotations

from typing import Annotated, Any, Self

import sqlalchemy as sa
from pydantic import model_validator
from sqlalchemy.dialects import postgresql as pg

from builder.fields.base import JSON, Field, Invalid, Option
from builder.fields.parts.numbers import check_bounds
from builder.kernel.limits import SET_MEMBERS
from builder.kernel.text import say
from builder.store.types import KeySet, StoredType


class SetField(Field):
    """What sets share. No member is blank, and blank is ``[]`` in JSON."""

    min_count: Annotated[int, Option(ge=0, le=SET_MEMBERS)] = 0
    """The least number of members of a value that is not blank."""
    max_count: Annotated[int, Option(ge=1, le=SET_MEMBERS)] = 20
    """The greatest number of members."""

    @model_validator(mode="after")
    def _check_counts(self) -> Self:
        check_bounds(self.min_count, self.max_count)
        return self

    def column_type(self) -> StoredType:
        """A JSON array."""
        return KeySet()

    def check_count(self, members: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the members if there are neither too few nor too many; None if there are none."""
        if not members:
            return None
        if len(members) < self.min_count:
            message = say(f"至少 {self.min_count} 项", f"At least {self.min_count} are needed")
            raise Invalid("min_count", message, min_count=self.min_count)
        if len(members) > self.max_count:
            message = say(f"最多 {self.max_count} 项", f"At most {self.max_count} are allowed")
            raise Invalid("max_count", message, max_count=self.max_count)
        return members

    def to_json(self, value: Any) -> JSON:
        """A list."""
        return list(value)

    def blank_json(self) -> JSON:
        """The empty list."""
        return []

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """The stored array; empty where there is none."""
        empty: sa.ColumnElement[str] = sa.literal_column("'[]'")
        if dialect == "sqlite":
            return sa.func.json(sa.func.coalesce(sa.type_coerce(column, sa.Text), empty))
        # jsonb writes a space behind a comma; quote, comma, space, quote stands only between members, because a quote inside of one
        # is escaped and none begins or ends with a space
        between: sa.ColumnElement[str] = sa.literal_column("""'", "'""")
        compact: sa.ColumnElement[str] = sa.literal_column("""'","'""")
        joined = sa.func.replace(sa.cast(column, sa.Text), between, compact)
        return sa.cast(sa.func.coalesce(joined, empty), pg.JSON)

    def array_schema(self, items: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a list of such items."""
        schema: dict[str, Any] = {"type": "array", "items": items, "uniqueItems": True, "maxItems": self.max_count}
        if self.min_count:
            schema["minItems"] = self.min_count
        return schema
