"""Numbers of ``auto_number`` fields for records that are there already."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.fields.auto_number import AutoNumberField
from builder.publish.step import Work, lightweight
from builder.store import tables
from builder.store.types import Identifier, Instant, Words

_CHUNK = 2_000


def settle_numbers(work: Work, entity: str, table: str, field: AutoNumberField, time_zone: str) -> None:
    """Let counting go on behind every number that is there, and number the records that have none, oldest first.

    Cost: reads two columns of every record once; holds nothing but the blank ones.
    """
    shape = lightweight(table, ("id", Identifier()), ("created_at", Instant()), (field.key, Words()))
    counters = _read_counters(work, entity, field.key)
    blank: list[tuple[str, date]] = []
    zone = ZoneInfo(time_zone)
    ordered = sa.select(shape).order_by(shape.c.created_at, shape.c.id).execution_options(yield_per=_CHUNK)
    for record_id, created_at, number in work.connection.execute(ordered):
        if number is None:
            blank.append((record_id, created_at.astimezone(zone).date()))
            continue
        counted = field.find_counted(number)
        if counted is not None:
            counters[counted.period] = max(counters.get(counted.period, 0), counted.sequence)
    numbers: list[dict[str, Any]] = []
    for record_id, on in blank:
        period = field.period(on)
        counters[period] = max(counters.get(period, 0), field.start - 1) + 1
        numbers.append({"record": record_id, "number": field.number(on, counters[period])})
    statement = sa.update(shape).where(shape.c.id == sa.bindparam("record")).values({field.key: sa.bindparam("number")})
    for start in range(0, len(numbers), _CHUNK):
        work.connection.execute(statement, numbers[start : start + _CHUNK])
    _write_counters(work, entity, field.key, counters)


def _read_counters(work: Work, entity: str, field: str) -> dict[str, int]:
    counter = tables.counter
    here = (counter.c.app == work.app) & (counter.c.entity == entity) & (counter.c.field == field)
    return {row.period: row.value for row in work.connection.execute(sa.select(counter).where(here))}


def _write_counters(work: Work, entity: str, field: str, counters: dict[str, int]) -> None:
    counter = tables.counter
    here = (counter.c.app == work.app) & (counter.c.entity == entity) & (counter.c.field == field)
    work.connection.execute(sa.delete(counter).where(here))
    rows = [
        {"app": work.app, "entity": entity, "field": field, "period": period, "value": value}
        for period, value in counters.items()
    ]
    if rows:
        work.connection.execute(sa.insert(counter), rows)
