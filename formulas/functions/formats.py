"""Formats of numbers and moments as spreadsheets write them: `#,##0.00;(0)`, `0.00E+00`, `# ?/?`, `yyyy-mm-dd hh:mm AM/PM`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from formulas.functions.numerals import as_read, each_digit, in_a_date
from formulas.numbers import Number, number_text, round_to

_TOKEN = re.compile(
    r"(?P<quoted>\"[^\"]*\"?)|(?P<escaped>\\.|_.|\*.)|(?P<bracket>\[[^\]]*\])|(?P<general>general)"
    r"|(?P<exponent>e[+-])|(?P<noon>am/pm|a/p|上午/下午)|(?P<moment>y+|m+|d+|h+|s+|a{3,4}|e+)|(?P<digit>[#0?.,/%@])|(?P<other>.)",
    re.S | re.I,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d{1,30}(?:\.\d{0,20})?)\Z", re.ASCII)
_CURRENCY = re.compile(r"\$([^-\]]*)(?:-[0-9A-Fa-f]+)?\Z")
_NUMERALS = {"dbnum1": 1, "dbnum2": 2}
_MOST_PLACES = 100
_MOST_DENOMINATOR = 999


class FormatError(Exception):
    """The pattern says nothing that can be written."""


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, digit, general, exponent, noon, moment or elapsed."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a pattern between `;`."""

    tokens: tuple[Token, ...]
    condition: tuple[str, Decimal] | None = None
    #: `[DBNum1]` small Chinese numerals, `[DBNum2]` capital ones.
    numerals: int = 0

    def has(self, *kinds: str) -> bool:
        """Whether a token of these kinds is there."""
        return any(token.kind in kinds for token in self.tokens)


@lru_cache(maxsize=1024)
def sections(pattern: str) -> tuple[Section, ...]:
    """A pattern read once."""
    parts: list[list[Token]] = [[]]
    conditions: list[tuple[str, Decimal] | None] = [None]
    numerals = [0]
    for found in _TOKEN.finditer(pattern):
        kind, text = str(found.lastgroup), found.group()
        if kind == "other" and text == ";":
            parts.append([])
            conditions.append(None)
            numerals.append(0)
        elif kind == "bracket" and text[1:-1].lower() in _NUMERALS:
            numerals[-1] = _NUMERALS[text[1:-1].lower()]
        elif kind == "bracket":
            condition = _CONDITION.match(text[1:-1].strip())
            if condition:
                conditions[-1] = condition.group(1), Decimal(condition.group(2))
            else:
                parts[-1] += _bracketed(text[1:-1])
        else:
            parts[-1] += _token(kind, text)
    read = zip(parts, conditions, numerals, strict=True)
    return tuple(Section(tuple(tokens), condition, kind) for tokens, condition, kind in read)


def _token(kind: str, text: str) -> list[Token]:
    if kind == "quoted":
        return [Token("text", text.strip('"'))]
    if kind == "escaped":  # `_x` leaves the width of x, `*x` fills a cell: a text has no width
        return [Token("text", text[1] if text[0] == "\\" else " " if text[0] == "_" else "")]
    return [Token("text" if kind == "other" else kind, text)]


def _bracketed(inside: str) -> list[Token]:
    """`[h]` counts beyond a day, `[$€-407]` is a currency, colours and the rest are not for texts."""
    if re.fullmatch(r"h+|m+|s+", inside, re.I):
        return [Token("elapsed", inside.lower())]
    currency = _CURRENCY.match(inside)
    return [Token("text", currency.group(1))] if currency else []


# --- numbers ----------------------------------------------------------------------------------------------------------


def format_number(value: Number, pattern: str) -> str:
    """A number in a pattern. Raises `FormatError`."""
    number = Decimal(value)
    parts = sections(pattern)
    place, bare = _chosen(parts, number)
    section = parts[place]
    number = abs(number) if bare else number
    if not section.numerals:
        return _in_section(section, number)
    if not section.has("digit", "general"):
        return as_read(number_text(number), section.numerals) + "".join(token.text for token in section.tokens)
    return each_digit(_in_section(section, number), section.numerals)


