"""``percent``: a share as an exact number; 0.15 is 15 %, as in a spreadsheet. Source: DESIGN 5."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from builder.fields.base import FieldSample, Option
from builder.fields.parts.numbers import ExactNumber
from builder.kernel.text import say


class PercentField(ExactNumber):
    """A share. The value is the fraction: 0.15 is shown as 15 %."""

    title = say("百分比", "Percent")
    cell_signs: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"minimum": 0, "maximum": 1},
            (
                (Decimal("0.15"), Decimal("0.1500")),
                (1, Decimal("1.0000")),
                ("0.12345", Decimal("0.1235")),
                (Decimal("0.00005"), Decimal("0.0001")),
            ),
            ((15, "maximum"), (Decimal("-0.01"), "minimum"), ("15%", "type"), ({"value": 1}, "type")),
        ),
    )

    type: Literal["percent"] = "percent"
    scale: Annotated[int, Option(ge=0, le=10)] = 4
    """Digits after the point of the fraction: 4 keeps 12.34 %. Further digits are rounded half up."""
