"""Where the platform's own tables name a person: what an export of one person shows, and what an erasure deletes.

Every column of a platform table that may hold a user's id stands here (a test looks through all tables), so no table is forgotten.
What stays keeps the bare id, so that references and histories hold: whose it was cannot be told any more once the user is anonymous.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import as_json, dump_json
from builder.store import delivery_tables, people_tables, process_tables, sharing_tables, tables, writing_tables

JSON = Any
MOST_ROWS = 100_000
"""Of one table in an export; histories beyond are told by number."""
_NAME_LENGTH = 2
_SECRET = frozenset(
    {
        "secret",
        "secret_hash",
        "password_hash",
        "former_passwords",
        "recovery",
        "nonce",
        "verifier",
        "browser_hash",
        "state_hash",
        "body",
        "payload",
    }
)
"""Columns that an export leaves out: hashes, sealed values, whole records and answers of others."""


class Trace(NamedTuple):
    """A table that names people, the columns it does so in, and whether its rows go with the person."""

    table: sa.Table
    columns: tuple[str, ...]
    deleted: bool = False

    def rows_of(self, user_id: str) -> sa.ColumnElement[bool]:
        """Return the condition of the rows about a person."""
        return sa.or_(*(self.table.c[name] == user_id for name in self.columns))


TRACES: tuple[Trace, ...] = (
    Trace(tables.session, ("user_id",), deleted=True),
    Trace(tables.token, ("user_id",), deleted=True),
    Trace(tables.setup_link, ("user_id",), deleted=True),
    Trace(tables.view, ("owner_id",), deleted=True),
    Trace(people_tables.factor, ("user_id",), deleted=True),
    Trace(people_tables.provider_account, ("user_id",), deleted=True),
    Trace(people_tables.provider_login, ("user_id",), deleted=True),
    Trace(sharing_tables.share, ("created_by",), deleted=True),
    Trace(delivery_tables.inbox, ("user_id",), deleted=True),
    Trace(delivery_tables.notice_wish, ("user_id",), deleted=True),
    Trace(process_tables.absence, ("user_id",), deleted=True),
    Trace(process_tables.absence, ("created_by",)),
    Trace(writing_tables.idempotency, ("actor",), deleted=True),
    Trace(process_tables.assignment_turn, ("user_id",)),
    Trace(process_tables.assignment_decision, ("user_id", "former_id", "actor")),
    Trace(process_tables.assignment_pool, ("user_id",)),
    Trace(process_tables.automation_run, ("actor",)),
    Trace(delivery_tables.connection, ("updated_by",)),
    Trace(delivery_tables.job, ("created_by",)),
    Trace(tables.app, ("created_by",)),
    Trace(tables.document, ("updated_by",)),
    Trace(tables.version, ("published_by",)),
    Trace(tables.event, ("actor",)),
    Trace(tables.file, ("uploaded_by",)),
    Trace(tables.department, ("manager_id",)),
    Trace(tables.user, ("manager_id",)),
    Trace(tables.stage, ("actor",)),
    Trace(tables.approval, ("asked_by",)),
    Trace(tables.approval_task, ("user_id",)),
    Trace(tables.approval_act, ("actor", "user_id")),
    Trace(tables.security_event, ("actor", "subject")),
    Trace(tables.calendar_day, ("source",)),
    Trace(tables.timer, ("acknowledged_by",)),
    Trace(tables.grant, ("subject",), deleted=True),
    Trace(tables.grant, ("created_by",)),
    Trace(tables.closed_period, ("changed_by",)),
    Trace(writing_tables.trash, ("deleted_by",)),
    Trace(writing_tables.merge, ("merged_by",)),
)


_DONE = sa.select(delivery_tables.job.c.id).where(delivery_tables.job.c.state == "done").scalar_subquery()
COPIES: tuple[tuple[sa.Table, sa.ColumnElement[bool]], ...] = (
    (delivery_tables.export_part, sa.true()),
    (delivery_tables.import_part, delivery_tables.import_part.c.job_id.in_(_DONE)),
)
"""Sheets as they went out and came in: cells that may name anybody, kept for a while. They go with whoever is erased; an export can be made again."""


def export_rows(connection: sa.Connection, trace: Trace, user_id: str) -> dict[str, JSON]:
    """Return what a table says of a person: the rows without secrets, and how many there are."""
    held = trace.rows_of(user_id)
    count = int(connection.scalar(sa.select(sa.func.count()).select_from(trace.table).where(held)) or 0)
    shown = [column for column in trace.table.c if column.name not in _SECRET]
    rows = connection.execute(sa.select(*shown).where(held).limit(MOST_ROWS)).mappings()
    return {"count": count, "rows": [as_json(dict(row)) for row in rows]}


def count_deleted(connection: sa.Connection, user_id: str) -> dict[str, int]:
    """Return how many rows of each table would go with a person."""
    counts = {
        trace.table.name: connection.scalar(
            sa.select(sa.func.count()).select_from(trace.table).where(trace.rows_of(user_id))
        )
        for trace in deleted_traces()
    }
    for table, which in COPIES:
        counts[table.name] = connection.scalar(sa.select(sa.func.count()).select_from(table).where(which))
    return {name: int(count) for name, count in counts.items() if count}


def delete_rows(connection: sa.Connection, user_id: str) -> dict[str, int]:
    """Delete the rows that go with a person; return how many of each table."""
    counts: dict[str, int] = {
        trace.table.name: connection.execute(sa.delete(trace.table).where(trace.rows_of(user_id))).rowcount
        for trace in deleted_traces()
    }
    for table, which in COPIES:
        counts[table.name] = connection.execute(sa.delete(table).where(which)).rowcount
    return {name: count for name, count in counts.items() if count}


def forget_name(connection: sa.Connection, user_id: str, name: str, instead: str) -> None:
    """Put something else in place of a person's name where the platform wrote it down itself: in the words of decisions."""
    decision = process_tables.assignment_decision
    written, blank = (dump_json(text).decode()[1:-1] for text in (name, instead))
    if len(written) < _NAME_LENGTH:
        return  # a letter stands in other words
    theirs = sa.or_(
        decision.c.user_id == user_id,
        decision.c.former_id == user_id,
        decision.c.detail.contains(user_id, autoescape=True),
    )
    changed = sa.func.replace(decision.c.detail, written, blank)
    connection.execute(sa.update(decision).where(theirs).values(detail=changed))


def deleted_traces() -> Iterator[Trace]:
    """Yield the tables whose rows go with a person."""
    return (trace for trace in TRACES if trace.deleted)