def _chosen(parts: tuple[Section, ...], number: Decimal) -> tuple[int, bool]:
    """The place of the section for a number, and whether the section stands for the sign."""
    if any(part.condition for part in parts):
        for place, part in enumerate(parts):
            if part.condition is None or _COMPARE[part.condition[0]](number, part.condition[1]):
                return place, place > 0 and number < 0
        return len(parts) - 1, False
    if number < 0 and len(parts) > 1:
        return 1, True
    return (2, False) if not number and len(parts) > 2 else (0, False)


_COMPARE: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}


def _in_section(section: Section, number: Decimal) -> str:
    if section.has("moment", "elapsed", "noon"):
        raise FormatError
    if section.has("general"):
        shown = number_text(number)
        shown = as_read(shown, section.numerals) if section.numerals else shown
        return "".join(shown if token.kind == "general" else token.text for token in section.tokens)
    tokens = section.tokens
    if any(token.kind == "digit" and token.text == "@" for token in tokens):
        return "".join(number_text(number) if token.text == "@" else token.text for token in tokens)
    if not any(token.kind == "digit" and token.text in "#0?" for token in tokens):
        return ("-" if number < 0 else "") + "".join(token.text for token in tokens)
    if any(token.kind == "exponent" for token in tokens):
        return _scientific(tokens, number)
    if any(token.kind == "digit" and token.text == "/" for token in tokens):
        return _fraction(tokens, number)
    return _plain(tokens, number)


def _plain(tokens: tuple[Token, ...], number: Decimal) -> str:
    """Digits before and after the point, group commas, scaling commas, percent signs, texts between digits."""
    digits = [place for place, token in enumerate(tokens) if token.kind == "digit" and token.text in "#0?"]
    point = next((place for place, token in enumerate(tokens) if token.kind == "digit" and token.text == "."), None)
    before = [place for place in digits if point is None or place < point]
    after = [place for place in digits if point is not None and place > point]
    commas = [place for place, token in enumerate(tokens) if token.kind == "digit" and token.text == ","]
    last = before[-1] if before else -1
    grouped = any(before and before[0] < place < last for place in commas)
    scaling = sum(
        1 for place in commas if place > last and (point is None or place < point or place > max(after, default=point))
    )
    percents = sum(1 for token in tokens if token.kind == "digit" and token.text == "%")
    if len(after) > _MOST_PLACES or len(before) > _MOST_PLACES:
        raise FormatError
    rounded = round_to(number.scaleb(2 * percents - 3 * scaling), len(after))
    units, _, fraction = format(abs(rounded), "f").partition(".")
    written = dict(
        zip(before, _whole_digits(units.lstrip("0"), [tokens[place].text for place in before], grouped), strict=True)
    )
    kept = _fraction_digits(fraction.ljust(len(after), "0"), [tokens[place].text for place in after])
    written |= dict(zip(after, kept, strict=True))
    words = ["-" if rounded < 0 else ""]
    if point is not None and not before:  # `.00` of 12.5 is 12.50
        written[point] = units.lstrip("0") + "."
    for place, token in enumerate(tokens):
        if place in written:
            words.append(written[place])
        elif token.kind != "digit" or token.text in "%.":
            words.append(token.text)
    return "".join(words)


def _whole_digits(units: str, marks: list[str], grouped: bool) -> list[str]:
    """What stands in each place before the point; the first place takes all digits beyond the places."""
    if not marks:
        return []
    shown: list[str] = []
    for back, mark in enumerate(reversed(marks)):
        digit = units[len(units) - 1 - back] if back < len(units) else {"0": "0", "?": " "}.get(mark, "")
        comma = "," if grouped and back and back % 3 == 0 and digit not in ("", " ") else ""
        shown.append(digit + comma)
    extra = units[: -len(marks)] if len(units) > len(marks) else ""
    for back, digit in enumerate(reversed(extra), len(marks)):
        comma = "," if grouped and back % 3 == 0 else ""
        shown[-1] = digit + comma + shown[-1]
    return shown[::-1]


