"""Texts for people with formulas in double braces: ``客户 {{customer.name}} 已 {{days}} 天未跟进``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# a label is written in braces of its own, so three may stand in a row: {{{客户名称}}}
_PIECE = re.compile(r"\{\{(.+?)\}\}(?!\})", re.DOTALL)


class Piece(NamedTuple):
    """A formula in a template. ``at`` is the place of its first character."""

    formula: str
    at: int


def pieces(template: str) -> Iterator[Piece]:
    """Yield the formulas of a template."""
    for found in _PIECE.finditer(template):
        yield Piece(found[1], found.start(1))


def fill(template: str, show: Callable[[str], str]) -> str:
    """Return the template with what ``show`` says for each formula."""
    return _PIECE.sub(lambda found: show(found[1]), template)


def split(template: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a template in their order: text or formula, and whether it is text."""
    end = 0
    for found in _PIECE.finditer(template):
        if found.start() > end:
            yield template[end : found.start()], True
        yield found[1], False
        end = found.end()
    if end < len(template):
        yield template[end:], True


def rewrite(template: str, change: Callable[[str], str]) -> str:
    """Return the template with other formulas."""
    return _PIECE.sub(lambda found: "{{" + change(found[1]) + "}}", template)
