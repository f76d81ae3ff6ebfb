"""``integer``: a whole number that JavaScript can carry exactly. Source: DESIGN 5, decision 0001 (JSON numbers)."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option
from builder.fields.parts.numbers import check_bounds, check_range, number_of_cell, read_number
from builder.kernel.limits import SAFE_INTEGER
from builder.kernel.text import say
from builder.store.types import StoredType, Whole
from formulas import types as formula_types

_SAFE_DIGITS = len(str(SAFE_INTEGER))


class IntegerField(Field):
    """A whole number. 5.0 and "5" are taken as 5; a fraction is refused, never rounded."""

    title = say("整数", "Integer")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                (0, 0),
                (-7, -7),
                (Decimal("5.0"), 5),
                (Decimal("5E+2"), 500),
                ("42", 42),
                (" -42 ", -42),
                ("", None),
                (SAFE_INTEGER, SAFE_INTEGER),
                (-SAFE_INTEGER, -SAFE_INTEGER),
            ),
            (
                (Decimal("5.5"), "integer"),
                ("5.5", "integer"),
                (Decimal("1E-999999"), "integer"),
                (SAFE_INTEGER + 1, "digits"),
                (-(10**400), "digits"),
                (Decimal("1E+999999"), "digits"),
                (True, "type"),
                ("five", "type"),
                ("0x10", "type"),
                ("٣", "type"),
                ([], "type"),
            ),
        ),
        FieldSample({"minimum": 1, "maximum": 5}, ((1, 1), (5, 5)), ((0, "minimum"), (6, "maximum"))),
    )

    type: Literal["integer"] = "integer"
    minimum: Annotated[int, Option(ge=-SAFE_INTEGER, le=SAFE_INTEGER)] | None = None
    """The least value allowed."""
    maximum: Annotated[int, Option(ge=-SAFE_INTEGER, le=SAFE_INTEGER)] | None = None
    """The greatest value allowed."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        check_bounds(self.minimum, self.maximum)
        return self

    def column_type(self) -> StoredType:
        """64-bit integer."""
        return Whole()

    def coerce(self, value: JSON) -> int | None:
        """Take a JSON number without a fraction, or a string of digits."""
        read = value if type(value) is int else read_number(value)
        if read is None:
            return None
        if not -SAFE_INTEGER <= read <= SAFE_INTEGER:
            message = say(f"整数不能超过 ±{SAFE_INTEGER}", f"An integer must lie within ±{SAFE_INTEGER}")
            raise Invalid("digits", message, maximum=SAFE_INTEGER)
        number = int(read)
        if number != read:
            raise Invalid("integer", say("这里应是整数,不能有小数", "Expected a whole number without a fraction"))
        check_range(number, self.minimum, self.maximum)
        return number

    def from_text(self, text: str) -> JSON:
        """Read ``1,234``."""
        return number_of_cell(text, ("¥", "元"), percent=False)

    def formula_type(self) -> formula_types.Type:
        """Integer."""
        return formula_types.integer(_SAFE_DIGITS)

    def value_schema(self) -> dict[str, Any]:
        """An integer with its bounds."""
        least = -SAFE_INTEGER if self.minimum is None else self.minimum
        most = SAFE_INTEGER if self.maximum is None else self.maximum
        return {"type": "integer", "minimum": least, "maximum": most}