def _fraction_digits(fraction: str, marks: list[str]) -> list[str]:
    """Digits after the point; zeros at the end stay only where the pattern says `0`."""
    shown = list(fraction[: len(marks)])
    for place in range(len(marks) - 1, -1, -1):
        if shown[place] != "0" or marks[place] == "0":
            break
        shown[place] = " " if marks[place] == "?" else ""
    return shown


def _scientific(tokens: tuple[Token, ...], number: Decimal) -> str:
    """`0.00E+00`; `##0.0E+0` steps by as many powers as there are places before the point."""
    place = next(at for at, token in enumerate(tokens) if token.kind == "exponent")
    mantissa, power = tokens[:place], tokens[place + 1 :]
    width = sum(token.text in "#0?" for token in mantissa[: _point(mantissa)] if token.kind == "digit")
    places = sum(token.text in "#0?" for token in mantissa[_point(mantissa) :] if token.kind == "digit")
    exponent = number.adjusted() if number else 0
    step = max(width, 1)
    exponent -= exponent % step if step > 1 else 0
    scaled = round_to(number.scaleb(-exponent), places)
    if scaled and abs(scaled) >= Decimal(10) ** step:
        exponent += step
        scaled = round_to(number.scaleb(-exponent), places)
    sign = "-" if exponent < 0 else "+" if tokens[place].text[1] == "+" else ""
    digits = sum(token.kind == "digit" and token.text in "#0?" for token in power)
    tail = "".join(token.text for token in power if token.kind != "digit")
    return _plain(mantissa, scaled) + "E" + sign + str(abs(exponent)).rjust(digits, "0") + tail


def _point(tokens: tuple[Token, ...]) -> int:
    return next((at for at, token in enumerate(tokens) if token.kind == "digit" and token.text == "."), len(tokens))


def _fraction(tokens: tuple[Token, ...], number: Decimal) -> str:
    """`# ?/?`: the nearest fraction whose denominator has as many digits; `?/8` with a fixed one."""
    marks = "".join(token.text for token in tokens)
    found = re.fullmatch(
        r"(?P<lead>[^#0?]*)(?:(?P<whole>[#0?]+)(?P<gap>\s+))?(?P<up>[#0?]+)/(?P<down>[#0?]+|[0-9]+)(?P<tail>[^#0?]*)",
        marks,
    )
    if found is None:
        raise FormatError
    positive = abs(number)
    whole = int(positive) if found["whole"] else 0
    rest = positive - whole
    if re.search(r"[1-9]", found["down"]):
        down = int(found["down"])
        if down > 9999:
            raise FormatError
        up = int(round_to(rest * down, 0))
    else:
        up, down = _nearest(rest, min(10 ** len(found["down"]) - 1, _MOST_DENOMINATOR))
    if found["whole"] and up == down:
        whole, up = whole + 1, 0
    sign = "-" if number < 0 and (whole or up) else ""
    shown = f"{str(up).rjust(len(found['up']))}/{str(down).ljust(len(found['down']))}"
    if not found["whole"]:
        return found["lead"] + sign + shown.strip() + found["tail"]
    units = str(whole) if whole or "0" in found["whole"] or not up else ""
    gap = found["gap"]
    return found["lead"] + sign + (units + gap + shown if up else units + gap + " " * len(shown)) + found["tail"]


def _nearest(value: Decimal, most: int) -> tuple[int, int]:
    best, least = (int(round_to(value, 0)), 1), abs(value - round_to(value, 0))
    for down in range(2, most + 1):
        if not least:
            break
        up = int(round_to(value * down, 0))
        distance = abs(value * down - up)
        if distance < least * down:
            best, least = (up, down), distance / down
    return best


def in_text_section(text: str, pattern: str) -> str:
    """A text in the section for texts: the fourth, or the only one if it has `@`."""
    parts = sections(pattern)
    section = parts[3] if len(parts) > 3 else parts[-1]
    if not any(token.kind == "digit" and token.text == "@" for token in section.tokens):
        return text
    return "".join(text if token.text == "@" else token.text for token in section.tokens)


# --- moments ----------------------------------------------------------------------------------------------------------

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_WEEKDAYS = "一二三四五六日"


