"""``money``: an exact amount in one currency (ISO 4217). Source: DESIGN 2.8."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from builder.fields.base import JSON, FieldSample
from builder.fields.parts.numbers import ExactNumber, number_of_cell
from builder.kernel.text import say

# A sign of another currency is refused, not dropped: $5 must never become ¥5.
_SIGNS: Mapping[str, tuple[str, ...]] = {
    "CNY": ("¥", "元", "RMB"),
    "JPY": ("¥", "円"),
    "USD": ("US$", "$"),
    "HKD": ("HK$",),
    "TWD": ("NT$",),
    "EUR": ("€",),
    "GBP": ("£",),
}


class MoneyField(ExactNumber):
    """An exact amount of money, rounded half up."""

    title = say("金额", "Money")
    samples: ClassVar[tuple[FieldSample, ...]] = (
        FieldSample(
            {},
            (
                (1234, Decimal("1234.00")),
                (Decimal("0.005"), Decimal("0.01")),
                ("-1.005", Decimal("-1.01")),
                (Decimal("9999999999999.99"), Decimal("9999999999999.99")),
            ),
            (
                ("¥5", "type"),
                (False, "type"),
                (Decimal("9999999999999.995"), "digits"),
                (10**13, "digits"),
                ("1; DROP TABLE x", "type"),
            ),
        ),
        FieldSample({"currency": "JPY", "scale": 0, "minimum": 0}, ((5, 5), (Decimal("4.5"), 5)), ((-1, "minimum"),)),
    )

    type: Literal["money"] = "money"
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")] = "CNY"
    """The currency's ISO 4217 code. A label: amounts of different currencies are never converted."""

    def from_text(self, text: str) -> JSON:
        """Read ``¥1,234.50`` with the signs of the own currency."""
        return number_of_cell(text, (self.currency, *_SIGNS.get(self.currency, ())))
