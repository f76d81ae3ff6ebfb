"""What holds two ways of writing together: what a world of an app ``shop`` was told and what is left of it, without ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from builder.store import delivery_tables, process_tables, tables
from runtime.services import Services

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def numbered(told: list[Any]) -> list[str]:
    """Put numbers in place of ids, in the order of their first appearance."""
    numbers: dict[str, str] = {}
    return [_ID.sub(lambda found: numbers.setdefault(found[0], f"id{len(numbers)}"), repr(one)) for one in told]


def left(services: Services) -> list[str]:
    """Return the events, the runs of automations and the messages that there are."""
    event, run, inbox = tables.event, process_tables.automation_run, delivery_tables.inbox
    of_event = ("entity", "record_id", "kind", "actor", "door", "revision", "changes", "detail")
    of_run = ("automation", "record_id", "state", "reason", "outcomes", "actor", "depth")
    of_inbox = ("user_id", "subject", "text", "entity", "record_id")
    kinds = ((event, of_event), (run, of_run), (inbox, of_inbox))
    with services.database.snapshot() as connection:
        rows = [
            row
            for table, names in kinds
            for row in connection.execute(sa.select(*(table.c[name] for name in names)).order_by(table.c.id))
        ]
    return [repr(tuple(row)).replace("UUID('", "").replace("')", "'") for row in rows]


def forget(services: Services, entities: Iterable[str]) -> None:
    """Delete all records, those that point to others first, with what tells of them."""
    with services.database.transaction() as connection:
        for entity in entities:
            connection.execute(sa.text(f"DELETE FROM shop__{entity}"))
        process = [tables.approval_act, tables.approval_task, tables.approval, tables.event, tables.stage]
        process += [process_tables.automation_run, process_tables.automation_state, process_tables.assignment_decision]
        for table in (*process, process_tables.assignment_pool, process_tables.assignment_turn, delivery_tables.inbox):
            connection.execute(sa.delete(table))