def format_moment(moment: date | time, pattern: str, elapsed: int | None = None) -> str:
    """A date, an instant without a zone or a time of day in a pattern. An `m` beside hours or seconds is minutes.

    `elapsed` is the whole length in seconds where the moment stands for a duration: what `[h]` counts.
    Raises `FormatError`.
    """
    section = sections(pattern)[0]
    if section.has("general") or not section.tokens:
        raise FormatError
    marks = [token for token in section.tokens if token.kind in ("moment", "elapsed")]
    noon = section.has("noon")
    words: list[str] = []
    seen = 0
    for place, token in enumerate(section.tokens):
        if token.kind in ("moment", "elapsed"):
            before = marks[seen - 1].text[0].lower() if seen else ""
            after = marks[seen + 1].text[0].lower() if seen + 1 < len(marks) else ""
            seen += 1
            part = _moment_part(moment, token, before == "h" or after == "s", noon, elapsed)
            words.append(_in_numerals(part, token, section.numerals) if section.numerals else part)
        elif token.kind == "noon":
            words.append(_noon(token.text, moment))
        elif token.kind == "digit" and token.text == "0" and _after_second(section.tokens, place):
            words.append(_second_digit(moment, section.tokens, place))
        else:
            words.append(token.text)
    return "".join(words)


def _in_numerals(part: str, token: Token, kind: int) -> str:
    """Years digit by digit, the rest as it is read; names stay."""
    if not part.isdecimal():
        return part
    return each_digit(part, kind) if token.text[0].lower() in "ye" else in_a_date(part, kind)


def _noon(text: str, moment: Any) -> str:
    morning, afternoon = text.split("/")
    return morning if getattr(moment, "hour", 0) < 12 else afternoon


def _after_second(tokens: tuple[Token, ...], place: int) -> bool:
    """`ss.000`: the zeros after the point of seconds are its fraction."""
    while place and tokens[place].text == "0":
        place -= 1
    return place > 0 and tokens[place].text == "." and tokens[place - 1].text[0].lower() == "s"


def _second_digit(moment: Any, tokens: tuple[Token, ...], place: int) -> str:
    digit = 0
    while tokens[place].text == "0":
        place, digit = place - 1, digit + 1
    return f"{getattr(moment, 'microsecond', 0):06d}".ljust(digit, "0")[digit - 1]


def _moment_part(moment: Any, token: Token, minutes: bool, noon: bool, elapsed: int | None) -> str:
    mark = token.text.lower()
    if token.kind == "elapsed":
        total = elapsed if elapsed is not None else moment.hour * 3600 + moment.minute * 60 + moment.second
        return str(total // {"h": 3600, "m": 60, "s": 1}[mark[0]]).rjust(len(mark), "0")
    if mark[0] == "m" and not minutes:
        return _month(moment, len(mark))
    if mark[0] in "da" and len(mark) > 2:
        return _weekday(moment, mark)
    name = {"y": "year", "e": "year", "d": "day", "h": "hour", "s": "second", "m": "minute"}[mark[0]]
    number = getattr(moment, name, 0)
    if mark[0] in "ye":
        return f"{number:04d}" if len(mark) > 2 or mark[0] == "e" else f"{number % 100:02d}"
    if mark[0] == "h" and noon:
        number = number % 12 or 12
    return f"{number:02d}" if len(mark) > 1 else str(number)


def _month(moment: Any, length: int) -> str:
    number = getattr(moment, "month", 1)
    if length <= 2:
        return f"{number:02d}" if length == 2 else str(number)
    name = MONTHS[number - 1]
    return {3: name[:3], 4: name}.get(length, name[0])


def _weekday(moment: Any, mark: str) -> str:
    """`ddd` Wed, `dddd` Wednesday, `aaa` 三, `aaaa` 星期三."""
    if not isinstance(moment, date | datetime):
        raise FormatError
    day = moment.weekday()
    if mark[0] == "a":
        return ("星期" if len(mark) == 4 else "") + _WEEKDAYS[day]
    return _DAYS[day][:3] if len(mark) == 3 else _DAYS[day]
