"""Slots of cron lines that have come (``builder/calendars/cron.py``): a slot is fired by who inserts its row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.store.delivery_tables import cron_slot as table
from builder.store.statement import SQLITE, Query, Unit
from runtime.records.writer import Writing

CatchUp = Literal["skip", "last", "all"]
_FRESH = timedelta(minutes=2)
"""A slot this old is not missed yet: ticks and clocks differ a little."""


def due_slots(slots: Sequence[datetime], now: datetime, catch_up: CatchUp) -> list[datetime]:
    """Return which of the slots that have come are to be fired after a time without ticks."""
    if catch_up == "all":
        return list(slots)
    if catch_up == "last":
        return list(slots[-1:])
    return [slot for slot in slots if now - slot <= _FRESH]


def claim_slot(w: Writing, schedule: str, slot: datetime) -> Unit[bool]:
    """Insert a slot inside the transaction of what it fires; False if it was fired before."""
    values = {"schedule": schedule, "slot_at": slot, "fired_at": w.now}
    rows = yield Query(w.statements.kept(("cron_slot",), _insert), values)
    return bool(rows)


def _insert(dialect: str) -> Any:
    insert = sqlite_insert if dialect == SQLITE else postgresql_insert
    values = {name: sa.bindparam(name, type_=table.c[name].type) for name in ("schedule", "slot_at", "fired_at")}
    return insert(table).values(values).on_conflict_do_nothing().returning(table.c.slot_at)
