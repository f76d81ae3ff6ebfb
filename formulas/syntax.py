"""Tokens and the syntax tree of formula text, with positions in the text as it was typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from formulas.errors import FormulaError, Message

LENGTH_LIMIT = 4_000

#: Full-width forms that mean the same as their ASCII sign outside texts and labels. One character to one, so that
#: positions stay what the person sees.
_NORMAL = str.maketrans(
    "（）［］｛｝【】，＝＞＜＋－＊／＾％＆．！。×÷−–　０１２３４５６７８９",
    "()[]{}[],=><+-*/^%&.!.*/-- 0123456789",
)
#: NUL and halves of characters: neither database can hold them.
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign><>|<=|>=|==|!=|[=<>≠≤≥+\-*/^%&(),.\[\]])"
)
#: What stands between conditions; the Chinese ones need no space behind them.
WORDS = {"AND": "AND", "OR": "OR", "并且": "AND", "且": "AND", "或者": "OR", "或": "OR"}
JOINING = tuple(word for word in WORDS if not word.isascii())
_SAME = {"==": "=", "!=": "<>", "≠": "<>", "≤": "<=", "≥": ">="}
_CLOSING = {'"': '"', "“": "”", "”": "”"}


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a formula. `kind` is number, text, name, label, sign or end."""

    kind: str
    text: str
    start: int
    end: int
    spaced: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A syntax node: number, text, name (a path of names), call, unary, binary, percent or list."""

    kind: str
    value: Any
    args: tuple[Node, ...]
    start: int
    end: int
    #: Of a path: the span of each of its names.
    steps: tuple[tuple[int, int], ...] = ()

    @property
    def at(self) -> tuple[int, int]:
        """The half-open span in the text."""
        return self.start, self.end


def parse_error(zh: str, en: str, start: int, end: int) -> FormulaError:
    """An error in the text itself."""
    return FormulaError("PARSE", Message(zh, en), (start, end))


_CHOICE = ("请写 IF(条件, 值, 否则)", "write IF(condition, value, otherwise)")
_QUOTES = ("文本请用双引号", "texts stand in double quotes")
_COMPARING = ("比较符号是 = <> < <= > >=", "comparisons are = <> < <= > >=")
#: What people write who know other languages, and how it is said here.
_MEANT = {
    **dict.fromkeys((";", "；", "、"), ("参数之间请用逗号", "arguments are separated by commas")),
    **dict.fromkeys(("'", "‘", "’", "`", "「", "『"), _QUOTES),
    **dict.fromkeys((">", "<", "=", "<>"), _COMPARING),
    **dict.fromkeys(("THEN", "ELSE", "?"), _CHOICE),
    "|": ("“或”请写 OR", "write OR"),
    "&": ("“且”请写 AND", "write AND"),
    "!": ("“非”请写 NOT(…)", "write NOT(…)"),
    "MOD": ("余数请写 MOD(a, b)", "write MOD(a, b)"),
    "LIKE": ("包含请写 CONTAINS(文本, 部分)", "write CONTAINS(text, part)"),
    "IS": ("是否为空请写 ISBLANK(…)", "write ISBLANK(…)"),
    "IN": ("请写 IN(值, 选项, …)", "write IN(value, choice, …)"),
    "BETWEEN": ("请写 BETWEEN(值, 下限, 上限)", "write BETWEEN(value, lowest, highest)"),
}


def unexpected(shown: str, start: int, end: int, meant: str = "") -> FormulaError:
    """The error of a sign or word that has no place here, with how it is said in this language."""
    zh, en = _MEANT.get((meant or shown).upper(), ("", ""))
    return parse_error(
        f"此处不应有“{shown}”" + (f"，{zh}" if zh else ""),
        f'unexpected "{shown}"' + (f"; {en}" if en else ""),
        start,
        end,
    )


def tokenize(text: str) -> list[Token]:
    """The tokens of a formula, in linear time. Raises `FormulaError` (PARSE or LIMIT)."""
    if len(text) > LENGTH_LIMIT:
        message = Message(f"公式超过 {LENGTH_LIMIT} 个字符", f"the formula is longer than {LENGTH_LIMIT} characters")
        raise FormulaError("LIMIT", message, (LENGTH_LIMIT, len(text)))
    broken = _NO_TEXT.search(text)
    if broken is not None:
        raise parse_error("这里有不是文字的字符", "this is no character of a text", broken.start(), broken.end())
    normal = text.translate(_NORMAL)
    tokens: list[Token] = []
    place, spaced = 0, False
    while place < len(text):
        char = normal[place]
        if char in _CLOSING:
            token = _text(text, place)
        elif char == "{":
            token = _label(text, normal, place)
        else:
            found = _TOKEN.match(normal, place)
            if found is None:
                raise unexpected(text[place], place, place + 1)
            if found.lastgroup == "space":
                place, spaced = found.end(), True
                continue
            word = text[place : found.end()] if found.lastgroup == "name" else found.group()
            if found.lastgroup == "name" and tokens and _is_operand_end(tokens[-1]):
                word = next((joining for joining in JOINING if word.startswith(joining)), word)
            token = Token(str(found.lastgroup), _SAME.get(word, word), place, place + len(word), spaced)
        tokens.append(token)
        place, spaced = token.end, False
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _is_operand_end(token: Token) -> bool:
    """Whether a name may not follow: in `预算>5且结果="open"` 且 is a word of its own, as nobody writes a space there."""
    if token.kind == "sign":
        return token.text in (")", "]", "%")
    return token.kind != "name" or token.text.upper() not in ("NOT", "非", *WORDS)


def _text(text: str, start: int) -> Token:
    """A text in quotes; a doubled quote inside stands for one."""
    closing = _CLOSING[text[start]]
    parts: list[str] = []
    place = start + 1
    while True:
        end = text.find(closing, place)
        if end < 0:
            raise parse_error("文本缺少右引号", "the text has no closing quote", start, len(text))
        parts.append(text[place:end])
        if closing != '"' or text[end + 1 : end + 2] != '"':
            break
        parts.append('"')
        place = end + 2
    return Token("text", "".join(parts), start, end + 1)


def _label(text: str, normal: str, start: int) -> Token:
    """A name in braces, exactly as written between them."""
    end = normal.find("}", start)
    if end < 0:
        raise parse_error("缺少右花括号 }", "the name has no closing brace }", start, len(text))
    name = text[start + 1 : end].strip()
    if not name:
        raise parse_error("花括号内应为字段名", "a name is expected between the braces", start, end + 1)
    return Token("label", name, start, end + 1)
