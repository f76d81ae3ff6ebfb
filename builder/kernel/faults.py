"""Named crash points, so that a test can kill the process at the n-th passage and look at what is left.

Off unless the environment says ``DOUGONG_CRASH_AT=<point>:<n>`` when the process starts. Never set it in service.
"""

from __future__ import annotations

import os
import signal

_wanted = os.environ.get("DOUGONG_CRASH_AT", "")
_passages = {"count": 0}


def crash_point(name: str) -> None:
    """End the process with SIGKILL if the environment asked for this passage."""
    if not _wanted:
        return
    point, _, number = _wanted.partition(":")
    if point != name:
        return
    _passages["count"] += 1
    if _passages["count"] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)
