"""``rating``: a number of stars. Source: DESIGN 5."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option
from builder.fields.parts.numbers import check_range, read_number
from builder.kernel.text import say
from builder.store.types import StoredType, Whole
from formulas import types as formula_types

_STARS = "★⭐"
_DIGITS = 15


class RatingField(Field):
    """Stars from 1 to a maximum; no stars is blank."""

    title = say("评分", "Rating")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            ((1, 1), (5, 5), (Decimal("4.0"), 4), ("3", 3), ("", None)),
            (
                (0, "minimum"),
                (6, "maximum"),
                (-1, "minimum"),
                (Decimal("3.5"), "integer"),
                (Decimal("1E+999999"), "maximum"),
                (True, "type"),
                ("five", "type"),
                ([5], "type"),
            ),
        ),
        FieldSample({"maximum": 10}, ((10, 10),), ((11, "maximum"),)),
    )

    type: Literal["rating"] = "rating"
    maximum: Annotated[int, Option(ge=2, le=10)] = 5
    """The most stars."""

    def column_type(self) -> StoredType:
        """64-bit integer."""
        return Whole()

    def coerce(self, value: JSON) -> int | None:
        """Take a whole number of stars."""
        read = read_number(value)
        if read is None:
            return None
        check_range(read, 1, self.maximum)
        if read != int(read):
            raise Invalid("integer", say("评分应是整数", "A rating is a whole number"))
        return int(read)

    def from_text(self, text: str) -> JSON:
        """Read digits or stars: ``4``, ``★★★★``."""
        bare = text.strip()
        stars = bare.rstrip("☆")
        return str(len(stars)) if stars and not stars.strip(_STARS) else bare

    def formula_type(self) -> formula_types.Type:
        """Integer."""
        return formula_types.integer(_DIGITS)

    def value_schema(self) -> dict[str, Any]:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": 1, "maximum": self.maximum}
