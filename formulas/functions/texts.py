"""Texts: by code points, the same on both databases."""

from __future__ import annotations

import re
from typing import Any

from formulas.errors import CellError
from formulas.functions.declare import Family
from formulas.sqlforms import texts as forms
from formulas.sqlforms.template import pg
from formulas.types import BOOLEAN, TEXT, integer
from formulas.values import NOT_FOUND, TEXT_LIMIT, TOO_LONG, VALUE, display

TEXTS = Family("text")
LENGTH = integer(5)
SPACES = " \t\u00a0\u3000"
#: The same set, as PostgreSQL writes it.
PG_SPACES = "E' \\t\\u00A0\\u3000'"


def fits(text: str, times: int = 1) -> bool:
    """Whether a text repeated so often is not too long."""
    return len(text) * times <= TEXT_LIMIT


def joined(separator: str, parts: list[str]) -> str | CellError:
    """Parts in one text; one that would be too long is not made."""
    if sum(map(len, parts)) + len(separator) * (len(parts) - 1) > TEXT_LIMIT:
        return TOO_LONG
    return separator.join(parts)


@TEXTS.add(
    "CONCAT",
    "A, A...",
    TEXT,
    "连接：把各值连成一段文本，空值为空文本",
    "All values as one text; a blank is the empty text.",
    ('CONCAT("a", 1.50, TRUE)', "a1.5TRUE"),
    ('"x" & BLANK() & "y"', "xy"),
    nulls="Z",
    core=True,
    aliases=("CONCATENATE",),
    postgresql=forms.concat,
)
def _concat(*values: Any) -> str:
    return "".join(map(display, values))


@TEXTS.add(
    "TEXTJOIN",
    "t, b, A, A...",
    TEXT,
    "分隔连接：用分隔符连接各值，可跳过空值",
    "All values joined by a separator; the second argument says whether blanks are left out.",
    ('TEXTJOIN(", ", TRUE, "a", "", "b")', "a, b"),
    ('TEXTJOIN("-", FALSE, "a", BLANK(), "b")', "a--b"),
    nulls="N",
    core=True,
    rollup=True,
)
def _textjoin(separator: str | None, skip: bool | None, *values: Any) -> str | CellError:
    flat = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return joined(separator or "", [display(value) for value in flat if not (skip and value in (None, ""))])


@TEXTS.add(
    "LEFT",
    "t, i?",
    TEXT,
    "取左：文本开头的若干字符",
    "The first characters of a text, 1 if no number is given.",
    ('LEFT("Sale Price", 4)', "Sale"),
    ('LEFT("张三😀", 2)', "张三"),
    ('LEFT("a", -1)', "#VALUE"),
    core=True,
    fails=True,
    postgresql=pg("left({0}, 1)", "case when {1} >= 0 then left({0}, {1}) end"),
)
def _left(text: str, count: int = 1) -> str | CellError:
    return text[:count] if count >= 0 else VALUE


@TEXTS.add(
    "RIGHT",
    "t, i?",
    TEXT,
    "取右：文本末尾的若干字符",
    "The last characters of a text, 1 if no number is given.",
    ('RIGHT("Sale Price", 5)', "Price"),
    ('RIGHT("abc", 0)', ""),
    core=True,
    fails=True,
    postgresql=pg("right({0}, 1)", "case when {1} >= 0 then right({0}, {1}) end"),
)
def _right(text: str, count: int = 1) -> str | CellError:
    if count < 0:
        return VALUE
    return text[-count:] if count else ""


@TEXTS.add(
    "MID",
    "t, i, i",
    TEXT,
    "取中：从某位置起的若干字符",
    "Characters from a place on, counted from 1.",
    ('MID("Fluid Flow", 7, 20)', "Flow"),
    ('MID("abc", 0, 1)', "#VALUE"),
    core=True,
    fails=True,
    postgresql=pg("case when {1} >= 1 and {2} >= 0 then substr({0}, {1}, {2}) end"),
)
def _mid(text: str, start: int, count: int) -> str | CellError:
    return text[start - 1 : start - 1 + count] if start >= 1 and count >= 0 else VALUE


