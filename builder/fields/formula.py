"""``formula``: a value computed from the record and what it is related to. Source: DESIGN 6, research/formulas 5."""

from __future__ import annotations

from typing import Literal

from builder.fields.parts.computed import ComputedField, FormulaText
from builder.kernel.text import say


class FormulaField(ComputedField):
    """A formula such as ``budget * probability`` or ``SUM(payments.amount, status = "paid")``."""

    title = say("公式", "Formula")

    type: Literal["formula"] = "formula"
    formula: FormulaText
    """The formula; fields by key, by ``{label}``, or over relations as ``customer.level``."""
    blank_as_zero: bool = True
    """Blank numbers count as 0 in ``+ - *``; never in comparisons or averages."""

    def expression(self) -> str:
        """The formula as written."""
        return self.formula

    @property
    def blanks_are_zero(self) -> bool:
        """As the option says."""
        return self.blank_as_zero
