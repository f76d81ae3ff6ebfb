"""What every value looks like as text, the same in each back end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from formulas.errors import CellError, Kind, Message
from formulas.literals import format_instant
from formulas.numbers import number_text

TEXT_LIMIT = 32_767
LIST_LIMIT = 10_000


class Failure(Exception):
    """Raised inside a function; becomes the error value of the cell."""

    def __init__(self, error: CellError) -> None:
        super().__init__(error.kind)
        self.error = error


def _cell(kind: Kind, zh: str, en: str) -> CellError:
    return CellError(kind, Message(zh, en))


DIV0 = _cell("DIV0", "除数为零", "division by zero")
NUM = _cell("NUM", "数值超出函数的定义域", "the number is outside what the function is defined for")
TOO_LARGE = _cell("NUM", "数值过大", "the number is too large")
VALUE = _cell("VALUE", "值无法按要求转换", "the value cannot be read as asked")
NOT_FOUND = _cell("VALUE", "未找到文本", "the text was not found")
BAD_DATE = _cell("NUM", "日期超出 0001 至 9999 年", "the date is outside the years 1 to 9999")
NA = _cell("NA", "没有匹配的值", "no value matches")
TOO_LONG = _cell("LIMIT", "结果过长", "the result is too long")
TOO_MUCH = _cell("LIMIT", "计算量超出限制", "too much to compute")


def display(value: Any) -> str:
    """The default text of a value: what `&` joins. A blank is the empty text."""
    if isinstance(value, tuple):
        return ", ".join(display(item) for item in value)
    return _DISPLAY[value.__class__](value)


def duration_text(value: timedelta) -> str:
    """`49:30:00`, hours beyond a day included."""
    total = int(value.total_seconds())
    sign, total = ("-", -total) if total < 0 else ("", total)
    return f"{sign}{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}"


_DISPLAY: dict[type, Callable[[Any], str]] = {
    str: str,
    type(None): lambda _: "",
    bool: lambda value: "TRUE" if value else "FALSE",
    int: number_text,
    Decimal: number_text,
    datetime: format_instant,
    date: date.isoformat,
    time: lambda value: value.isoformat("seconds"),
    timedelta: duration_text,
}


def blank_to_none(value: Any) -> Any:
    """An empty text is a blank."""
    return None if value == "" else value
