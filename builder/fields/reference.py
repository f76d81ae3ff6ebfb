"""``reference``: a to-one relation to a record of an entity of the same app. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample, Invalid, Key, Refers
from builder.fields.parts.ids import coerce_id
from builder.kernel.text import say
from builder.store.types import Identifier, StoredType
from formulas.types import Type, record


class ReferenceField(Field):
    """The id of another record; the database guards it with a foreign key."""

    title = say("关联", "Reference")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"entity": "other"},
            (
                ("0193F7A0-1B2C-7D3E-8F40-112233445566", "0193f7a0-1b2c-7d3e-8f40-112233445566"),
                ({"id": "0193f7a0-1b2c-7d3e-8f40-112233445566", "name": "A"}, "0193f7a0-1b2c-7d3e-8f40-112233445566"),
            ),
            (
                (5, "type"),
                ("no-uuid", "type"),
                ("{0193f7a0-1b2c-7d3e-8f40-1122334455}", "type"),
                ({}, "type"),
                ({"id": 5}, "type"),
                ([], "type"),
            ),
        ),
    )

    type: Literal["reference"] = "reference"
    entity: Annotated[Key, Refers("entity")]
    """The entity whose records this field points to."""
    on_delete: Literal["restrict", "cascade", "set_null"] = "restrict"
    """What a deletion of the target does: refuse it, delete this record too, or blank this field."""

    def column_type(self) -> StoredType:
        """A UUID."""
        return Identifier()

    def coerce(self, value: JSON) -> str:
        """Take an id, or an object with an ``id`` (as an expanded answer gives it)."""
        return coerce_id(value)

    def formula_type(self) -> Type:
        """A record of the target entity."""
        return record(self.entity)

    def value_schema(self) -> dict[str, Any]:
        """A UUID."""
        return {"type": "string", "format": "uuid"}


def unknown_target(identifier: str) -> Invalid:
    """The record that a field points to does not exist, or may not be seen."""
    return Invalid(
        "reference", say(f"没有编号为 {identifier} 的记录", f"There is no record {identifier}"), id=identifier
    )
