"""Errors of the language: what is wrong with a formula (raised) and what is wrong with one value (returned)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, get_args

Kind = Literal["PARSE", "TYPE", "NAME", "LIMIT", "DIV0", "VALUE", "NUM", "NA"]
CELL_KINDS: tuple[Kind, ...] = ("DIV0", "VALUE", "NUM", "NA", "LIMIT")


@dataclass(frozen=True, slots=True)
class Message:
    """One text in both languages."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.en


class FormulaError(Exception):
    """One thing wrong with a formula or a filter.

    `at` is the half-open span of characters in a text, `pointer` the JSON pointer (RFC 6901) in a filter tree.
    """

    def __init__(self, kind: Kind, message: Message, at: tuple[int, int] | None = None, pointer: str = "") -> None:
        super().__init__(message.en)
        self.kind: Kind = kind
        self.message = message
        self.at = at
        self.pointer = pointer

    def __reduce__(self) -> tuple[type[FormulaError], tuple[object, ...]]:
        return FormulaError, (self.kind, self.message, self.at, self.pointer)


class FormulaErrors(Exception):
    """Everything wrong with one formula or filter, in reading order; never empty."""

    def __init__(self, errors: Iterable[FormulaError]) -> None:
        self.errors: tuple[FormulaError, ...] = tuple(errors)
        super().__init__("; ".join(error.message.en for error in self.errors))


class CellError:
    """An error as the value of one cell. It travels through functions like a blank and never stops a list."""

    __slots__ = ("kind", "message")

    def __init__(self, kind: Kind, message: Message) -> None:
        self.kind: Kind = kind
        self.message = message

    def __repr__(self) -> str:
        return f"CellError({self.kind})"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a person most likely meant, or None."""
    if len(name) > 100:
        return None
    candidates: dict[str, str] = {}
    for text in known:
        candidates.setdefault(text.casefold(), text)  # of names that differ by case alone the first, which is the key
    found = get_close_matches(name.casefold(), candidates, n=1, cutoff=0.6)
    if found:
        return candidates[found[0]]
    wanted = name.casefold()
    inside = [text for folded, text in candidates.items() if len(wanted) > 1 and wanted in folded]
    return min(inside, key=len, default=None)


def nearest_key(name: str, known: Iterable[tuple[str, str]]) -> str | None:
    """The key a person most likely meant, of (key, label): the one that is called so, else the nearest, or None."""
    pairs = tuple(known)
    called = next((key for key, label in pairs if label == name), None)
    return called if called is not None else nearest(name, [key for key, _ in pairs])


def did_you_mean(suggestion: str | None) -> tuple[str, str]:
    """The tail of a message in zh and en that offers the suggestion, empty without one."""
    if suggestion is None:
        return "", ""
    return f"，是否想写“{suggestion}”？", f'; did you mean "{suggestion}"?'


assert set(CELL_KINDS) <= set(get_args(Kind))
