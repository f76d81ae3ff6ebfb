"""In which order things can take each other's names."""

from __future__ import annotations

from collections.abc import Mapping

PARKED = "__moving"
"""Ends the key of what is in between two names while a circle is untied; no key may have two underscores in a row."""


def order_moves(moves: Mapping[str, str]) -> list[tuple[str, str]]:
    """Order renames old -> new so that each new name is free when its turn comes. A circle is untied by parking one of it.

    >>> order_moves({"a": "b", "b": "c"})
    [('b', 'c'), ('a', 'b')]
    >>> order_moves({"a": "b", "b": "a"})
    [('a', 'a__moving'), ('b', 'a'), ('a__moving', 'b')]
    """
    waiting = {old: new for old, new in moves.items() if old != new}
    ordered: list[tuple[str, str]] = []
    while waiting:
        ready = [old for old, new in waiting.items() if new not in waiting]
        if ready:
            ordered += [(old, waiting.pop(old)) for old in ready]
            continue
        old = next(iter(waiting))
        parked = old + PARKED
        ordered.append((old, parked))
        waiting[parked] = waiting.pop(old)
    return ordered
