"""Questions about what no write of records changes (people, connections): each is asked once per transaction, however many messages ask it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.store import delivery_tables, tables
from builder.store.statement import Query, Rows, Statement, Unit

if TYPE_CHECKING:
    from runtime.records.writer import Writing


def look_up(w: Writing, statement: Statement, values: Mapping[str, Any]) -> Unit[Rows]:
    """Return the rows of a select; of the same question in one write those that were found before."""
    asked = statement, tuple(sorted(values.items()))
    found = w.course.looked_up.get(asked)
    if found is None:
        found = w.course.looked_up[asked] = yield Query(statement, values)
    return found


def active_people(w: Writing, user_ids: Iterable[str]) -> Unit[dict[str, str | None]]:
    """Return those of some people who are active, each with how they wish to be told (``runtime/outbox/wishes.py``), if they wish anything.

    Whoever is to be told has to be active, so both are one question.
    """
    statement = w.statements.kept(("people", "active"), lambda _: _active(w))
    rows = yield from look_up(w, statement, {"ids": dump_json(sorted(set(user_ids))).decode()})
    return {str(user_id): wishes for user_id, wishes in rows}


def _active(w: Writing) -> sa.Select[Any]:
    user, wish = tables.user.c, delivery_tables.notice_wish.c
    wished = tables.user.outerjoin(delivery_tables.notice_wish, wish.user_id == user.id)
    return sa.select(user.id, wish.wishes).select_from(wished).where(user.active, user.id.in_(w.statements.listed()))
