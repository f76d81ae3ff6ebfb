"""``reference``: a to-one relation to a record of an entity of the same app. Source: DESIGN 5."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample, Invalid, Key, Refers, wrong_type
from builder.kernel.ids import find_uuid
from builder.kernel.text import say
from builder.store.types import Identifier, StoredType
from formulas.types import Type, record


class ReferenceField(Field):
    """The id of another record; the database guards it with a foreign key."""

    title = say("关联", "Reference")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample({"entity": "other"}, (), ((5, "type"), ("no-uuid", "type"), ("00000000-0000-7000-8000-00000000dead", "reference"))),
    )

    type: Literal["reference"] = "reference"
    entity: Annotated[Key, Refers("entity")]
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


def coerce_id(value: JSON) -> str:
    """Return a canonical UUID from an id or from an object that has one."""
    if isinstance(value, dict):
        value = value.get("id")
    found = find_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise wrong_type(say("记录编号(UUID)", "a record id (UUID)"))
    return found


def unknown_target(identifier: str) -> Invalid:
    """The record that a field points to does not exist, or may not be seen."""
    return Invalid("reference", say(f"没有编号为 {identifier} 的记录", f"There is no record {identifier}"), id=identifier)
