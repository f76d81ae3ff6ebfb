"""Texts to values and values to texts, JSON and number bases."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from formulas.errors import CellError
from formulas.functions.dates import local
from formulas.functions.declare import Family
from formulas.functions.formats import FormatError, format_moment, format_number, in_text_section
from formulas.functions.powers import WHOLE
from formulas.numbers import Number, is_bounded, round_to
from formulas.schema import Context
from formulas.types import BOOLEAN, TEXT, decimal
from formulas.values import NUM, TEXT_LIMIT, TOO_LARGE, VALUE, display

CONVERSION = Family("conversion")
PARSED = decimal(20, 120)
_SPACES = " \t\u00a0\u3000"
#: Wide signs as an input method leaves them, and what they are read as.
_WIDE = str.maketrans("０１２３４５６７８９．，％＋－（）＄", "0123456789.,%+-()$")
_CURRENCY = re.compile(r"^([+-]?)\s*[$¥￥€£]\s*", re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:\d{1,100}(?:\.\d{0,20})?|\.\d{1,20}|\d{1,20}(?:\.\d{0,20})?[eE][+-]?[0-7]?\d)\Z", re.ASCII
)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){1,30}(?:\.\d{0,20})?\Z", re.ASCII)


def read_number(text: str) -> Decimal | CellError:
    """Plain digits, wide ones too, with an optional sign, point, thousands commas, exponent, currency and percent sign; (5) is -5."""
    plain = text.translate(_WIDE).strip(_SPACES)
    if plain.startswith("(") and plain.endswith(")") and plain[1:2] not in ("-", "+", ""):
        plain = "-" + plain[1:-1]
    percent = plain.endswith("%")
    plain = _CURRENCY.sub(r"\1", plain.removesuffix("%").rstrip(_SPACES))
    if "," in plain and _GROUPED.match(plain):
        plain = plain.replace(",", "")
    if not _NUMBER.match(plain):
        return VALUE
    return round_to(Decimal(plain).scaleb(-2) if percent else Decimal(plain), 20)


@CONVERSION.add(
    "VALUE",
    "t",
    PARSED,
    "转数字：文本转数字",
    "A text as a number.",
    ('VALUE("1,000.50")', 1000.5),
    ('VALUE("15%")', 0.15),
    ('VALUE("$1,000")', 1000),
    ('VALUE("１２％")', 0.12),
    ('VALUE("1.5e3")', 1500),
    ('VALUE("12abc")', "#VALUE"),
    fails=True,
    core=True,
)
def _value(text: str) -> Decimal | CellError:
    return read_number(text)


@CONVERSION.add(
    "NUMBERVALUE",
    "t, t?, t?",
    PARSED,
    "按分隔符转数字：指定小数点与千位分隔符",
    "A text as a number, with given decimal and group separators.",
    ('NUMBERVALUE("2.500,27", ",", ".")', 2500.27),
    ('NUMBERVALUE("3.5%")', 0.035),
    fails=True,
)
def _numbervalue(text: str, point: str = ".", group: str = ",") -> Decimal | CellError:
    point = point[:1]
    if not point or point == group[:1]:
        return VALUE
    plain = text.replace(" ", "")
    if not plain:
        return Decimal(0)
    digits = plain.rstrip("%")
    percents = len(plain) - len(digits)
    head, found, tail = digits.partition(point)
    number = read_number((head.replace(group[:1], "") if group else head) + ("." if found else "") + tail)
    if isinstance(number, CellError) or percents > 10:
        return VALUE
    return round_to(number.scaleb(-2 * percents), 20)


@CONVERSION.add(
    "TOBOOL",
    "t",
    BOOLEAN,
    "转是否：是/否、true/false、1/0",
    "A text as true or false.",
    ('TOBOOL("是")', True),
    ('TOBOOL("no")', False),
    ('TOBOOL("x")', "#VALUE"),
    fails=True,
)
def _tobool(text: str) -> bool | CellError:
    word = text.strip().lower()
    if word in ("true", "yes", "1", "y", "是", "真", "对"):
        return True
    return False if word in ("false", "no", "0", "n", "否", "假", "错") else VALUE


@CONVERSION.add(
    "N",
    "A",
    decimal(20, 328),
    "转为数：数字原样，是为 1，其余为 0",
    "A number as it is, true as 1, anything else as 0.",
    ("N(7)", 7),
    ("N(TRUE)", 1),
    ('N("a")', 0),
    nulls="N",
)
def _n(value: Any) -> Number:
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | Decimal) else 0


# --- formats ----------------------------------------------------------------------------------------------------------


@CONVERSION.add(
    "TEXT",
    "A, t!",
    TEXT,
    "格式化：按格式写成文本，如 0.00、#,##0、0%、yyyy-mm-dd",
    "A value in a format such as 0.00, #,##0, 0% or yyyy-mm-dd.",
    ('TEXT(1234.567, "#,##0.00")', "1,234.57"),
    ('TEXT(0.285, "0.0%")', "28.5%"),
    ('TEXT(DATE(2024,2,9), "yyyy年m月d日")', "2024年2月9日"),
    ('TEXT(7, "000")', "007"),
    ('TEXT(-1234.5, "¥#,##0")', "-¥1,235"),
    ('TEXT(1234567.89, "#,##0.0,")', "1,234.6"),
    ('TEXT(12200000, "0.00E+00")', "1.22E+07"),
    ('TEXT(-5, "0.0;(0.0)")', "(5.0)"),
    ('TEXT(DATE(2012,3,14), "dddd, d mmm yyyy")', "Wednesday, 14 Mar 2012"),
    ('TEXT(DATE(2012,3,14), "aaaa")', "星期三"),
    needs_context=True,
    fails=True,
    core=True,
)
def _text(context: Context, value: Any, pattern: str) -> str | CellError:
    if len(pattern) > 200:
        return VALUE
    try:
        return _formatted(context, value, pattern)
    except FormatError:
        return VALUE


def _formatted(context: Context, value: Any, pattern: str) -> str | CellError:
    if isinstance(value, bool | str):
        return in_text_section(display(value), pattern) if isinstance(value, str) else display(value)
    if isinstance(value, int | Decimal):
        return format_number(value, pattern)
    if isinstance(value, date | time):
        return format_moment(local(context, value) if isinstance(value, date) else value, pattern)
    if isinstance(value, timedelta) and value >= timedelta(0):
        return format_moment(_MIDNIGHT + value, pattern, elapsed=int(value.total_seconds()))
    return VALUE


_MIDNIGHT = datetime(1, 1, 1)  # noqa: DTZ001 - a duration has no zone


@CONVERSION.add(
    "FIXED",
    "n, i?, b?",
    TEXT,
    "固定小数：四舍五入并写成文本，默认两位并加千位逗号",
    "A number as text with fixed places and group commas, unless the third argument is true.",
    ("FIXED(1234.567, 1)", "1,234.6"),
    ("FIXED(44.332)", "44.33"),
    ("FIXED(1234.567, -1, TRUE)", "1230"),
    fails=True,
)
def _fixed(value: Number, places: int = 2, plain: bool = False) -> str | CellError:
    if not -MAX_PLACES <= places <= MAX_PLACES:
        return VALUE
    rounded = round_to(value, places)
    return f"{rounded if rounded else abs(rounded):{'' if plain else ','}.{max(places, 0)}f}"


MAX_PLACES = 100
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@CONVERSION.add(
    "BASE",
    "i, i, i?",
    TEXT,
    "进制：数字写成某进制，可指定最短长度",
    "A whole number in a base from 2 to 36.",
    ("BASE(255, 16)", "FF"),
    ("BASE(7, 2, 8)", "00000111"),
    ("BASE(1, 1)", "#NUM"),
    fails=True,
)
def _base(value: int, radix: int, length: int = 0) -> str | CellError:
    if not 2 <= radix <= 36 or not 0 <= value < 10**18 or not 0 <= length <= TEXT_LIMIT:
        return NUM
    digits = ""
    while value:
        value, rest = divmod(value, radix)
        digits = _DIGITS[rest] + digits
    return (digits or "0").rjust(length, "0")


@CONVERSION.add(
    "DECIMAL",
    "t, i",
    WHOLE,
    "转十进制：某进制的文本转数字",
    "A text in a base as a number.",
    ('DECIMAL("FF", 16)', 255),
    ('DECIMAL("zz", 10)', "#NUM"),
    fails=True,
)
def _decimal(text: str, radix: int) -> int | CellError:
    word = text.strip().upper()
    if not 2 <= radix <= 36 or not word or len(word) > 255 or set(word) - set(_DIGITS[:radix]):
        return NUM
    value = int(word, radix)
    return value if is_bounded(value) else TOO_LARGE


_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d{1,6})\]")


@CONVERSION.add(
    "JSONGET",
    "j, t!",
    TEXT,
    "取JSON：按路径取 JSON 中的值，如 a.b[0]",
    "A value inside JSON by a path such as a.b[0], as text; blank if it is not there.",
    ('JSONGET("{""a"":[1,2]}", "a[1]")', "2"),
    ('JSONGET("{", "a")', "#VALUE"),
    portable=False,
    fails=True,
    gives_blank=True,
)
def _jsonget(document: Any, path: str) -> str | CellError | None:
    try:
        found = msgspec.json.decode(document, strict=True) if isinstance(document, str) else document
    except (msgspec.DecodeError, RecursionError):
        return VALUE
    steps = _STEP.findall(path.removeprefix("$"))
    for key, place in steps:
        if key and isinstance(found, dict):
            found = found.get(key)
        elif place and isinstance(found, list) and int(place) < len(found):
            found = found[int(place)]
        else:
            return None
    if found is None or isinstance(found, str):
        return found
    return msgspec.json.encode(found).decode()
