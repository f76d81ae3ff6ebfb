"""Time limits that hold on a busy machine: something counts as quick if it is quick once in a few tries. Waiting for what others do."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable


def quickest(
    do: Callable[[], object], within: float, *, clock: Callable[[], float] = time.process_time, tries: int = 5
) -> float:
    """Return the least seconds ``do`` took in up to ``tries`` tries; what other tests left to be collected does not count."""
    least = float("inf")
    for _ in range(tries):
        gc.disable()  # a collection walks all that a process full of tests keeps
        try:
            started = clock()
            do()
            least = min(least, clock() - started)
        finally:
            gc.enable()
        if least <= within:
            break
    return least


def wait_until(holds: Callable[[], object], *, within: float = 60) -> bool:
    """Ask again and again about another process or session; tell whether it came about within so many seconds.

    There is a pause between, since whoever asks without one takes the processor from those who work.
    """
    pause, end = threading.Event(), time.monotonic() + within
    while not holds():
        if time.monotonic() > end:
            return False
        pause.wait(0.005)
    return True
