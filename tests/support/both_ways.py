"""What holds two ways of writing together: what a world of an app ``shop`` was told and what is left of it, without ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from builder.store import process_tables, tables
from runtime.services import Services

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def numbered(told: list[Any]) -> list[str]:
    """Put numbers in place of ids, in the order of their first appearance."""
    numbers: dict[str, str] = {}
    return [_ID.sub(lambda found: numbers.setdefault(found[0], f"id{len(numbers)}"), repr(one)) for one in told]


def left(services: Services) -> list[str]:
    """Return the events and the runs of automations that there are."""
    event, run = tables.event, process_tables.automation_run
    of_event = ("entity", "record_id", "kind", "actor", "door", "revision", "changes", "detail")
    of_run = ("automation", "record_id", "state", "reason", "outcomes", "actor", "depth")
    told, runs = (sa.select(*(t.c[name] for name in names)) for t, names in ((event, of_event), (run, of_run)))
    with services.database.snapshot() as connection:
        rows = [*connection.execute(told.order_by(event.c.id)), *connection.execute(runs.order_by(run.c.id))]
    return [repr(tuple(row)).replace("UUID('", "").replace("')", "'") for row in rows]


def forget(services: Services, entities: Iterable[str]) -> None:
    """Delete all records, those that point to others first, with what tells of them."""
    with services.database.transaction() as connection:
        for entity in entities:
            connection.execute(sa.text(f"DELETE FROM shop__{entity}"))
        process = [tables.approval_act, tables.approval_task, tables.approval, tables.event, tables.stage]
        process += [process_tables.automation_run, process_tables.automation_state, process_tables.assignment_decision]
        for table in (*process, process_tables.assignment_pool, process_tables.assignment_turn):
            connection.execute(sa.delete(table))
