"""More on texts: spelling, characters, parts, padding, masks and Chinese."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from formulas.errors import CellError
from formulas.functions.declare import Family
from formulas.functions.numerals import DIGITS, capital
from formulas.functions.texts import fits
from formulas.numbers import round_to
from formulas.pinyin import initials, syllables
from formulas.sqlforms.core import Form
from formulas.sqlforms.template import pg
from formulas.types import TEXT, integer, set_of
from formulas.values import NA, TEXT_LIMIT, TOO_LONG, VALUE

WORDING = Family("text")
#: Characters whose pinyin is looked up within a tenth of a second.
PINYIN_LIMIT = 2_000


@WORDING.add(
    "PROPER",
    "t",
    TEXT,
    "首字母大写：每个单词首字母大写",
    "Each word with a capital.",
    ('PROPER("this is a TITLE")', "This Is A Title"),
)
def _proper(text: str) -> str:
    return text.title()


@WORDING.add(
    "CLEAN",
    "t",
    TEXT,
    "清除控制符：去掉不可打印的控制字符",
    "Without control characters.",
    ('CLEAN("a\tb")', "ab"),
    postgresql=pg("regexp_replace({0}, E'[\\x01-\\x1f]', '', 'g')"),
)
def _clean(text: str) -> str:
    return "".join(char for char in text if char >= " ")


def _is_character(code: int) -> bool:
    return 1 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF


@WORDING.add(
    "UNICHAR",
    "i",
    TEXT,
    "字符：Unicode 编码对应的字符",
    "The character of a Unicode number.",
    ("UNICHAR(24352)", "张"),
    ("UNICHAR(0)", "#VALUE"),
    ("UNICHAR(55296)", "#NA"),
    fails=True,
    postgresql=pg("case when {0} between 1 and 1114111 and {0} not between 55296 and 57343 then chr({0}) end"),
)
def _unichar(code: int) -> str | CellError:
    if 0xD800 <= code <= 0xDFFF:  # half of a character
        return NA
    return chr(code) if _is_character(code) else VALUE


@WORDING.add(
    "CHAR",
    "i",
    TEXT,
    "编号字符：编码对应的字符",
    "The character of a number from 1 to 255.",
    ("CHAR(65)", "A"),
    ("CHAR(256)", "#VALUE"),
    fails=True,
    postgresql=pg("case when {0} between 1 and 255 then chr({0}) end"),
)
def _char(code: int) -> str | CellError:
    return chr(code) if 1 <= code <= 255 else VALUE


@WORDING.add(
    "UNICODE",
    "t",
    integer(7),
    "编码：首字符的 Unicode 编码",
    "The Unicode number of the first character.",
    ('UNICODE("张")', 24352),
    fails=True,
    aliases=("CODE",),
    postgresql=pg("nullif(ascii({0}), 0)"),
)
def _unicode(text: str) -> int | CellError:
    return ord(text[0]) if text else VALUE


#: How many parts there are, and which one is the last before the separator meant, counted from the end if negative.
_PG_COUNT = "cardinality(string_to_array({0}, {1}))"
_PG_PLACE = f"(case when {{2}} > 0 then {{2}} else {_PG_COUNT} + {{2}} end)"


def _pg_parts(first: str, last: str) -> str:
    """The parts from one to another, joined again."""
    there = f"{{1}} <> '' and {{2}} <> 0 and {_PG_PLACE} between 1 and {_PG_COUNT} - 1"
    return f"case when {there} then array_to_string((string_to_array({{0}}, {{1}}))[{first}:{last}], {{1}}) end"


@WORDING.add(
    "TEXTBEFORE",
    "t, t, i?",
    TEXT,
    "之前：分隔符之前的文本",
    "The text before a separator; NA if it is not there.",
    ('TEXTBEFORE("a-b-c", "-")', "a"),
    ('TEXTBEFORE("a-b-c", "-", 2)', "a-b"),
    ('TEXTBEFORE("abc", "-")', "#NA"),
    fails=True,
    postgresql=pg(
        "case when {1} <> '' and strpos({0}, {1}) > 0 then left({0}, strpos({0}, {1}) - 1) end",
        _pg_parts("1", _PG_PLACE),
    ),
)
def _before(text: str, separator: str, occurrence: int = 1) -> str | CellError:
    parts = _split_at(text, separator, occurrence)
    return parts if isinstance(parts, CellError) else parts[0]


@WORDING.add(
    "TEXTAFTER",
    "t, t, i?",
    TEXT,
    "之后：分隔符之后的文本",
    "The text after a separator; NA if it is not there.",
    ('TEXTAFTER("a-b-c", "-")', "b-c"),
    ('TEXTAFTER("a-b-c", "-", -1)', "c"),
    ('TEXTAFTER("abc", "-")', "#NA"),
    fails=True,
    postgresql=pg(
        "case when {1} <> '' and strpos({0}, {1}) > 0 then substr({0}, strpos({0}, {1}) + char_length({1})) end",
        _pg_parts(f"{_PG_PLACE} + 1", _PG_COUNT),
    ),
)
def _after(text: str, separator: str, occurrence: int = 1) -> str | CellError:
    parts = _split_at(text, separator, occurrence)
    return parts if isinstance(parts, CellError) else parts[1]


def _split_at(text: str, separator: str, occurrence: int) -> tuple[str, str] | CellError:
    if not separator or not occurrence:
        return VALUE
    parts = text.split(separator)
    place = occurrence if occurrence > 0 else len(parts) + occurrence
    if not 1 <= place < len(parts):
        return NA
    return separator.join(parts[:place]), separator.join(parts[place:])


@WORDING.add(
    "SPLIT",
    "t, t",
    set_of(TEXT),
    "拆分：按分隔符拆成集合",
    "The parts between separators.",
    ('SPLIT("a,b", ",")', ["a", "b"]),
    fails=True,
)
def _split(text: str, separator: str) -> tuple[str, ...] | CellError:
    return tuple(text.split(separator)) if separator else VALUE


def _pad(text: str, length: int, fill: str) -> str | CellError | None:
    """The padding, or an error."""
    if length < 0 or not fill:
        return VALUE
    if length > TEXT_LIMIT:
        return TOO_LONG
    missing = max(0, length - len(text))
    return (fill * (missing // len(fill) + 1))[:missing]


def _pg_padded(function: str) -> Form:
    """PostgreSQL cuts what is too long, which padding does not."""
    within = f"{{1}} between 0 and {TEXT_LIMIT}"
    return pg(
        *(
            f"case when {within}{more} then case when char_length({{0}}) >= {{1}} then {{0}} else {function}({{0}}, {{1}}, {fill}) end end"
            for fill, more in (("' '", ""), ("{2}", " and {2} <> ''"))
        )
    )


@WORDING.add(
    "PADSTART",
    "t, i, t?",
    TEXT,
    "左补齐：在左侧补到指定长度",
    "Filled up at the start to a length.",
    ('PADSTART("7", 3, "0")', "007"),
    fails=True,
    postgresql=_pg_padded("lpad"),
)
def _pad_start(text: str, length: int, fill: str = " ") -> str | CellError | None:
    padding = _pad(text, length, fill)
    return padding + text if isinstance(padding, str) else padding


@WORDING.add(
    "PADEND",
    "t, i, t?",
    TEXT,
    "右补齐：在右侧补到指定长度",
    "Filled up at the end to a length.",
    ('PADEND("a", 3, ".")', "a.."),
    fails=True,
    postgresql=_pg_padded("rpad"),
)
def _pad_end(text: str, length: int, fill: str = " ") -> str | CellError | None:
    padding = _pad(text, length, fill)
    return text + padding if isinstance(padding, str) else padding


@WORDING.add(
    "REVERSE",
    "t",
    TEXT,
    "倒序：字符顺序颠倒",
    "The characters backwards.",
    ('REVERSE("abc")', "cba"),
    postgresql=pg("reverse({0})"),
)
def _reverse(text: str) -> str:
    return text[::-1]


@WORDING.add(
    "ENCODEURL",
    "t",
    TEXT,
    "网址编码：转为网址中可用的形式",
    "As a part of a web address.",
    ('ENCODEURL("a b/张")', "a%20b%2F%E5%BC%A0"),
    fails=True,
)
def _encode_url(text: str) -> str | CellError:
    return quote(text, safe="") if fits(text, 1) else TOO_LONG


@WORDING.add(
    "MASK",
    "t, i, i",
    TEXT,
    "打码：保留首尾若干字符，其余换成星号",
    "Stars but for some characters at both ends.",
    ('MASK("13812345678", 3, 4)', "138****5678"),
    ('MASK("1", -1, 0)', "#VALUE"),
    fails=True,
    postgresql=pg(
        "case when {1} >= 0 and {2} >= 0 then case when {1}::bigint + {2} >= char_length({0}) then {0}"
        " else left({0}, {1}) || repeat('*', char_length({0}) - {1} - {2}) || right({0}, {2}) end end"
    ),
)
def _mask(text: str, start: int, end: int) -> str | CellError:
    if start < 0 or end < 0:
        return VALUE
    if start + end >= len(text):
        return text
    return text[:start] + "*" * (len(text) - start - end) + (text[-end:] if end else "")


@WORDING.add(
    "PINYIN",
    "t",
    TEXT,
    "拼音：汉字转拼音",
    "Chinese characters in pinyin.",
    ('PINYIN("张三")', "zhang san"),
    fails=True,
)
def _pinyin(text: str) -> str | CellError:
    return " ".join(syllables(text)) if len(text) <= PINYIN_LIMIT else TOO_LONG


@WORDING.add(
    "PINYININITIALS",
    "t",
    TEXT,
    "拼音首字母：汉字转拼音首字母",
    "The first letters of the pinyin.",
    ('PINYININITIALS("张三")', "zs"),
    fails=True,
)
def _pinyin_initials(text: str) -> str | CellError:
    return initials(text) if len(text) <= PINYIN_LIMIT else TOO_LONG


@WORDING.add(
    "T",
    "A",
    TEXT,
    "文本或空：文本原样，其他为空",
    "A text as it is, anything else as a blank.",
    ('T("a")', "a"),
    ("T(1)", None),
    nulls="N",
    gives_blank=True,
)
def _text_only(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@WORDING.add(
    "RMBUPPER",
    "n",
    TEXT,
    "人民币大写：金额的中文大写",
    "An amount in Chinese capital words, rounded to fen.",
    ("RMBUPPER(1234.5)", "壹仟贰佰叁拾肆元伍角整"),
    ("RMBUPPER(100000.05)", "壹拾万元零伍分"),
    ("RMBUPPER(0)", "零元整"),
    fails=True,
    aliases=("UPPERMONEY",),
)
def _rmb_upper(amount: Any) -> str | CellError:
    fen = int(round_to(amount, 2).scaleb(2))
    if abs(fen) >= 10**18:
        return VALUE
    sign, fen = ("负" if fen < 0 else ""), abs(fen)
    yuan, jiao, cent = fen // 100, fen // 10 % 10, fen % 10
    words = capital(yuan) + "元" if yuan else ""
    if not jiao and not cent:
        return sign + (words or "零元") + "整"
    if jiao:
        words += DIGITS[jiao] + "角"
    elif words:
        words += "零"
    return sign + words + (DIGITS[cent] + "分" if cent else "整")
