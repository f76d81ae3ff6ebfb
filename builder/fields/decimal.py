"""``decimal``: an exact number. Scaled INTEGER on SQLite, NUMERIC on PostgreSQL; never a binary float. Source: DESIGN 2.8, research/formulas 4."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal

from builder.fields.base import FieldSample
from builder.fields.parts.numbers import ExactNumber
from builder.kernel.text import say


class DecimalField(ExactNumber):
    """An exact number with fixed digits after the point."""

    title = say("小数", "Decimal")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {"minimum": -5, "maximum": 1000000},
            (
                (Decimal("12.5"), Decimal("12.50")),
                (0, Decimal("0.00")),
                ("-0.004", Decimal("0.00")),
                (Decimal("2.675"), Decimal("2.68")),
                (Decimal("-2.675"), Decimal("-2.68")),
                (Decimal("-0.05"), Decimal("-0.05")),
                (" 1e3 ", Decimal("1000.00")),
                (Decimal("1E-400"), Decimal("0.00")),
                ("", None),
            ),
            (
                (-6, "minimum"),
                (1000001, "maximum"),
                (True, "type"),
                ("x", "type"),
                ("NaN", "type"),
                ("Infinity", "type"),
                ("1_0", "type"),
                ("１２", "type"),
                ("1,000", "type"),
                ("1" * 61, "type"),
                ([1], "type"),
                ({}, "type"),
                (Decimal("1E+400"), "digits"),
                (10**4000, "digits"),
            ),
        ),
        FieldSample(
            {"digits": 18, "scale": 4},
            (
                ("12345678901234.5678", "12345678901234.5678"),
                ("-99999999999999.9999", "-99999999999999.9999"),
                (-1, "-1.0000"),
            ),
            ((10**14, "digits"), ("99999999999999.99995", "digits")),
        ),
        FieldSample(
            {"scale": 0},
            ((999999999999999, 999999999999999), (-(10**15) + 1, -(10**15) + 1), (Decimal("0.5"), 1)),
            ((10**15, "digits"),),
        ),
        FieldSample({"digits": 18, "scale": 0}, ((10**18 - 1, "999999999999999999"), (0, "0")), ((10**18, "digits"),)),
        FieldSample({"digits": 15, "scale": 10}, ((Decimal("0.0000000001"), Decimal("0.0000000001")), (0, 0))),
    )

    type: Literal["decimal"] = "decimal"
