"""What formula, lookup and rollup share: a value that follows from others, kept and shown as the plain field of its type."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import sqlalchemy as sa
from pydantic import PrivateAttr

from builder.fields.base import JSON, Field, FormulaLength, Invalid
from builder.kernel.text import say
from builder.store.types import StoredType
from formulas.types import BLANK, Type

FormulaText = Annotated[str, FormulaLength]


class ComputedField(Field):
    """A field whose value the system computes.

    As parsed it knows only its formula; ``resolved`` gives it the shape that the compiler found. Without a shape it stores nothing.
    """

    assigned: ClassVar[bool] = True
    _shape: Field | None = PrivateAttr(None)
    _type: Type = PrivateAttr(BLANK)
    _volatile: bool = PrivateAttr(False)

    def expression(self) -> str:
        """Return the formula's text."""
        raise NotImplementedError(type(self).__name__)

    def origin(self, at: tuple[int, int]) -> tuple[str, int | None]:
        """The member that a place of ``expression`` was written in, and where it begins there; None if it begins before."""
        return "formula", at[0]

    @property
    def blanks_are_zero(self) -> bool:
        """Whether blank numbers count as 0 in ``+ - *``."""
        return True

    def resolved(self, shape: Field, kind: Type, *, volatile: bool) -> Self:
        """Return the field with the shape of its values."""
        made = self.model_copy()
        made._shape, made._type, made._volatile = shape, kind, volatile
        return made

    @property
    def volatile(self) -> bool:
        """Whether the value changes with time or with who looks; such a field has no column."""
        return self._volatile

    @property
    def stored(self) -> bool:
        """Whether it has a column; before it is compiled it is taken to have one."""
        return not self._volatile

    @property
    def shape(self) -> Field:
        """The plain field of the value."""
        shape: Field | None = (self.__pydantic_private__ or {}).get(
            "_shape"
        )  # asked for every value: not by pydantic's slow way
        assert shape is not None, f"{self.key} is not compiled"
        return shape

    def column_type(self) -> StoredType | None:
        """The column of the shape; none while volatile or not compiled."""
        return None if self._shape is None or self._volatile else self._shape.column_type()

    def coerce(self, value: JSON) -> Any:
        """A value as it was read is taken back by its shape; nobody else writes it."""
        if self._shape is None:
            raise Invalid("assigned", say("此值由系统计算", "The system computes this value"))
        return self._shape.coerce(value)

    def to_json(self, value: Any) -> JSON:
        """As the shape does."""
        return self.shape.to_json(value)

    def blank_json(self) -> JSON:
        """As the shape does."""
        return None if self._shape is None else self._shape.blank_json()

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """As the shape does."""
        return self.shape.json_sql(column, dialect)

    def formula_type(self) -> Type:
        """The type that the formula has."""
        return self._type

    def value_schema(self) -> dict[str, Any]:
        """As the shape does, and nobody may write it."""
        schema = {} if self._shape is None else self._shape.value_schema()
        return {**schema, "readOnly": True}

    def to_text(self, value: Any) -> str:
        """As the shape does."""
        return self.shape.to_text(value)
