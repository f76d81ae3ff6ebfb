"""Cron expressions and their slots. A slot is fired by who inserts its row. APScheduler parses; it keeps nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from builder.store.delivery_tables import cron_slot as table
from builder.store.statement import SQLITE, Query, Unit
from runtime.records.writer import Writing

CatchUp = Literal["skip", "last", "all"]
_MOST = 500
_FRESH = timedelta(minutes=2)
"""A slot this old is not missed yet: ticks and clocks differ a little."""


def parse_cron(expression: str, zone: str) -> CronTrigger:
    """Read a five-field cron expression in a zone.

    Raises:
        ValueError: it is none.
    """
    return CronTrigger.from_crontab(expression, timezone=zone)


def slots_between(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the slots in (after, until], at most the last 500."""
    trigger = parse_cron(expression, zone)
    found: list[datetime] = []
    slot = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while slot is not None and slot <= until:
        found.append(slot)
        if len(found) > _MOST:
            del found[0]
        slot = trigger.get_next_fire_time(slot, slot + timedelta(microseconds=1))
    return found


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
