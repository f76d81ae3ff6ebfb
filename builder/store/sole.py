"""One process serves an SQLite file: it holds a lock beside it for as long as it lives, also if it is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PATIENCE_SECONDS = 5
"""For this long whoever comes waits: the one before may just be ending."""


@contextmanager
def sole_process(path: str) -> Iterator[bool]:
    """Hold the file ``path``; says whether nobody else does.

    The lock is SQLite's own, on an empty file of its own, so it means the same on every system and goes with the process.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)  # a first start: neither file nor folder is there
    with closing(sqlite3.connect(f"{path}-serving", isolation_level=None)) as lock:
        lock.execute(f"PRAGMA busy_timeout={PATIENCE_SECONDS * 1000}")
        try:
            lock.execute("PRAGMA journal_mode=MEMORY")  # no file of its own beside this one
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
            return
        yield True
