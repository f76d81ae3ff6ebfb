"""What happens by itself as time passes, with the moments at which it does: scenarios jump by it.

A new clockwork is one function and one line in ``CLOCKWORKS``. A running instance does the same every second (``runtime/ticking``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.store import process_tables, tables
from runtime.automations.runs import run_table
from runtime.services import Services


class Clockwork(NamedTuple):
    """Something that is due now and then."""

    name: str
    next_due: Callable[[], Awaitable[datetime | None]]
    """When it has something to do; None: nothing is planned."""
    work: Callable[[], Awaitable[bool]]
    """Do a bounded part of what is due now; whether anything was done."""


def reminders(services: Services) -> Clockwork:
    """Reminders and escalations."""

    async def work() -> bool:
        done = await services.timers.tick()
        return bool(done.fired or done.looked_at or done.busy)

    return Clockwork("reminders", services.timers.next_due, work)


def schedules(services: Services) -> Clockwork:
    """Automations of the clock."""

    async def work() -> bool:
        return bool(await services.schedules.run_due())

    return Clockwork("schedules", services.schedules.next_due, work)


def automation_runs(services: Services) -> Clockwork:
    """Actions of automations that go on after a commit."""
    due_at = run_table.c.due_at

    async def work() -> bool:
        return bool(await services.runner.run_due())

    return Clockwork("automations", _earliest(services, sa.select(sa.func.min(due_at))), work)


def approval_limits(services: Services) -> Clockwork:
    """Answers to approvals that are overdue."""
    task = tables.approval_task
    waiting = sa.select(sa.func.min(task.c.due_at)).where(task.c.state == "open", task.c.escalated_at.is_(None))

    async def work() -> bool:
        return bool(await services.approvals.tend_due())

    return Clockwork("approvals", _earliest(services, waiting), work)


def pools(services: Services) -> Clockwork:
    """Records that go back to the pool because nobody works on them."""
    waiting = sa.select(sa.func.min(process_tables.assignment_pool.c.due_at))

    async def work() -> bool:
        return bool(await services.assignments.reclaim_due())

    return Clockwork("pools", _earliest(services, waiting), work)


CLOCKWORKS: tuple[Callable[[Services], Clockwork], ...] = (
    reminders,
    schedules,
    automation_runs,
    approval_limits,
    pools,
)


def _earliest(services: Services, chosen: sa.Select[Any]) -> Callable[[], Awaitable[datetime | None]]:
    async def next_due() -> datetime | None:
        def look() -> datetime | None:
            with services.database.snapshot() as connection:
                found: datetime | None = connection.execute(chosen).scalar_one()
                return found

        return await asyncio.to_thread(look)

    return next_due
