"""The words of sentences about assignment rules, and how a sentence is cut into them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from builder.definition.assignment import LeastLoad, RoundRobin
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say

COMPARISONS: Mapping[str, str] = {
    **dict.fromkeys((">=", "≥", "大于等于", "不低于", "不少于", "不小于", "至少"), ">="),
    **dict.fromkeys(("<=", "≤", "小于等于", "不超过", "不高于", "不多于", "至多"), "<="),
    **dict.fromkeys((">", "大于", "高于", "超过", "多于"), ">"),
    **dict.fromkeys(("<", "小于", "低于", "少于", "不到"), "<"),
    **dict.fromkeys(("<>", "≠", "!=", "不等于", "不是"), "<>"),
    **dict.fromkeys(("=", "==", "等于", "是", "为", "属于"), "="),
}
UNITS: Mapping[str, int] = {"百": 100, "千": 1_000, "万": 10_000, "亿": 100_000_000}
AND, OR = ("且", "并且", "而且", "以及", "和"), ("或", "或者", "、")
WEEKDAYS = "一二三四五六日"
PICKS: Mapping[str, type[LeastLoad] | type[RoundRobin]] = {
    "优先分给": LeastLoad,
    "分给": LeastLoad,
    "分给空闲最多的": LeastLoad,
    "轮流分给": RoundRobin,
}
_WORDS = (
    *COMPARISONS, *AND, *OR, *PICKS, "的", ",", "(", ")", "来自", "为空", "不为空", "包含", "工作日", "周末", "周", "至", "到", "-",
    "角色", "的上级", "对应的人", "区域的人", "每人最多", "条", "请假出差也分", "点", "半", "@", *UNITS, "元", "中空闲最多的",
    *WEEKDAYS,
)  # fmt: skip
_SAME = str.maketrans(
    {
        "，": ",",
        "：": ":",
        "（": "(",
        "）": ")",
        "＞": ">",
        "＜": "<",
        "＝": "=",
        "。": " ",
        "；": ",",
        "“": '"',
        "”": '"',
    }
)
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_QUOTED = re.compile(r'"([^"]*)"')
_USERNAME = re.compile(r"@([A-Za-z0-9._-]+)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


class FieldWord(NamedTuple):
    """A field as sentences call it."""

    key: str
    label: str
    kind: str
    """Its kind of formula type."""
    options: tuple[tuple[str, str], ...] = ()
    """(label, key)"""


@dataclass(frozen=True)
class Vocabulary:
    """The words of an app and of the people there are."""

    entity: str
    """The label of the entity."""
    fields: tuple[FieldWord, ...]
    users: tuple[tuple[str, str], ...] = ()
    """(name, user name)"""
    departments: tuple[tuple[str, str], ...] = ()
    """(name, key)"""
    roles: tuple[tuple[str, str], ...] = ()
    """(label, key)"""

    def role_called(self, name: str) -> str | None:
        """Return the key of the one role of this label."""
        found = [key for label, key in self.roles if label == name]
        return found[0] if len(found) == 1 else None

    def field_named(self, label: str) -> FieldWord | None:
        """Return the field of a label."""
        return next((f for f in self.fields if f.label == label), None)

    def fields_with(self, option: str) -> list[FieldWord]:
        """Return the fields that have an option of this label."""
        return [f for f in self.fields if any(label == option for label, _ in f.options)]

    def usernames(self, name: str) -> list[str]:
        """Return the user names of everybody of that name."""
        return [username for known, username in self.users if known == name]

    def words(self) -> list[str]:
        """Return every word, the longest first."""
        found = {self.entity, *(f.label for f in self.fields), *(label for f in self.fields for label, _ in f.options)}
        found |= {name for names in (self.users, self.departments, self.roles) for name, _ in names}
        return sorted({*found, *_WORDS} - {""}, key=lambda word: (-len(word), word))


class Unclear(Exception):
    """A sentence that is not understood: which words, and where they begin."""

    def __init__(self, message: Text, words: str, at: int) -> None:
        self.message = message
        self.words = words
        self.at = at
        super().__init__(message.en)


class Token(NamedTuple):
    """One word of a sentence. ``kind``: word, number, text, username, clock, end."""

    kind: str
    text: str
    at: int


def tokenize(sentence: str, vocabulary: Vocabulary) -> list[Token]:
    """Cut a sentence into words, the longest known word first.

    Raises:
        Unclear: with all the words that nothing has.
    """
    text = sentence.translate(_SAME)
    words = vocabulary.words()
    named = [word for word in words if word not in WEEKDAYS]  # a name may have these characters in it
    tokens: list[Token] = []
    unknown: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        after_week = bool(tokens) and tokens[-1].text == "周"
        found = _match(text, at, words if after_week else named)
        if found is None:
            if unknown and unknown[-1].at + len(unknown[-1].text) == at:
                unknown[-1] = unknown[-1]._replace(text=unknown[-1].text + text[at])
            else:
                unknown.append(Token("unknown", text[at], at))
            at += 1
            continue
        token, at = found
        tokens.append(token)
    if unknown:
        told = [(token.text, nearest_hint(token.text, words)) for token in unknown]
        zh = "看不懂" + "、".join(f"“{text}”{hint.zh}" for text, hint in told)
        en = "Not understood: " + ", ".join(f'"{text}"{hint.en}' for text, hint in told)
        raise Unclear(say(zh, en), unknown[0].text, unknown[0].at)
    return [*tokens, Token("end", "", len(text))]


def _match(text: str, at: int, words: Sequence[str]) -> tuple[Token, int] | None:
    for kind, pattern in (("clock", _CLOCK), ("number", _NUMBER), ("text", _QUOTED), ("username", _USERNAME)):
        found = pattern.match(text, at)
        if found is not None:
            shown = found[1] if kind in ("text", "username") else found[0]
            return Token(kind, shown, at), found.end()
    for word in words:
        if text.startswith(word, at):
            return Token("word", word, at), at + len(word)
    return None
