"""Texts to values and values to texts, JSON and number bases."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from formulas.errors import CellError
from formulas.functions.dates import local
from formulas.functions.declare import Family
from formulas.functions.powers import WHOLE
from formulas.numbers import Number, is_bounded, number_text, round_to
from formulas.schema import Context
from formulas.types import BOOLEAN, TEXT, decimal
from formulas.values import NUM, TEXT_LIMIT, TOO_LARGE, VALUE, display

CONVERSION = Family("conversion")
PARSED = decimal(20, 120)
_NUMBER = re.compile(r"[+-]?(?:\d{1,100}(?:\.\d{0,20})?|\.\d{1,20})\Z", re.ASCII)


def read_number(text: str) -> Decimal | CellError:
    """Plain digits with an optional sign, point, thousands commas and percent sign."""
    plain = text.strip(" \t\u00a0\u3000")
    percent = plain.endswith("%")
    plain = plain.removesuffix("%").rstrip(" \t\u00a0\u3000")
    if "," in plain and re.fullmatch(r"[+-]?\d{1,3}(?:,\d{3}){1,30}(?:\.\d{0,20})?", plain, re.ASCII):
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
    if len(point) != 1 or point == group:
        return VALUE
    head, found, tail = text.replace(" ", "").partition(point)
    return read_number((head.replace(group, "") if group else head) + ("." if found else "") + tail)


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

_DATE_PART = re.compile(r"yyyy|yy|mm|m|dddd|dd|d|hh|h|ss|s|\"[^\"]*\"|.", re.S | re.I)
_NUMBER_PART = re.compile(
    r"^(?P<head>[^#0,.%]*)(?P<digits>[#0,]*(?:\.[#0]*)?)(?P<percent>%?)(?P<tail>[^#0,.%]*)$", re.S
)
_WEEKDAYS = "一二三四五六日"


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
    needs_context=True,
    fails=True,
    core=True,
)
def _text(context: Context, value: Any, pattern: str) -> str | CellError:
    if len(pattern) > 200:
        return VALUE
    if isinstance(value, bool | str):
        return display(value)
    if isinstance(value, int | Decimal):
        return format_number(value, pattern)
    if isinstance(value, date | time):
        return format_moment(local(context, value) if isinstance(value, date) else value, pattern)
    return (
        format_moment(_midnight() + value, pattern) if isinstance(value, timedelta) and value >= timedelta(0) else VALUE
    )


def _midnight() -> datetime:
    return datetime(1, 1, 1, tzinfo=UTC)


def format_number(value: Number, pattern: str) -> str | CellError:
    """Sections for negative numbers and zero after `;`, quoted texts, `#`, `0`, `,`, `.` and `%`."""
    sections = pattern.split(";")
    section, number = sections[0], Decimal(value)
    if number < 0 and len(sections) > 1:
        section, number = sections[1], -number
    elif not number and len(sections) > 2:
        section = sections[2]
    if section.lower() in ("general", "@", ""):
        return number_text(number)
    found = _NUMBER_PART.match(section.replace('"', ""))
    return VALUE if found is None else _digits(number, found)


def _digits(number: Decimal, found: re.Match[str]) -> str:
    whole, _, places = found["digits"].partition(".")
    if found["percent"]:
        number = number.scaleb(2)
    rounded = round_to(number, len(places))
    units, _, fraction = format(abs(rounded), "f").partition(".")
    units = units.lstrip("0").rjust(whole.count("0"), "0")
    fraction = fraction[: len(places)].ljust(len(places), "0")
    while fraction and places[len(fraction) - 1] == "#" and fraction.endswith("0"):
        fraction = fraction[:-1]
    if "," in whole:
        units = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", units)
    sign = "-" if rounded < 0 and (units.strip("0,") or fraction.strip("0")) else ""
    return sign + found["head"] + units + ("." + fraction if fraction else "") + found["percent"] + found["tail"]


def format_moment(moment: Any, pattern: str) -> str:
    """`yyyy`, `mm`, `dd`, `hh`, `ss`; an `m` beside hours or seconds is minutes."""
    parts = _DATE_PART.findall(pattern)
    marks = [part.lower() for part in parts]
    letters = [place for place, mark in enumerate(marks) if mark and mark[0] in "ymdhs" and mark[0].isascii()]
    words: list[str] = []
    for place, mark in enumerate(marks):
        if place not in letters:
            words.append(parts[place].strip('"'))
            continue
        around = letters.index(place)
        before = marks[letters[around - 1]][0] if around else ""
        after = marks[letters[around + 1]][0] if around + 1 < len(letters) else ""
        words.append(_moment_part(moment, mark, minutes=before == "h" or after == "s"))
    return "".join(words)


def _moment_part(moment: Any, mark: str, minutes: bool) -> str:
    if mark == "dddd":
        return "星期" + _WEEKDAYS[moment.weekday()]
    name = {"y": "year", "d": "day", "h": "hour", "s": "second", "m": "minute" if minutes else "month"}[mark[0]]
    number = getattr(moment, name, 0)
    if mark[0] == "y":
        return f"{number:04d}" if mark == "yyyy" else f"{number % 100:02d}"
    return f"{number:02d}" if len(mark) == 2 else str(number)


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
    "取 JSON：按路径取 JSON 中的值，如 a.b[0]",
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
