"""What was worked out once and holds as long as the app's version does, kept by what it was asked for. Any thread may ask."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Any, Generic, TypeVar

from formulas.filter_texts import FORMULA
from runtime.query.conditions import AllOf

V = TypeVar("V")

TEXT_BYTES = 2_000
"""Longer query strings are read anew each time."""


class Kept(Generic[V]):
    """Values by key; beyond its size the one that was made first goes."""

    def __init__(self, size: int = 2_000) -> None:
        self._size = size
        self._values: dict[Hashable, V] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> V | None:
        """Return a value that is kept."""
        return self._values.get(key)

    def keep(self, key: Hashable, value: V) -> V:
        """Keep a value and return it."""
        with self._lock:
            if len(self._values) >= self._size:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value


def is_constant(condition: Any) -> bool:
    """Tell whether a filter means the same at any moment and for anybody: it has no ``$`` variable and no formula."""
    if isinstance(condition, AllOf):
        return all(is_constant(part) for part, _ in condition.parts)
    if isinstance(condition, str):
        return False
    return not _may_change(condition)


def _may_change(value: Any) -> bool:
    if isinstance(value, dict):
        return FORMULA in value or any(map(_may_change, value.values()))
    if isinstance(value, list):
        return any(map(_may_change, value))
    return isinstance(value, str) and value.startswith("$")