@TEXTS.add(
    "LEN",
    "t",
    LENGTH,
    "长度：字符个数",
    "How many characters.",
    ('LEN("张三😀")', 3),
    ('LEN("")', 0),
    core=True,
    postgresql=pg("char_length({0})"),
)
def _len(text: str) -> int:
    return len(text)


@TEXTS.add(
    "LOWER",
    "t",
    TEXT,
    "小写：转为小写字母",
    "In lower case.",
    ('LOWER("ÉA")', "éa"),
    core=True,
    postgresql=forms.lower,
    sqlite=forms.lower,
)
def _lower(text: str) -> str:
    return text.lower()


@TEXTS.add(
    "UPPER",
    "t",
    TEXT,
    "大写：转为大写字母",
    "In upper case.",
    ('UPPER("éa")', "ÉA"),
    core=True,
    postgresql=forms.upper,
    sqlite=forms.upper,
)
def _upper(text: str) -> str:
    return text.upper()


@TEXTS.add(
    "TRIM",
    "t",
    TEXT,
    "去空格：去掉首尾空格，中间连续空格并为一个",
    "Without spaces at the ends, and single ones inside.",
    ('TRIM("  a   b ")', "a b"),
    ('TRIM("　张三　")', "张三"),
    core=True,
    postgresql=pg("regexp_replace(btrim({0}, " + PG_SPACES + "), '  +', ' ', 'g')"),
)
def _trim(text: str) -> str:
    trimmed = text.strip(SPACES)
    while "  " in trimmed:
        trimmed = trimmed.replace("  ", " ")
    return trimmed


@TEXTS.add(
    "SUBSTITUTE",
    "t, t, t, i?",
    TEXT,
    "替换：把文本中的某段换成另一段，可只换第几处",
    "The text with a part replaced by another, everywhere or at one occurrence.",
    ('SUBSTITUTE("Sales Data", "Sales", "Cost")', "Cost Data"),
    ('SUBSTITUTE("1-1-1", "1", "2", 2)', "1-2-1"),
    core=True,
    fails=True,
    postgresql=forms.substitute,
)
def _substitute(text: str, old: str, new: str, occurrence: int | None = None) -> str | CellError:
    if occurrence is not None and occurrence < 1:
        return VALUE
    if not old:
        return text
    count = text.count(old)
    if count * max(len(new) - len(old), 0) + len(text) > TEXT_LIMIT:
        return TOO_LONG
    if occurrence is None:
        return text.replace(old, new)
    parts = text.split(old)
    if occurrence >= len(parts):
        return text
    return old.join(parts[:occurrence]) + new + old.join(parts[occurrence:])


@TEXTS.add(
    "REPLACE",
    "t, i, i, t",
    TEXT,
    "按位置替换：从某位置起换掉若干字符",
    "The text with some characters from a place on replaced.",
    ('REPLACE("abcdefghijk", 6, 5, "*")', "abcde*k"),
    fails=True,
    postgresql=pg(
        "case when {1} >= 1 and {2} >= 0 then left({0}, {1} - 1) || {3} || substr({0}, least({1}::bigint + {2}, 100000)::int) end"
    ),
)
def _replace(text: str, start: int, count: int, new: str) -> str | CellError:
    if start < 1 or count < 0:
        return VALUE
    return text[: start - 1] + new + text[start - 1 + count :]


@TEXTS.add(
    "FIND",
    "t, t, i?",
    LENGTH,
    "查找：区分大小写的位置，从 1 起",
    "The place of a text in another, case counts; VALUE if it is not there.",
    ('FIND("M", "Miriam McGovern")', 1),
    ('FIND("M", "Miriam McGovern", 3)', 8),
    ('FIND("x", "abc")', "#VALUE"),
    ('FIND("", "x")', 1),
    core=True,
    fails=True,
    postgresql=pg(
        "nullif(strpos({1}, {0}), 0)",
        "case when {2} between 1 and char_length({1}) + 1 then nullif(strpos(substr({1}, {2}), {0}), 0) + {2} - 1 end",
    ),
)
def find(needle: str, text: str, start: int = 1) -> int | CellError:
    """The place counted from 1."""
    if not 1 <= start <= len(text) + 1:
        return VALUE
    place = text.find(needle, start - 1)
    return place + 1 if place >= 0 else NOT_FOUND


