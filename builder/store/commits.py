"""Telling who waits for it that this process has committed something."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[], None]


class Commits:
    """Listeners to the commits of one open database. Commits of other processes are not told."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> None:
        """Call a listener after every commit, from whatever thread committed: it must be quick and raise nothing."""
        self._listeners = (*self._listeners, listener)

    def forget(self, listener: Listener) -> None:
        """Call a listener no longer."""
        self._listeners = tuple(known for known in self._listeners if known != listener)

    def tell(self) -> None:
        """Something was committed."""
        for listener in self._listeners:
            listener()
