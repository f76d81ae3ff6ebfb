"""Formula text to a syntax tree: a Pratt parser with positions and bounds.

Binding from loose to tight: OR, AND, NOT, comparison, `&`, `+ -`, `* /`, `^`, sign, `%`. As in spreadsheets the sign
binds tighter than the power (-2^2 is 4) and powers group from the left (2^3^2 is 64).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from formulas.errors import FormulaError, Message
from formulas.syntax import WORDS, Node, Token, parse_error, tokenize, unexpected

DEPTH_LIMIT = 64
NODE_LIMIT = 500
ARGUMENT_LIMIT = 255
NUMBER_LIMIT = 100
HOP_LIMIT = 5

_BINARY = {
    "OR": 10,
    "AND": 20,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), 40),
    "&": 50,
    **dict.fromkeys(("+", "-"), 60),
    **dict.fromkeys(("*", "/"), 70),
    "^": 80,
}
_NOT = 30
_SIGN = 90
_OPENING = {"(": ")", "[": "]"}


def parse(text: str) -> Node:
    """The syntax tree. Raises `FormulaError` (PARSE or LIMIT) with the place in the text."""
    parser = _Parser(tokenize(text))
    if parser.peek.text == "=" and parser.peek.kind == "sign":
        parser.take()
    if parser.peek.kind == "end":
        raise parse_error("公式为空", "the formula is empty", 0, len(text))
    node = parser.expression(0)
    if parser.peek.kind != "end":
        raise parser.unexpected(parser.peek)
    return node


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    place: int = 0
    depth: int = 0
    nodes: int = 0

    @property
    def peek(self) -> Token:
        return self.tokens[self.place]

    def take(self) -> Token:
        token = self.tokens[self.place]
        self.place += 1
        return token

    def node(self, kind: str, value: object, args: tuple[Node, ...], start: int, end: int) -> Node:
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            raise _limit(f"公式超过 {NODE_LIMIT} 个部分", f"more than {NODE_LIMIT} parts", start, end)
        return Node(kind, value, args, start, end)

    def expression(self, binding: int) -> Node:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            token = self.peek
            raise _limit(f"嵌套超过 {DEPTH_LIMIT} 层", f"nested deeper than {DEPTH_LIMIT}", token.start, token.end)
        left = self.operand()
        while (power := self.binding(self.peek)) > binding:
            operator = self.take()
            right = self.expression(power)
            left = self.node("binary", _operator(operator), (left, right), left.start, right.end)
        self.depth -= 1
        return left

    def binding(self, token: Token) -> int:
        if token.kind == "name" and token.text.upper() in WORDS:
            return _BINARY[WORDS[token.text.upper()]]
        return _BINARY.get(token.text, 0) if token.kind == "sign" else 0

    def operand(self) -> Node:
        token = self.peek
        if token.kind == "sign" and token.text in ("-", "+"):
            self.take()
            inner = self.expression(_SIGN)
            return self.node("unary", token.text, (inner,), token.start, inner.end)
        if self.negates(token):
            self.take()
            inner = self.expression(_NOT)
            return self.node("call", "NOT", (inner,), token.start, inner.end)
        return self.percents(self.primary())

    def negates(self, token: Token) -> bool:
        """`NOT x` and `非 x`; before a bracket both are functions, and 非 alone may be a field."""
        if token.kind != "name":
            return False
        following = self.tokens[self.place + 1]
        if following.kind == "sign" and following.text == "(":
            return False
        return token.text.upper() == "NOT" or (token.text == "非" and following.kind in ("name", "label"))

    def percents(self, node: Node) -> Node:
        while self.peek.kind == "sign" and self.peek.text == "%":
            node = self.node("percent", None, (node,), node.start, self.take().end)
        return node

    def primary(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return self.node("number", _number(token), (), token.start, token.end)
        if token.kind == "text":
            return self.node("text", token.text, (), token.start, token.end)
        if token.kind == "label":
            return self.names(token)
        if token.kind == "name":
            return self.named(token)
        if token.kind == "sign" and token.text in _OPENING:
            return self.bracketed(token)
        raise self.unexpected(token)

    def bracketed(self, opening: Token) -> Node:
        closing = _OPENING[opening.text]
        if closing == ")":
            inner = self.expression(0)
            end = self.expect(closing, opening)
            return replace(inner, start=opening.start, end=end)
        parts, end = self.arguments(opening, closing)
        return self.node("list", None, parts, opening.start, end)

    def named(self, token: Token) -> Node:
        """A function with its arguments, or a path. Function names may have dots (`CEILING.MATH`)."""
        name, place = token.text, self.place
        while self.tokens[place].text == "." and self.tokens[place + 1].kind == "name":
            name += "." + self.tokens[place + 1].text
            place += 2
        if self.tokens[place].text != "(" or self.tokens[place].kind != "sign":
            return self.names(token)
        self.place = place + 1
        parts, end = self.arguments(self.tokens[place], ")")
        return self.node("call", name.upper(), parts, token.start, end)

    def names(self, first: Token) -> Node:
        names, steps = [first.text], [(first.start, first.end)]
        end = first.end
        while self.peek.text == "." and self.peek.kind == "sign":
            self.take()
            step = self.take()
            if step.kind not in ("name", "label"):
                raise self.unexpected(step, "点号后应为字段名", "a name is expected after the dot")
            names.append(step.text)
            steps.append((step.start, step.end))
            end = step.end
        if len(names) > HOP_LIMIT + 2:
            raise _limit(f"路径超过 {HOP_LIMIT} 层", f"path longer than {HOP_LIMIT} steps", first.start, end)
        return replace(self.node("name", tuple(names), (), first.start, end), steps=tuple(steps))

    def arguments(self, opening: Token, closing: str) -> tuple[tuple[Node, ...], int]:
        if self.peek.text == closing and self.peek.kind == "sign":
            return (), self.take().end
        parts = [self.expression(0)]
        while self.peek.text == "," and self.peek.kind == "sign":
            self.take()
            parts.append(self.expression(0))
            if len(parts) > ARGUMENT_LIMIT:
                raise _limit(f"参数超过 {ARGUMENT_LIMIT} 个", f"more than {ARGUMENT_LIMIT} arguments", *parts[-1].at)
        return tuple(parts), self.expect(closing, opening)

    def expect(self, closing: str, opening: Token) -> int:
        token = self.peek
        if token.kind == "sign" and token.text == closing:
            return self.take().end
        if token.kind == "end":
            raise parse_error(f"缺少“{closing}”", f'"{closing}" is missing', opening.start, token.end)
        raise self.unexpected(token)

    def unexpected(self, token: Token, zh: str = "", en: str = "") -> FormulaError:
        if zh:
            return parse_error(zh, en, token.start, token.end)
        if token.kind == "end":
            return parse_error("公式不完整", "the formula is incomplete", token.start, token.end)
        before = self.tokens[max(self.place - 1, 0)]
        remainder = before.text == "%" and before.kind == "sign" and token.kind in ("number", "name", "label")
        return unexpected(token.text[:40], token.start, token.end, "MOD" if remainder else "")


def _operator(token: Token) -> str:
    return WORDS.get(token.text.upper(), token.text)


def _limit(zh: str, en: str, start: int, end: int) -> FormulaError:
    return FormulaError("LIMIT", Message(zh, en), (start, end))


def _number(token: Token) -> Decimal:
    """The exact digits. Long exponents are refused before they are written out."""
    digits = Decimal(token.text)
    if len(token.text) > NUMBER_LIMIT or (digits and abs(digits.adjusted()) > NUMBER_LIMIT):
        raise _limit(
            f"数字超过 {NUMBER_LIMIT} 位", f"a number of more than {NUMBER_LIMIT} digits", token.start, token.end
        )
    return Decimal(format(digits, "f"))
