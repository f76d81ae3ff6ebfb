"""What was worked out once of a compiled app and holds as long as the app does. Any thread may ask: two may make the same, which does no harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from builder.compiled.app import CompiledApp

V = TypeVar("V")
_KEPT = 200


class PerApp(Generic[V]):
    """A value for each of the compiled apps that were asked for last."""

    def __init__(self, make: Callable[[CompiledApp], V]) -> None:
        self._make = make
        self._made: dict[int, tuple[CompiledApp, V]] = {}  # the app is kept with it, so its id stays its own

    def of(self, app: CompiledApp) -> V:
        """Return the value of an app."""
        found = self._made.get(id(app))
        if found is not None and found[0] is app:
            return found[1]
        value = self._make(app)
        if len(self._made) >= _KEPT:
            self._made.pop(next(iter(self._made)), None)
        self._made[id(app)] = (app, value)
        return value
