"""Who did something: what created_by and updated_by share."""

from __future__ import annotations

from typing import Any, ClassVar

from builder.fields.base import JSON, Field
from builder.fields.parts.texts import check_length, clean_line
from formulas.types import PERSON, Type

_LENGTH = 200


class DoerField(Field):
    """A user's id, or the name of what else may act, such as ``system``. It shows a system field and has no column."""

    assigned: ClassVar[bool] = True

    def column_type(self) -> None:
        """No column: the system field has one."""
        return

    def coerce(self, value: JSON) -> str | None:
        """Take an id or a name."""
        text = clean_line(value)
        check_length(text or "", 0, _LENGTH)
        return text

    def formula_type(self) -> Type:
        """A person."""
        return PERSON

    def value_schema(self) -> dict[str, Any]:
        """A user's id, or ``system``."""
        return {"type": "string", "maxLength": _LENGTH}
