"""``user``: a person who may sign in. Source: DESIGN 5."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample
from builder.fields.parts.ids import A_USER, coerce_id
from builder.kernel.text import say
from builder.store.types import Identifier, StoredType
from formulas.types import PERSON, Type


class UserField(Field):
    """The id of a user; the database guards it with a foreign key."""

    title = say("人员", "User")
    refers_to: ClassVar[str | None] = "user"
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                ("0193F7A0-1B2C-7D3E-8F40-112233445566", "0193f7a0-1b2c-7d3e-8f40-112233445566"),
                ({"id": "0193f7a0-1b2c-7d3e-8f40-112233445566"}, "0193f7a0-1b2c-7d3e-8f40-112233445566"),
            ),
            ((5, "type"), ("张三", "type"), ("me", "type"), ({"name": "x"}, "type"), ([], "type")),
        ),
    )

    type: Literal["user"] = "user"

    def column_type(self) -> StoredType:
        """A UUID."""
        return Identifier()

    def coerce(self, value: JSON) -> str:
        """Take an id, or an object with an ``id``."""
        return coerce_id(value, A_USER)

    def formula_type(self) -> Type:
        """A person."""
        return PERSON

    def value_schema(self) -> dict[str, Any]:
        """A UUID."""
        return {"type": "string", "format": "uuid"}
