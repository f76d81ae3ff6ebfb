"""``department``: a part of the organisation. Source: DESIGN 5."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample
from builder.fields.parts.ids import A_DEPARTMENT, coerce_id
from builder.kernel.text import say
from builder.store.types import Identifier, StoredType
from formulas.types import DEPARTMENT, Type


class DepartmentField(Field):
    """The id of a department; the database guards it with a foreign key."""

    title = say("部门", "Department")
    refers_to: ClassVar[str | None] = "department"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("0193f7a0-1b2c-7d3e-8f40-112233445566", "0193f7a0-1b2c-7d3e-8f40-112233445566"),
                ({"id": "0193f7a0-1b2c-7d3e-8f40-112233445566"}, "0193f7a0-1b2c-7d3e-8f40-112233445566"),
            ),
            ((True, "type"), ("华东区", "type"), ({"id": None}, "type"), ([], "type")),
        ),
    )

    type: Literal["department"] = "department"

    def column_type(self) -> StoredType:
        """A UUID."""
        return Identifier()

    def coerce(self, value: JSON) -> str:
        """Take an id, or an object with an ``id``."""
        return coerce_id(value, A_DEPARTMENT)

    def formula_type(self) -> Type:
        """A department."""
        return DEPARTMENT

    def value_schema(self) -> dict[str, Any]:
        """A UUID."""
        return {"type": "string", "format": "uuid"}
