"""What a database says when somebody holds what is needed, as a problem that can be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.database import DatabaseBusy, DatabaseFull

_RETRY_SECONDS = 5


def busy() -> Problem:
    """Somebody else holds the tables; nothing was changed."""
    detail = say("数据库正忙,未作任何改动;请稍后再试", "The database is busy; nothing was changed; try again")
    return Problem("publish.busy", detail, retry_after_seconds=_RETRY_SECONDS)


@contextmanager
def told_when_busy() -> Iterator[None]:
    """Turn a lock that was not given in time, or a deadlock, into ``publish.busy``."""
    try:
        yield
    except DatabaseFull:
        raise
    except DatabaseBusy as error:
        raise busy() from error
    except sa.exc.OperationalError as error:
        if "lock" not in str(error.orig):  # "database is locked", "lock timeout", "deadlock detected"
            raise
        raise busy() from error
