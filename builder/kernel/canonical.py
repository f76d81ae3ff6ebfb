"""JSON in one canonical form: exact decimals in and out, sorted keys where two writers must agree byte by byte."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import msgspec

from builder.kernel.clock import instant_text
from builder.kernel.limits import BODY_DEPTH, NUMBER_EXPONENT
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say

JSON = Any  # None | bool | int | Decimal | str | list[JSON] | dict[str, JSON]

PRETTY_WIDTH = 120


def _read_number(text: str) -> Decimal:
    number = Decimal(text)
    if not -NUMBER_EXPONENT <= number.adjusted() <= NUMBER_EXPONENT:
        raise ValueError(
            f"a number beyond 10^±{NUMBER_EXPONENT}"
        )  # a few bytes that would be a gigabyte when written out
    return number


_NESTED = frozenset({dict, list})
_decoder = msgspec.json.Decoder(float_hook=_read_number)
_encoder = msgspec.json.Encoder(decimal_format="number")
_sorting_encoder = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def parse_json(body: bytes | str) -> JSON:
    """Read JSON text (RFC 8259); non-integers become Decimal, exactly as written.

    Raises:
        Problem: ``request.malformed`` if it is not JSON, ``limit.depth`` if it is nested too deep.
    """
    try:
        value = _decoder.decode(body)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, ValueError) as error:
        raise Problem("request.malformed", _malformed(body, str(error))) from None
    _refuse_depth(value)
    return value


_CUT_OFF = "Input data was truncated"
_BYTE = re.compile(r"\(byte (\d+)\)$")
_FULL_WIDTH = dict(zip("，：“”‘’｛｝［］【】", ',:""""{}[][]', strict=True))


def _malformed(body: bytes | str, detail: str) -> Text:
    """Say where JSON is broken, and that a Chinese input method wrote a mark, if it did."""
    if not body.strip():
        return say("请求没有内容,应是 JSON", "There is no body; it has to be JSON")
    if detail == _CUT_OFF:
        return say(
            "请求内容不是有效的 JSON:到末尾还没有写完,缺少括号或引号",
            "The body is not valid JSON: it ends too early, a bracket or a quote is missing",
        )
    zh, en = f"请求内容不是有效的 JSON:{detail}", f"The body is not valid JSON: {detail}"
    found = _BYTE.search(detail)
    raw = body.encode("utf-8", "replace") if isinstance(body, str) else bytes(body)
    if found is None or int(found[1]) >= len(raw):
        return say(zh, en)
    before = raw[: int(found[1])].decode("utf-8", "replace")
    mark = raw[int(found[1]) :][:4].decode("utf-8", "ignore")[:1]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    zh, en = f"{zh},第 {line} 行第 {column} 个字符", f"{en}, line {line}, character {column}"
    if mark not in _FULL_WIDTH:
        return say(zh, en)
    plain = _FULL_WIDTH[mark]
    return say(f"{zh}是全角标点“{mark}”,请改用半角 {plain}", f"{en} is the full-width mark {mark}; write {plain}")


def _too_deep() -> Problem:
    return Problem(
        "limit.depth", say(f"JSON 嵌套超过 {BODY_DEPTH} 层", f"JSON is nested deeper than {BODY_DEPTH} levels")
    )


def _refuse_depth(value: JSON) -> None:
    level: list[Any] = [value]
    for _ in range(BODY_DEPTH + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _too_deep()


def _children(node: JSON) -> list[Any]:
    inner = node.values() if type(node) is dict else node if type(node) is list else ()
    if _NESTED.isdisjoint(map(type, inner)):
        return []
    return [child for child in inner if type(child) in _NESTED]


def as_integer(value: JSON) -> JSON:
    """Return a number without fraction as an int (JSON does not tell 50 from 50.0); anything else as it is."""
    if isinstance(value, Decimal) and value == value.to_integral_value() and value.adjusted() < PRETTY_WIDTH:
        return int(value)
    return value


def dump_json(value: JSON) -> bytes:
    """Write JSON without white space, keys in their own order."""
    return _encoder.encode(value)


def dump_sorted(value: JSON) -> bytes:
    """Write JSON without white space, keys sorted: equal values give equal bytes."""
    return _sorting_encoder.encode(value)


def dump_pretty(value: JSON) -> str:
    """Write JSON for people and git: keys in their own order, exact numbers, what fits on a line stays on one."""
    return _pretty(value, "", whole=False) + "\n"


def _pretty(value: JSON, indent: str, *, whole: bool = True) -> str:
    if not isinstance(value, dict | list) or not value:
        return dump_json(value).decode()
    inner = indent + "  "
    parts = _parts(value, inner)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    line = f"{opening}{', '.join(parts)}{closing}"
    if whole and "\n" not in line and len(indent) + len(line) <= PRETTY_WIDTH:
        return line
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{closing}"


def _parts(value: JSON, inner: str) -> list[str]:
    if isinstance(value, list):
        return [_pretty(child, inner) for child in value]
    return [f"{dump_json(name).decode()}: {_pretty(child, inner)}" for name, child in value.items()]


def as_json(value: Any) -> JSON:
    """Turn a dumped model into JSON values: tuples into lists, dates into text, equal decimals into one spelling."""
    match value:
        case dict():
            return {name: as_json(inner) for name, inner in value.items()}
        case list() | tuple():
            return [as_json(inner) for inner in value]
        case Decimal():
            return plain_decimal(value)
        case datetime():
            return instant_text(value)
        case date() | time():
            return value.isoformat()
        case _:
            return value


def plain_decimal(number: Decimal) -> Decimal:
    """Return the spelling all equal finite decimals share: no exponent, no zeros at the end (5.00 and 5E+0 are 5)."""
    if not number:
        return Decimal(0)  # minus zero equals it
    digits = f"{number:f}"
    return Decimal(digits.rstrip("0").rstrip(".") or "0" if "." in digits else digits)


def content_hash(value: JSON) -> str:
    """Return the SHA-256 (hex) of a JSON value's canonical form."""
    return hashlib.sha256(dump_sorted(value)).hexdigest()
