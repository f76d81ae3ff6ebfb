"""Handing over what a leaver holds: records, open approvals, people and departments they lead. A job: it goes on after kill -9.

Every record is changed through the one write path, so timers follow the new owner and rules hold; what a rule refuses is told in the
result and stays as it is. What was handed over does not match any more, so beginning again at a field is safe.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store import tables
from builder.store.database import Database
from builder.store.jobs import HANDOVER
from runtime.identity.audit import SYSTEM_ORIGIN, Audit, Origin
from runtime.identity.departments import Departments
from runtime.identity.epoch import take_turns
from runtime.identity.users import User, Users
from runtime.jobs.rows import JobRows
from runtime.jobs.runner import Running
from runtime.people.holdings import Holding, Holdings
from runtime.records.caller import Caller, system_caller
from runtime.records.service import Records

JSON = Any
_REFUSED_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Estate:
    """What would be handed over: records by (app, entity, field), approvals, people and departments led."""

    records: dict[tuple[str, str, str], int]
    approvals: int
    reports: int
    departments: int


class Handover:
    """Says what a person holds, starts handing it over, and is the kind of job that does."""

    name = HANDOVER

    def __init__(
        self,
        database: Database,
        records: Records,
        holdings: Holdings,
        users: Users,
        departments: Departments,
        jobs: JobRows,
        audit: Audit,
    ) -> None:
        self._database = database
        self._records = records
        self._holdings = holdings
        self._users = users
        self._departments = departments
        self._jobs = jobs
        self._audit = audit

    async def look(self, user_id: str) -> Estate:
        """Return what a user holds."""
        caller = system_caller("handover", "handover")
        counts: dict[tuple[str, str, str], int] = {}
        for holding in await self._holdings.list_holdings(caller):
            count = await self._holdings.count(caller, holding, user_id)
            if count:
                counts[holding.app, holding.entity, holding.field] = count
        approvals, reports, departments = await asyncio.to_thread(self._count_led, user_id)
        return Estate(counts, approvals, reports, departments)

    def _count_led(self, user_id: str) -> tuple[int, int, int]:
        with self._database.snapshot() as connection:
            led = [
                int(
                    connection.scalar(
                        sa.select(sa.func.count()).select_from(table).where(table.c.manager_id == user_id)
                    )
                    or 0
                )
                for table in (tables.user, tables.department)
            ]
        return self._holdings.count_open_tasks(user_id), led[0], led[1]

    def begin(self, leaver: User, heir: User, by: Origin, *, deactivate: bool) -> str:
        """Start the job; a leaver who is to be switched off is so at once. Returns the job's id.

        Raises:
            Problem: ``identity.invalid`` if the heir is the leaver or switched off; ``identity.conflict`` for the last admin.
        """
        if heir.id == leaver.id or not heir.active:
            text = say("请选择另一位在职的接手人", "Choose somebody else who is active")
            raise Problem("identity.invalid", text, violations=[Violation("heir", "/to", text)])
        with self._database.transaction() as connection:
            take_turns(connection)
            if deactivate:
                self._users.change(connection, leaver.id, {"active": False}, by=by)
            self._audit.note(connection, "handover", by, leaver.id, {"to": heir.id})
            return self._jobs.start(connection, HANDOVER, {"from": leaver.id, "to": heir.id}, by=by.actor)

    # -- the job -------------------------------------------------------------------------------------------------------

    async def run(self, running: Running) -> JSON:
        """Hand everything over, field by field."""
        leaver, heir = running.job.arguments["from"], running.job.arguments["to"]
        caller = system_caller(f"job:{running.job.id}", "handover")
        refused: list[JSON] = []
        holdings = await self._holdings.list_holdings(caller)
        for holding in holdings:
            async for record in self._holdings.ids(caller, holding, leaver):
                problem = await self._give(caller, holding, record, leaver, heir)
                if problem is not None and len(refused) < _REFUSED_SHOWN:
                    refused.append({**holding._asdict(), "id": record["id"], "reason": problem.detail._asdict()})
                await asyncio.to_thread(running.note, int(problem is None), None)
        await asyncio.to_thread(self._give_people, leaver, heir)
        approvals = await asyncio.to_thread(self._give_approvals, leaver, heir)
        return {"record_count": running.done, "approval_count": approvals, "refused": refused}

    async def _give(
        self, caller: Caller, holding: Holding, record: dict[str, JSON], leaver: str, heir: str
    ) -> Problem | None:
        value: JSON = heir
        if holding.many:
            others = [user for user in record[holding.field] if user != leaver]
            value = list(dict.fromkeys([*others, heir]))
        try:
            await self._records.update(caller, holding.app, holding.entity, record["id"], {holding.field: value}, None)
        except Problem as problem:
            return problem
        return None

    def _give_people(self, leaver: str, heir: str) -> None:
        """Whom they led is led by the heir; the heir by whom the leaver was led."""
        with self._database.transaction() as connection:
            take_turns(connection)
            above = connection.scalar(sa.select(tables.user.c.manager_id).where(tables.user.c.id == leaver))
            own = sa.select(tables.user.c.manager_id).where(tables.user.c.id == heir)
            if connection.scalar(own) == leaver:
                self._users.change(connection, heir, {"manager_id": above}, by=SYSTEM_ORIGIN)
            led = sa.select(tables.user.c.id).where(tables.user.c.manager_id == leaver)
            for user_id in connection.scalars(led.order_by(tables.user.c.id)).all():
                self._users.change(connection, user_id, {"manager_id": heir}, by=SYSTEM_ORIGIN)
            rooms = sa.select(tables.department.c.id).where(tables.department.c.manager_id == leaver)
            for department_id in connection.scalars(rooms.order_by(tables.department.c.id)).all():
                self._departments.change(connection, department_id, {"manager_id": heir}, by=SYSTEM_ORIGIN)

    def _give_approvals(self, leaver: str, heir: str) -> int:
        """What waits for the leaver waits for the heir, unless the heir is asked in the same step anyway."""
        task = tables.approval_task
        other = task.alias()
        asked = sa.exists().where(
            other.c.approval_id == task.c.approval_id, other.c.step == task.c.step, other.c.user_id == heir
        )
        mine = (task.c.user_id == leaver, task.c.state.in_(("waiting", "open")), ~asked)
        with self._database.transaction() as connection:
            return connection.execute(sa.update(task).where(*mine).values(user_id=heir, source="delegated")).rowcount
