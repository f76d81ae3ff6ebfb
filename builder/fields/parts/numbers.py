"""Exact numbers: what decimal, money and percent share, and how people write numbers in cells. Source: DESIGN 2.8, research/formulas 4."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, ClassVar, Self

import sqlalchemy as sa
from pydantic import model_validator

from builder.fields.base import JSON, Field, Invalid, Option, wrong_option, wrong_type
from builder.kernel.limits import DECIMAL_DIGITS, EXACT_NUMBER_DIGITS
from builder.kernel.text import Text, say
from builder.store.types import Scaled, StoredType
from formulas import types as formula_types

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?\Z", re.ASCII)
_NUMBER_LENGTH = 60
_NO_UNIT = say("", "")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?\Z", re.ASCII)

_MOST_PLACES = 10
_PLACES = tuple(Decimal(1).scaleb(-scale) for scale in range(_MOST_PLACES + 1))
"""By scale: what a number is rounded to."""


class ExactNumber(Field):
    """What decimal, money and percent share: digits, scale, bounds, exact JSON."""

    cell_signs: ClassVar[tuple[str, ...]] = ("¥", "元")
    """Signs that may stand beside the number in a cell of text."""

    digits: Annotated[int, Option(ge=1, le=DECIMAL_DIGITS)] = EXACT_NUMBER_DIGITS
    """Digits in all. Above 15 the value travels as a JSON string, because a double cannot carry it."""
    scale: Annotated[int, Option(ge=0, le=_MOST_PLACES)] = 2
    """Digits after the point; further digits are rounded half up."""
    minimum: Decimal | None = None
    """The least value allowed."""
    maximum: Decimal | None = None
    """The greatest value allowed."""

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.scale > self.digits:
            raise wrong_option("scale 大于 digits", "scale is larger than digits")
        check_bounds(self.minimum, self.maximum)
        return self

    def column_type(self) -> StoredType:
        """Scaled integer or NUMERIC."""
        return Scaled(self.digits, self.scale)

    def coerce(self, value: JSON) -> Decimal | None:
        """Take a JSON number or a string of digits; round half up to the scale."""
        places = _PLACES[self.scale]
        if type(value) is Decimal and value.same_quantum(places):  # as it is stored: nothing to read, nothing to round
            number = value
        else:
            read = read_number(value)
            if read is None:
                return None
            if read.adjusted() > self.digits - self.scale and read != 0:
                raise self._too_large()  # before rounding, which would write all digits out
            number = read.quantize(places, ROUND_HALF_UP)
        if number.adjusted() >= self.digits - self.scale and number != 0:
            raise self._too_large()
        if self.minimum is not None or self.maximum is not None:
            check_range(number, self.minimum, self.maximum)
        return number if number else abs(number)  # no minus zero

    def _too_large(self) -> Invalid:
        whole = self.digits - self.scale
        return Invalid(
            "digits", say(f"整数部分最多 {whole} 位", f"At most {whole} digits before the point"), digits=whole
        )

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

    def from_text(self, text: str) -> JSON:
        """Read ``1,234.50``, ``¥1,234.50`` or ``15%`` (0.15)."""
        return number_of_cell(text, self.cell_signs)

    def json_sql(self, column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
        """Digits with the point put back."""
        if dialect != "sqlite":
            return sa.cast(column, sa.Text) if self.as_string else column
        raw = sa.type_coerce(column, sa.Integer)
        if self.scale == 0:
            return sa.cast(raw, sa.Text) if self.as_string else raw
        power: sa.ColumnElement[int] = sa.literal_column(str(10**self.scale))
        digits = sa.func.printf(
            sa.literal_column(f"'%s%d.%0{self.scale}d'"),
            sa.case((raw < sa.literal_column("0"), sa.literal_column("'-'")), else_=sa.literal_column("''")),
            sa.func.abs(raw).op("/")(power),  # SQLAlchemy's own / would divide as binary floats
            sa.func.abs(raw).op("%")(power),
        )
        shown = digits if self.as_string else sa.func.json(digits)
        return sa.case((raw.is_not(None), shown))

    def formula_type(self) -> formula_types.Type:
        """Decimal with its scale and digits."""
        return formula_types.decimal(self.scale, self.digits)

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


def read_number(value: JSON) -> Decimal | None:
    """Return the number that a JSON number or a string of digits is, not rounded; empty text is blank.

    Raises:
        Invalid: it is no number.
    """
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if len(value) > _NUMBER_LENGTH or not _NUMBER.match(value):
            raise wrong_type(say("数字", "a number"))
    if type(value) is bool or not isinstance(value, int | str | Decimal):
        raise wrong_type(say("数字", "a number"))
    number = Decimal(value)
    if not number.is_finite():
        raise wrong_type(say("数字", "a number"))
    return number


def check_bounds(minimum: Any, maximum: Any) -> None:
    """Refuse options that no value can meet."""
    if minimum is not None and maximum is not None and minimum > maximum:
        raise wrong_option("minimum 大于 maximum", "minimum is larger than maximum")


def check_range(value: Any, minimum: Any, maximum: Any, unit: Text = _NO_UNIT) -> None:
    """Refuse a value outside its bounds."""
    if minimum is not None and value < minimum:
        text = say(f"不能小于 {minimum}{unit.zh}", f"Must be at least {minimum}{unit.en}")
        raise Invalid("minimum", text, minimum=minimum)
    if maximum is not None and value > maximum:
        text = say(f"不能大于 {maximum}{unit.zh}", f"Must be at most {maximum}{unit.en}")
        raise Invalid("maximum", text, maximum=maximum)


def number_of_cell(text: str, signs: Iterable[str] = (), *, percent: bool = True) -> str:
    """Return the plain digits of a number as people write it: thousands separators, signs beside it, a per cent sign.

    A text that is no such number comes back as it is, for ``coerce`` to refuse.
    """
    bare = unicodedata.normalize("NFKC", text).strip()
    minus = "-" if bare.startswith("-") else ""
    bare = bare.removeprefix("-").strip()
    for sign in signs:
        bare = bare.removeprefix(sign).removesuffix(sign).strip()
    by_hundred = percent and bare.endswith("%")
    plain = minus + (bare[:-1].rstrip() if by_hundred else bare)
    if _GROUPED.match(plain):
        plain = plain.replace(",", "")
    if len(plain) > _NUMBER_LENGTH or not _NUMBER.match(plain):
        return text
    return _divide_by_hundred(plain) if by_hundred else plain


def _divide_by_hundred(plain: str) -> str:
    sign, digits, exponent = Decimal(plain).as_tuple()
    assert isinstance(exponent, int)  # the text matched _NUMBER, so it is finite
    return str(Decimal((sign, digits, exponent - 2)))  # a context would round to its precision
