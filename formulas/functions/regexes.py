"""Regular expressions: RE2, whose time grows linearly with the text, and patterns that are constants."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from formulas.errors import CellError
from formulas.functions.declare import Family
from formulas.types import BOOLEAN, TEXT
from formulas.values import NA, TEXT_LIMIT, TOO_LONG, TOO_MUCH, VALUE, Failure

REGEXES = Family("regex")
PATTERN_LIMIT = 1_000
#: Characters of a text times steps of a pattern: a tenth of a second where RE2 has to follow every way at once.
WORK_LIMIT = 8_000_000
#: Places that are replaced within a tenth of a second.
REPLACED_LIMIT = 5_000


@lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeError):
        return None


def _pattern(pattern: str, text: str) -> Any:
    found = _compile(pattern) if len(pattern) <= PATTERN_LIMIT else None
    if found is None:
        raise Failure(VALUE)
    if len(text) * found.programsize > WORK_LIMIT:
        raise Failure(TOO_MUCH)
    return found


@REGEXES.add(
    "REGEXTEST",
    "t, t!",
    BOOLEAN,
    "正则匹配：文本是否匹配正则表达式",
    "Whether a pattern matches somewhere in the text.",
    ('REGEXTEST("a1", "[0-9]")', True),
    ('REGEXTEST("a", "(")', "#VALUE"),
    fails=True,
    aliases=("REGEXMATCH",),
    cost=5,
)
def _test(text: str, pattern: str) -> bool:
    return _pattern(pattern, text).search(text) is not None


@REGEXES.add(
    "REGEXEXTRACT",
    "t, t!",
    TEXT,
    "正则提取：第一处匹配，有分组时取第一组",
    "The first match, or its first group; NA if there is none.",
    ('REGEXEXTRACT("订单 A-102", "[A-Z]-([0-9]+)")', "102"),
    ('REGEXEXTRACT("a", "b")', "#NA"),
    fails=True,
    cost=5,
)
def _extract(text: str, pattern: str) -> str | CellError:
    found = _pattern(pattern, text).search(text)
    if found is None:
        return NA
    group = found.group(1) if found.re.groups else found.group(0)
    return group if group is not None else ""


@REGEXES.add(
    "REGEXREPLACE",
    "t, t!, t",
    TEXT,
    "正则替换：把匹配处换成另一段文本",
    "All matches replaced; \\1 stands for the first group.",
    ('REGEXREPLACE("a1b2", "[0-9]", "#")', "a#b#"),
    fails=True,
    cost=5,
)
def _replace(text: str, pattern: str, new: str) -> str | CellError:
    compiled = _pattern(pattern, text)
    if (len(text) + 1) * max(len(new), 1) > 100 * TEXT_LIMIT:
        return TOO_LONG
    try:
        replaced, count = compiled.subn(new, text, REPLACED_LIMIT)
    except (re2.error, IndexError):
        return VALUE
    return str(replaced) if count < REPLACED_LIMIT else TOO_MUCH