@TEXTS.add(
    "SEARCH",
    "t, t, i?",
    LENGTH,
    "搜索：不区分大小写的位置，从 1 起；? 代表一个字符，* 代表任意字符",
    "The place of a text in another, case does not count; ? stands for a character, * for any number, ~ before them for themselves.",
    ('SEARCH("E", "Statements", 6)', 7),
    ('SEARCH("m?n", "Statements")', 6),
    ('SEARCH("t*s", "Statements")', 2),
    ('SEARCH("~?", "Why?")', 4),
    ('SEARCH("x", "abc")', "#VALUE"),
    fails=True,
    postgresql=forms.search,
)
def _search(needle: str, text: str, start: int = 1) -> int | CellError:
    if "*" in needle or "?" in needle or "~" in needle:
        return find_pattern(needle.lower(), text.lower(), start)
    found: int | CellError = find(needle.lower(), text.lower(), start)
    return found


def find_pattern(pattern: str, text: str, start: int) -> int | CellError:
    """The place where a pattern begins: `?` any character, `*` any characters, `~` takes the next one as it is.

    What stands between two stars is looked for once each, in order: if that fails from the first place, it fails from later ones.
    """
    if len(pattern) > PATTERN_LIMIT or not 1 <= start <= len(text) + 1:
        return VALUE
    begin = place = start - 1
    for at, piece in enumerate(_pieces(pattern)):
        found = piece.search(text, place)
        if found is None:
            return NOT_FOUND
        begin = found.start() if at == 0 else begin
        place = found.end()
    return begin + 1


def _pieces(pattern: str) -> list[re.Pattern[str]]:
    pieces = [""]
    for sign in _SIGNS.findall(pattern):
        if sign == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if sign == "?" else re.escape(sign[-1])
    return [re.compile(piece, re.S) for piece in pieces]


PATTERN_LIMIT = 255
_SIGNS = re.compile(r"~[*?~]|.", re.S)


def _test(name: str, zh: str, en: str, run: Any, *examples: tuple[str, Any], core: bool = False) -> None:
    """A test of one text against another: a blank text passes none, so that `NOT` finds blank rows."""
    TEXTS.add(
        name,
        "t, t",
        BOOLEAN,
        zh,
        en,
        *examples,
        nulls="N",
        core=core,
        postgresql=forms.FORMS[name],
        sqlite=forms.FORMS[name],
        condition=forms.CONDITIONS[name],
    )(lambda text, part: text is not None and part is not None and run(text, part))


_test(
    "CONTAINS",
    "包含：文本中是否有另一段，区分大小写",
    "Whether a text contains another; case counts.",
    lambda text, part: part in text,
    ('CONTAINS("张三公司", "公司")', True),
    ('CONTAINS("abc", "B")', False),
    core=True,
)
_test(
    "STARTSWITH",
    "开头是：文本是否以另一段开头",
    "Whether a text starts with another.",
    str.startswith,
    ('STARTSWITH("abc", "ab")', True),
    core=True,
)
_test(
    "ENDSWITH",
    "结尾是：文本是否以另一段结尾",
    "Whether a text ends with another.",
    str.endswith,
    ('ENDSWITH("abc", "bc")', True),
)


@TEXTS.add(
    "EXACT",
    "t, t",
    BOOLEAN,
    "完全相同：两段文本是否逐字相同",
    "Whether two texts are the same, case included.",
    ('EXACT("word", "Word")', False),
    postgresql=pg("{0} = {1}"),
)
def _exact(left: str, right: str) -> bool:
    return left == right


@TEXTS.add(
    "REPT",
    "t, i",
    TEXT,
    "重复：把文本重复若干次",
    "The text several times over.",
    ('REPT("*-", 3)', "*-*-*-"),
    ('REPT("ab", 20000)', "#LIMIT"),
    fails=True,
    postgresql=pg(
        "case when {0} = '' and {1} >= 0 then '' when {1} >= 0 and char_length({0})::bigint * {1} <= 32767 then repeat({0}, {1}) end"
    ),
)
def _rept(text: str, times: int) -> str | CellError:
    if times < 0:
        return VALUE
    if not text:
        return text
    return text * times if fits(text, times) else TOO_LONG
