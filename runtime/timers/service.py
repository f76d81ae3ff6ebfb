"""Timers as a service: what the tick does, and what people ask and say about a record's timers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.kernel.limits import TIMER_BATCH, TIMER_BATCH_SQLITE
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.database import ConstraintRefused, Database, DatabaseBusy
from builder.store.statement import SQLITE, Query, Rows, Statement, Unit, prepare
from builder.store.types import Instant
from runtime.access.gate import FieldMap, gate
from runtime.automations.actions.base import ActionFailed
from runtime.records.caller import Caller, system_caller
from runtime.records.holding import hold_record
from runtime.records.service import Records
from runtime.records.targets import known_id
from runtime.records.writer import Writing
from runtime.timers import rows
from runtime.timers.arming import counted
from runtime.timers.audit import audit
from runtime.timers.explaining import describe, told_reminders
from runtime.timers.firing import Effects, Fired, fire, give_up
from runtime.timers.rearming import Chunk, rearm_chunk

JSON = Any
T = TypeVar("T")
_FIRINGS_SHOWN = 50


class Ticked(NamedTuple):
    """What one tick did."""

    fired: int
    """Steps whose actions were done."""
    looked_at: int
    """Records of reminders that were looked at again."""
    busy: bool
    """There was more than one batch: tick again at once."""


class Timers:
    """Fires what is due, and answers for it."""

    def __init__(self, database: Database, records: Records, clock: Clock, ids: Ids, effects: Effects) -> None:
        self._database = database
        self._records = records
        self._clock = clock
        self._ids = ids
        self._effects = effects
        self._batch = TIMER_BATCH_SQLITE if database.dialect == SQLITE else TIMER_BATCH
        self._due = prepare(rows.due_apps_statement(), database.dialect)
        self._due_of_app = prepare(rows.due_of_app_statement(), database.dialect)
        self._next = prepare(rows.next_due_statement(), database.dialect)
        self._waiting = prepare(
            sa.select(tables.timer_rearm.c.app, tables.timer_rearm.c.rule)
            .order_by(tables.timer_rearm.c.asked_at)
            .limit(20),
            database.dialect,
        )

    # -- the tick ------------------------------------------------------------------------------------------------------

    async def tick(self) -> Ticked:
        """Fire a batch of what is due and look at one chunk of what has to be looked at again; any number of processes may."""
        fired = claimed = 0
        for _ in range(TIMER_BATCH // self._batch):  # on SQLite in small transactions, between which others write
            steps, taken = await self.fire_due(self._batch)
            fired, claimed = fired + steps, claimed + taken
            if taken < self._batch:
                break
        looked_at = await self.rearm_next()
        return Ticked(fired, looked_at, claimed >= TIMER_BATCH or looked_at >= TIMER_BATCH)

    async def run_due(self) -> int:
        """Do what a tick does; return how many things were done."""
        ticked = await self.tick()
        return ticked.fired + ticked.looked_at

    async def fire_due(self, limit: int = TIMER_BATCH) -> tuple[int, int]:
        """Fire up to ``limit`` timers of each app that are due, the longest due first; return how many steps were done, and how many timers were claimed."""
        steps = claimed = 0
        for row in await self._ask(self._due, now=self._clock.now()):
            fired = await self._fire(str(row[0]), limit)
            steps, claimed = steps + fired.steps, claimed + fired.claimed
        return steps, claimed

    async def _fire(self, app: str, limit: int) -> Fired:
        try:
            return await self._run(app, partial(fire, effects=self._effects, limit=limit))
        except DatabaseBusy:
            return Fired(0, 0)  # they are still there for the next tick
        except (Problem, ActionFailed, ConstraintRefused) as refused:
            if isinstance(refused, Problem) and refused.code == "app.not_found":
                return Fired(0, 0)  # it was deleted between the two looks, and its timers with it
        # one of them was refused, so nothing of the batch is written: each by itself
        due = await self._ask(self._due_of_app, app=app, now=self._clock.now(), limit=limit)
        return Fired(sum([await self._fire_one(app, rows.Named(*map(str, row))) for row in due]), len(due))

    async def _fire_one(self, app: str, named: rows.Named) -> int:
        try:
            return (await self._run(app, partial(fire, effects=self._effects, limit=1, only=named))).steps
        except DatabaseBusy:
            return 0
        except (Problem, ActionFailed, ConstraintRefused) as refused:
            await self._run(app, partial(give_up, named=named, reason=_reason(refused)))
            return 0

    async def rearm_next(self) -> int:
        """Look at the next records of a reminder that has to be looked at again; return how many records were looked at."""
        for app, rule in await self._ask(self._waiting):
            done: Chunk = await self._run(str(app), partial(rearm_chunk, rule_key=str(rule)))
            if done.looked_at:
                return done.looked_at
        return 0

    async def audit(self, app: str) -> list[Text]:
        """Return what is wrong with an app's timers; nothing is changed."""
        return await self._run(app, audit)

    async def next_due(self) -> datetime | None:
        """Return when the next timer is due; at once if records have to be looked at again."""
        if await self._ask(self._waiting):
            return self._clock.now()
        found = (await self._ask(self._next))[0][0]
        if found is None:
            return None
        at: datetime = Instant().read_sqlite(found) if isinstance(found, str) else found.astimezone(UTC)
        return at

    async def _run(self, app: str, make: Callable[[Writing], Unit[T]]) -> T:
        return await self._records.work(system_caller(self._ids.record_id(), "timer"), app, make)

    async def _ask(self, statement: Statement, **values: Any) -> Rows:
        def unit() -> Unit[Rows]:
            return (yield Query(statement, values))

        return await self._database.read(unit)

    # -- people ----------------------------------------------------------------------------------------------------------

    async def describe(self, caller: Caller, app: str, entity: str, record_id: str) -> dict[str, JSON]:
        """Return the timers of a record the caller may read, each with why, and what has fired.

        Raises:
            Problem: ``record.not_found`` and what reading a record raises.
        """

        def unit(w: Writing, owner: CompiledEntity, known: str) -> Unit[dict[str, JSON]]:
            standing = yield from rows.timers_of(w.statements, w.app, owner.key, [known])
            fired = yield from rows.firings_of(w.statements, app, owner.key, known, _FIRINGS_SHOWN)
            told = yield from _told(w, owner, known, standing, fired)
            return describe(w, standing, fired, told)

        return await self._records.read_beside(caller, app, entity, record_id, unit)

    async def acknowledge(self, caller: Caller, app: str, entity: str, record_id: str, rule: str) -> dict[str, JSON]:
        """Say that somebody knows: the steps that are left do not come.

        Raises:
            Problem: ``timer.not_found``, ``timer.refused``, and what reading a record raises.
        """

        def change(w: Writing, timer: rows.Timer) -> rows.Timer:
            found = w.app.reminders.by_key.get(timer.rule)
            if found is not None and not found.document.acknowledge:
                raise Problem("timer.refused", say("此提醒不能确认停止", "This reminder does not end by saying so"))
            if timer.acknowledged_at is not None:
                return timer  # who knew first stays on record
            return timer._replace(acknowledged_at=w.now, acknowledged_by=w.caller.actor_id, due_at=None)

        return await self._change(caller, app, entity, record_id, rule, change)

    async def snooze(
        self, caller: Caller, app: str, entity: str, record_id: str, rule: str, until: datetime | timedelta
    ) -> dict[str, JSON]:
        """Put the next step off until a moment, or for a time; those behind it are put off by as much.

        Raises:
            Problem: ``timer.not_found``, ``timer.refused``, and what reading a record raises.
        """

        def change(w: Writing, timer: rows.Timer) -> rows.Timer:
            at = w.now + until if isinstance(until, timedelta) else until
            if timer.due_at is None:
                raise Problem("timer.refused", say("没有待触发的步骤", "Nothing is left to come"))
            if at <= w.now:
                raise Problem("timer.refused", say("推迟到的时间已过", "That moment has passed"))
            found = w.app.reminders.by_key.get(timer.rule)
            if found is None:
                return timer._replace(snoozed_until=at)
            due = counted(w, found, timer._replace(snoozed_until=None)).due_at
            if due is not None and at <= due:
                when = due.astimezone(w.app.zone).strftime("%Y-%m-%d %H:%M")
                zh = f"下一步本来就要到 {when},推迟到更早没有作用"
                raise Problem("timer.refused", say(zh, f"The next step comes at {when} anyway, which is later"))
            return counted(w, found, timer._replace(snoozed_until=at))

        return await self._change(caller, app, entity, record_id, rule, change)

    async def _change(
        self,
        caller: Caller,
        app: str,
        entity: str,
        record_id: str,
        rule: str,
        change: Callable[[Writing, rows.Timer], rows.Timer],
    ) -> dict[str, JSON]:
        await self.describe(caller, app, entity, record_id)  # who may not read it has no say in it

        def unit(w: Writing) -> Unit[dict[str, JSON]]:
            gate(caller.actor, app, FieldMap({("", "", "write")}))
            owner = w.app.entities[entity]
            known = known_id(owner, record_id)
            yield from hold_record(w, owner, known)
            standing = yield from rows.timers_of(w.statements, w.app, entity, [known])
            fired = yield from rows.firings_of(w.statements, app, entity, known, _FIRINGS_SHOWN)
            told = yield from _told(w, owner, known, standing, fired)
            found = next((timer for timer in standing if timer.rule == rule), None)
            if found is None or rule not in told:
                hint = nearest_hint(rule[:100], [timer.rule for timer in standing if timer.rule in told])
                detail = say(f"没有提醒“{rule[:100]}”{hint.zh}", f'There is no timer "{rule[:100]}"{hint.en}')
                raise Problem("timer.not_found", detail)
            changed = change(w, found)
            yield from rows.put_timers(w.statements, [changed])
            return describe(w, [changed if timer is found else timer for timer in standing], fired, told)

        return await self._records.work(caller, app, unit)


def _told(
    w: Writing,
    owner: CompiledEntity,
    record_id: str,
    standing: Sequence[rows.Timer],
    fired: Sequence[Mapping[str, Any]],
) -> Unit[frozenset[str]]:
    keys = [timer.rule for timer in standing] + [row["rule"] for row in fired]
    return (yield from told_reminders(w, owner, record_id, keys))


def _reason(refused: Exception) -> Text:
    if isinstance(refused, Problem):
        return refused.violations[0].message if refused.violations else refused.detail
    if isinstance(refused, ActionFailed):
        return refused.message
    return say("数据库约束不允许", "The database refuses it")
