"""JSON in one canonical form: exact decimals in and out, sorted keys where two writers must agree byte by byte."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import msgspec

from builder.kernel.limits import BODY_DEPTH
from builder.kernel.problems import Problem
from builder.kernel.text import say

JSON = Any  # None | bool | int | Decimal | str | list[JSON] | dict[str, JSON]

_decoder = msgspec.json.Decoder(float_hook=Decimal)
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
        detail = str(error)
        raise Problem(
            "request.malformed", say(f"请求内容不是有效的 JSON:{detail}", f"The body is not valid JSON: {detail}")
        ) from None
    _refuse_depth(value)
    return value


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
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in inner if isinstance(child, dict | list)]


def dump_json(value: JSON) -> bytes:
    """Write JSON without white space, keys in their own order."""
    return _encoder.encode(value)


def dump_sorted(value: JSON) -> bytes:
    """Write JSON without white space, keys sorted: equal values give equal bytes."""
    return _sorting_encoder.encode(value)


def dump_pretty(value: JSON) -> str:
    """Write JSON for people and git: two spaces, keys in their own order, a line feed at the end."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def content_hash(value: JSON) -> str:
    """Return the SHA-256 (hex) of a JSON value's canonical form."""
    return hashlib.sha256(dump_sorted(value)).hexdigest()
