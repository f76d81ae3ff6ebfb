"""What an error of the SQLite driver means to those who use the port."""

from __future__ import annotations

import sqlite3

from builder.store.database import (
    ConstraintRefused,
    DatabaseBusy,
    DatabaseFull,
    SchemaMoved,
    StatementTimeout,
    StatementTooDeep,
)

_FILE_TROUBLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
_CANNOT_NOW = frozenset((sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, *_FILE_TROUBLE))
"""What is wrong with the file or the machine, not with the statement."""
_TOO_DEEP = ("parser stack overflow", "Expression tree is too large")


def translate(error: BaseException) -> BaseException:
    """Turn a driver's error into one of the port's; anything else passes."""
    if isinstance(error, sqlite3.IntegrityError):
        text = str(error)
        if text.startswith("UNIQUE"):
            return ConstraintRefused("unique", text.partition(": ")[2])
        return ConstraintRefused("reference" if "FOREIGN KEY" in text else "other", text)
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more about it
        if code == sqlite3.SQLITE_INTERRUPT:
            return StatementTimeout()
        if code == sqlite3.SQLITE_FULL:
            return DatabaseFull(str(error))
        if code in _CANNOT_NOW:
            return DatabaseBusy(str(error))
        if str(error).startswith(_TOO_DEEP):
            return StatementTooDeep(str(error))
        if code == sqlite3.SQLITE_SCHEMA or str(error).startswith(("no such column", "no such table")):
            return SchemaMoved(str(error))
    return error
