"""Lines of a batch as they come: bytes of any length that may be no text, and the id of a line that cannot be read."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO

#: Bytes that a line may have.
LINE_LIMIT = 1_000_000
#: Where the id of a broken line is looked for: so many characters from its beginning and its end.
_NEAR = 2_000
#: Far more digits than a number of the language has, and fewer than Python reads.
_WHOLE_DIGITS = 4_000
_ID = re.compile(r'[{,]\s*"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?[0-9][0-9.eE+-]{0,60}|true|false|null)')


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Of a line that is too long, `text` is only its beginning and its end."""

    text: str
    too_long: bool = False
    is_text: bool = True


def read_lines(source: BinaryIO) -> Iterator[Line]:
    """Every line that is not empty; never more than a few times `LINE_LIMIT` in memory."""
    first = True
    while piece := source.readline(LINE_LIMIT + 1):
        if first:  # as some editors begin a file
            piece, first = piece.removeprefix(codecs.BOM_UTF8), False
        beginning, end = piece, piece
        while len(end) > LINE_LIMIT and not end.endswith(b"\n"):
            following = source.readline(LINE_LIMIT + 1)
            if not following:
                break
            end = following
        if len(beginning) > LINE_LIMIT:
            ends = beginning[:_NEAR] + end[-_NEAR:]
            yield Line(ends.decode("utf-8", "replace"), too_long=True)
        elif beginning.strip():
            yield _decoded(beginning)


def _decoded(line: bytes) -> Line:
    try:
        return Line(line.decode("utf-8"))
    except UnicodeDecodeError:
        return Line(line.decode("utf-8", "replace"), is_text=False)


def find_id(text: str) -> Any:
    """The id of a line that is no JSON, from its beginning or its end; None where it is not to be found."""
    for part in (text[:_NEAR], text[-_NEAR:]):
        found = _ID.search(part)
        if found is not None:
            try:
                return json.loads(found.group(1), parse_float=Decimal)
            except (ValueError, ArithmeticError):
                return None
    return None


class NoNumber:
    """What `NaN` and `Infinity` are read as: no value of the language, wherever they stand."""


NO_NUMBER = NoNumber()


def parse_line(text: str) -> Any:
    """The JSON of a line, numbers exact. Raises `ValueError`, `ArithmeticError`, `RecursionError`."""
    return json.loads(text, parse_float=Decimal, parse_int=_whole, parse_constant=lambda _name: NO_NUMBER)


def _whole(digits: str) -> Any:
    """A whole number; one that Python would refuse to read for its length is no value either."""
    return int(digits) if len(digits) <= _WHOLE_DIGITS else NO_NUMBER
