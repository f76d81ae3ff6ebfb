"""``decimal``: an exact number. Scaled INTEGER on SQLite, NUMERIC on PostgreSQL; never a binary float. Source: DESIGN 2.8, research/formulas 4."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal, Self

import sqlalchemy as sa
from pydantic import model_validator

from builder.fields.base import JSON, Field, FieldSample, Invalid, Option, wrong_type
from builder.kernel.limits import DECIMAL_DIGITS, EXACT_NUMBER_DIGITS
from builder.kernel.text import say
from builder.store.types import Scaled, StoredType
from formulas import types as formula_types


class ExactNumber(Field):
    """What decimal, money and percent share: digits, scale, bounds, exact JSON."""

    digits: Annotated[int, Option(ge=1, le=DECIMAL_DIGITS)] = EXACT_NUMBER_DIGITS
    """Digits in all. Above 15 the value travels as a JSON string, because a double cannot carry it."""
    scale: Annotated[int, Option(ge=0, le=10)] = 2
    """Digits after the point; further digits are rounded half up."""
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.scale > self.digits:
            raise ValueError("scale is larger than digits")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is larger than maximum")
        return self

    def column_type(self) -> StoredType:
        """Scaled integer or NUMERIC."""
        return Scaled(self.digits, self.scale)

    def coerce(self, value: JSON) -> Decimal:
        """Take a JSON number or a string of digits; round half up to the scale."""
        number = _read_number(value)
        if not number.is_finite() or number.adjusted() >= self.digits - self.scale + 1 and number != 0:
            raise self._too_large()
        number = number.quantize(Decimal(1).scaleb(-self.scale), ROUND_HALF_UP)
        if number.adjusted() >= self.digits - self.scale and number != 0:
            raise self._too_large()
        if self.minimum is not None and number < self.minimum:
            raise Invalid("minimum", say(f"不能小于 {self.minimum}", f"Must be at least {self.minimum}"), minimum=self.minimum)
        if self.maximum is not None and number > self.maximum:
            raise Invalid("maximum", say(f"不能大于 {self.maximum}", f"Must be at most {self.maximum}"), maximum=self.maximum)
        return number if number else abs(number)  # no minus zero

    def _too_large(self) -> Invalid:
        whole = self.digits - self.scale
        return Invalid("digits", say(f"整数部分最多 {whole} 位", f"At most {whole} digits before the point"), digits=whole)

    @property
    def as_string(self) -> bool:
        """Whether the value is a string in JSON."""
        return self.digits > EXACT_NUMBER_DIGITS

    def to_json(self, value: Any) -> JSON:
        """An exact JSON number, or a string beyond 15 digits."""
        return f"{value:f}" if self.as_string else value

    def to_text(self, value: Any) -> str:
        """Plain digits."""
        return f"{value:f}"

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """Digits with the point put back."""
        if dialect != "sqlite":
            return sa.cast(column, sa.Text) if self.as_string else column
        raw = sa.type_coerce(column, sa.Integer)
        if self.scale == 0:
            return sa.cast(raw, sa.Text) if self.as_string else raw
        power = sa.literal_column(str(10**self.scale))
        digits = sa.func.printf(
            sa.literal_column(f"'%s%d.%0{self.scale}d'"),
            sa.case((raw < sa.literal_column("0"), sa.literal_column("'-'")), else_=sa.literal_column("''")),
            sa.func.abs(raw) / power,
            sa.func.abs(raw) % power,
        )
        shown = digits if self.as_string else sa.func.json(digits)
        return sa.case((raw.is_not(None), shown))

    def formula_type(self) -> formula_types.Type:
        """Decimal with its scale."""
        return formula_types.decimal(self.scale)

    def value_schema(self) -> dict[str, Any]:
        """A number, or a string of digits."""
        if self.as_string:
            return {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}
        schema: dict[str, Any] = {"type": "number"}
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.maximum is not None:
            schema["maximum"] = self.maximum
        return schema


def _read_number(value: JSON) -> Decimal:
    if type(value) is bool or not isinstance(value, int | str | Decimal):
        raise wrong_type(say("数字", "a number"))
    if isinstance(value, str) and (len(value) > 60 or not value.isascii() or "_" in value):
        raise wrong_type(say("数字", "a number"))
    try:
        return Decimal(value)
    except InvalidOperation:
        raise wrong_type(say("数字", "a number")) from None


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
            ),
            ((-6, "minimum"), (1000001, "maximum"), (True, "type"), ("x", "type"), ("NaN", "digits"), ("1_0", "type"), (Decimal("1E+400"), "digits")),
        ),
        FieldSample({"digits": 18, "scale": 4}, (("12345678901234.5678", "12345678901234.5678"), (-1, "-1.0000")), ((10**14, "digits"),)),
    )

    type: Literal["decimal"] = "decimal"
