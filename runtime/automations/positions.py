"""How far an automation has followed what starts it: a schedule, or another app's events. Who moves a position holds its row.

Reads and writes: dougong_automation_state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.kernel.canonical import dump_json, parse_json
from builder.store.statement import POSTGRESQL, SQLITE, Query, Unit
from builder.store.types import Words
from runtime.automations.runs import Statements, state_table
from runtime.records.writer import Writing

JSON = Any
_HERE = (state_table.c.app == sa.bindparam("app", type_=Words())) & (
    state_table.c.automation == sa.bindparam("automation", type_=Words())
)


def positions(statements: Statements) -> Unit[Mapping[tuple[str, str], JSON]]:
    """Return (app, automation) -> position of all that have one; nothing is held."""
    c = state_table.c
    statement = statements.kept(
        ("automation", "positions"), lambda _: sa.select(c.app, c.automation, c.position).where(c.position != "")
    )
    return {(row[0], row[1]): parse_json(row[2]) for row in (yield Query(statement, {}))}


def hold_state(w: Writing, automation: str, *, wait: bool) -> Unit[Any]:
    """Hold the row of an automation, made if there is none, until the end of the transaction; return it.

    Args:
        wait: for somebody else who holds it; otherwise None is returned then.
    """
    values = {"app": w.app.key, "automation": automation}
    yield Query(w.statements.kept(("automation", "make_state"), _make), values)
    c = state_table.c

    def hold(dialect: str) -> sa.Select[Any]:
        chosen = sa.select(c.position, c.disabled_at, c.secret).where(_HERE)
        return chosen.with_for_update(skip_locked=not wait) if dialect == POSTGRESQL else chosen

    rows = yield Query(w.statements.kept(("automation", "hold_state", wait), hold), values)
    return rows[0] if rows else None


def move_position(w: Writing, automation: str, position: JSON) -> Unit[None]:
    """Write down how far things have come."""
    yield from _change(w, automation, "position", dump_json(position).decode())


def find_secret(statements: Statements, app: str, automation: str) -> Unit[str | None]:
    """Return the sealed secret of a webhook; None: it has none yet."""
    statement = statements.kept(("automation", "secret"), lambda _: sa.select(state_table.c.secret).where(_HERE))
    rows = yield Query(statement, {"app": app, "automation": automation})
    return rows[0][0] if rows else None


def keep_secret(w: Writing, automation: str, sealed: str) -> Unit[None]:
    """Keep the sealed secret of a webhook."""
    yield from _change(w, automation, "secret", sealed)


def _change(w: Writing, automation: str, column: str, value: str) -> Unit[None]:
    statement = w.statements.kept(
        ("automation", "change_state", column),
        lambda _: sa.update(state_table).where(_HERE).values({column: sa.bindparam("value", type_=Words())}),
    )
    yield Query(statement, {"app": w.app.key, "automation": automation, "value": value})


def _make(dialect: str) -> Any:
    insert = sqlite_insert if dialect == SQLITE else postgresql_insert
    values: dict[str, Any] = {name: sa.bindparam(name, type_=Words()) for name in ("app", "automation")}
    values |= {"failures": 0, "reason": dump_json({"zh": "", "en": ""}).decode(), "position": ""}
    return insert(state_table).values(values).on_conflict_do_nothing()
