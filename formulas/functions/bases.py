"""Numbers in other writings: Roman, binary, octal, hexadecimal. Negative ones as ten digits of a complement, as in spreadsheets."""

from __future__ import annotations

from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family
from formulas.types import TEXT, integer
from formulas.values import NUM, VALUE

BASES = Family("conversion")

_DIGITS = "0123456789ABCDEF"
_PLACES = 10
_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC")),
    *((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
_MOST_ROMAN = 3_999
_ROMAN_LENGTH = 255


@BASES.add(
    "ROMAN",
    "i",
    TEXT,
    "罗马数字：1 到 3999 写成罗马数字",
    "A number from 1 to 3999 in Roman numerals.",
    ("ROMAN(499)", "CDXCIX"),
    ("ROMAN(4000)", "#VALUE"),
    ("ROMAN(0)", ""),
    fails=True,
)
def _roman(number: int) -> str | CellError:
    if not 0 <= number <= _MOST_ROMAN:
        return VALUE
    written = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        written += letters * count
    return written


@BASES.add(
    "ARABIC",
    "t",
    integer(6),
    "阿拉伯数字：罗马数字转数字",
    "Roman numerals as a number.",
    ('ARABIC("LVII")', 57),
    ('ARABIC("-mcmxii")', -1912),
    ('ARABIC("ABC")', "#VALUE"),
    fails=True,
)
def _arabic(text: str) -> int | CellError:
    letters = text.strip().upper()
    sign, letters = (-1, letters[1:]) if letters.startswith("-") else (1, letters)
    values = {name: value for value, name in _ROMAN if len(name) == 1}
    if len(letters) > _ROMAN_LENGTH or not set(letters) <= values.keys():
        return VALUE
    found = [values[letter] for letter in letters]
    following = [*found[1:], 0][: len(found)]
    return sign * sum(-one if one < after else one for one, after in zip(found, following, strict=True))


def _to_decimal(text: str, radix: int) -> int | CellError:
    digits = text.strip().upper()
    if not 0 < len(digits) <= _PLACES or not set(digits) <= set(_DIGITS[:radix]):
        return NUM
    number, whole = int(digits, radix), radix**_PLACES
    return number if number < whole // 2 else number - whole


def _from_decimal(number: int, radix: int, length: int | None) -> str | CellError:
    whole = radix**_PLACES
    if not -(whole // 2) <= number < whole // 2 or not (length is None or 1 <= length <= _PLACES):
        return NUM
    rest, digits = number % whole, ""
    while rest:
        rest, digit = divmod(rest, radix)
        digits = _DIGITS[digit] + digits
    if length is None or number < 0:
        return digits or "0"
    return NUM if len(digits) > length else digits.rjust(length, "0")


def _declare(
    letters: str, radix: int, zh: str, en: str, read: tuple[tuple[str, Any], ...], written: tuple[tuple[str, Any], ...]
) -> None:
    def to_decimal(text: str) -> int | CellError:
        return _to_decimal(text, radix)

    def from_decimal(number: int, length: int | None = None) -> str | CellError:
        return _from_decimal(number, radix, length)

    BASES.add(
        f"{letters}2DEC",
        "t",
        integer(13),
        f"{zh}转十进制：至多十位{zh}数转数字，负数用补码",
        f"At most ten {en} digits as a number.",
        *read,
        fails=True,
    )(to_decimal)
    BASES.add(
        f"DEC2{letters}",
        "i, i?",
        TEXT,
        f"十进制转{zh}：整数写成至多十位{zh}数，可指定最短长度",
        f"A whole number in at most ten {en} digits, padded to a length.",
        *written,
        fails=True,
    )(from_decimal)


_declare(
    "BIN",
    2,
    "二进制",
    "binary",
    (('BIN2DEC("1100100")', 100), ('BIN2DEC("1111111111")', -1), ('BIN2DEC("2")', "#NUM")),
    (("DEC2BIN(9, 4)", "1001"), ("DEC2BIN(-100)", "1110011100"), ("DEC2BIN(512)", "#NUM")),
)
_declare(
    "OCT",
    8,
    "八进制",
    "octal",
    (('OCT2DEC("54")', 44), ('OCT2DEC("7777777533")', -165)),
    (("DEC2OCT(58, 3)", "072"), ("DEC2OCT(-100)", "7777777634")),
)
_declare(
    "HEX",
    16,
    "十六进制",
    "hexadecimal",
    (('HEX2DEC("A5")', 165), ('HEX2DEC("FFFFFFFF5B")', -165), ('HEX2DEC("3DA408B9")', 1034160313)),
    (("DEC2HEX(100, 4)", "0064"), ("DEC2HEX(-54)", "FFFFFFFFCA"), ("DEC2HEX(64, 1)", "#NUM")),
)
