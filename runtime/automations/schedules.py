"""Automations of the clock: which slot has come, for which records, once however many processes look. See docs/decisions/0025.

A slot is worked off in chunks, each in one transaction with the position it reaches; who dies in the middle has done nothing of the
chunk, and the next one goes on behind it. Reads and writes: dougong_automation_state, dougong_cron_slot, and whatever the actions write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.calendars.cron import next_slot, slots_between
from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import with_variables
from builder.compiled.reminders import database_condition
from builder.compiled.resolver import Joins
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.definition.triggers.schedule import Schedule
from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock, instant_text
from builder.kernel.faults import crash_point
from builder.kernel.ids import Ids
from builder.kernel.limits import SCHEDULE_BATCH, SCHEDULE_SLOTS
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.registry.registry import PublishedApp
from builder.store.database import ConstraintRefused, Database, DatabaseBusy
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Whole
from formulas.sql import Dialect, to_condition
from runtime.automations.ports import Ports
from runtime.automations.positions import hold_state, move_position, positions
from runtime.automations.running import Start, run_all, started_by_time
from runtime.automations.runs import Statements
from runtime.automations.watched import Watched
from runtime.expressions.expressions import context_of, moment
from runtime.expressions.prepared import Subject, zone_only
from runtime.records.caller import system_caller
from runtime.records.holding import hold_records
from runtime.records.service import Records
from runtime.records.writer import Writing
from runtime.ticking.cron import claim_slot, due_slots

JSON = Any


@dataclass(frozen=True)
class Position:
    """How far a schedule has been followed."""

    cron: str
    at: datetime
    """Slots up to here are over."""
    slot: datetime | None = None
    """The slot that is being worked off …"""
    after: str | None = None
    """… and the last record it was done for."""

    def written(self) -> JSON:
        """Write it for its row."""
        slot = None if self.slot is None else instant_text(self.slot)
        return {"cron": self.cron, "at": instant_text(self.at), "slot": slot, "after": self.after}


def read_position(value: JSON) -> Position | None:
    """Read a position; None if there is none."""
    if not value:
        return None
    slot = None if value["slot"] is None else datetime.fromisoformat(value["slot"])
    return Position(value["cron"], datetime.fromisoformat(value["at"]), slot, value["after"])


class Schedules:
    """Starts what is due by the clock; any number of processes may."""

    def __init__(self, database: Database, records: Records, ports: Ports, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._records = records
        self._ports = ports
        self._clock = clock
        self._ids = ids
        self._statements = Statements(database.dialect)
        self._watched = Watched(database, records, self._statements, Schedule)

    async def run_due(self) -> int:
        """Work one chunk off of every schedule that has something due; return how many had."""
        count = 0
        for published, automation, position in await self._standing():
            due = next_due(published.app, automation, position)
            if position is not None and (due is None or due > self._clock.now()):
                continue
            caller = system_caller(self._ids.record_id(), "automation")
            unit = partial(_work_off, key=automation.key, ports=self._ports)
            try:
                count += await self._records.work(caller, published.app.key, unit)
            except (DatabaseBusy, Problem, ConstraintRefused):
                continue  # it stands where it stood, for the next tick
        return count

    async def next_due(self) -> datetime | None:
        """Return when the next schedule has something to do."""
        dues = [
            self._clock.now() if position is None else next_due(published.app, automation, position)
            for published, automation, position in await self._standing()
        ]
        return min((due for due in dues if due is not None), default=None)

    async def _standing(self) -> list[tuple[PublishedApp, Automation, Position | None]]:
        watched = list(await self._watched.each())
        if not watched:
            return []
        known = await self._database.read(lambda: positions(self._statements))
        found = [(app, one, read_position(known.get((app.app.key, one.key)))) for app, one in watched]
        return [(app, one, None if at is not None and at.cron != _cron(one) else at) for app, one, at in found]


def next_due(app: CompiledApp, automation: Automation, position: Position | None) -> datetime | None:
    """Return when a schedule has something to do; None: never again."""
    if position is None:
        return None
    if position.slot is not None:
        return position.slot
    found = next_slot(_cron(automation), app.zone.key, position.at)
    return None if found is None else found.astimezone(UTC)


def _cron(automation: Automation) -> str:
    assert isinstance(automation.trigger, Schedule)
    return automation.trigger.cron


def _work_off(w: Writing, key: str, ports: Ports) -> Unit[int]:
    """Take one step of a schedule; 0: somebody else is at it, or nothing is due after all."""
    automation = w.app.definition.find(AUTOMATIONS, key)
    if automation is None or not isinstance(automation.trigger, Schedule):
        return 0
    row = yield from hold_state(w, key, wait=False)
    if row is None:
        return 0
    position = read_position(parse_json(row[0]) if row[0] else None)
    if position is None or position.cron != automation.trigger.cron:
        yield from move_position(
            w, key, Position(automation.trigger.cron, w.now).written()
        )  # it is followed from now on
        return 1
    if not automation.enabled or row[1] is not None:  # what comes while it is switched off is not made up for
        yield from move_position(w, key, Position(position.cron, w.now).written())
        return 1
    if position.slot is None:
        position = yield from _begin(w, automation, position)
    if position.slot is not None:
        position = yield from _chunk(w, ports, automation, position)
    yield from move_position(w, key, position.written())
    crash_point("schedule.chunk")
    return 1


def _begin(w: Writing, automation: Automation, position: Position) -> Unit[Position]:
    """Begin the next slot that is due by the policy for missed ones; those that are not are passed over."""
    trigger = automation.trigger
    assert isinstance(trigger, Schedule)
    slots = [at.astimezone(UTC) for at in slots_between(trigger.cron, w.app.zone.key, position.at, w.now)]
    for slot in due_slots(slots, w.now, trigger.catch_up)[-SCHEDULE_SLOTS:]:
        if (yield from claim_slot(w, f"automation/{w.app.key}/{automation.key}", slot)):
            return Position(trigger.cron, position.at, slot)
    return Position(trigger.cron, slots[-1] if slots else position.at)


def _chunk(w: Writing, ports: Ports, automation: Automation, position: Position) -> Unit[Position]:
    """Run for the next records of a slot; return where it stands then."""
    entity = w.app.entities[automation.entity]
    slot = position.slot
    assert isinstance(automation.trigger, Schedule)
    assert slot is not None
    over = Position(position.cron, slot)
    if not automation.trigger.each:
        yield from _run(w, ports, automation, [Subject(entity, "", {}, gone=True)], slot)
        return over
    ids = yield from _ids_after(w, automation, entity, position.after)
    held = yield from hold_records(w, entity, ids)
    yield from _run(w, ports, automation, [Subject(entity, one.id, one.held.shown) for one in held], slot)
    return over if len(ids) < SCHEDULE_BATCH else Position(position.cron, position.at, slot, ids[-1])


def _run(w: Writing, ports: Ports, automation: Automation, subjects: list[Subject], slot: datetime) -> Unit[None]:
    reason = _reason(w, slot)
    automation = started_by_time(automation)
    yield from run_all(w, ports, [Start(automation, subject, w.caller, reason) for subject in subjects])


def _reason(w: Writing, slot: datetime) -> Text:
    at = slot.astimezone(w.app.zone).strftime("%Y-%m-%d %H:%M")
    return say(f"定时:{at}", f"Schedule: {at}")


def _ids_after(w: Writing, automation: Automation, entity: CompiledEntity, after: str | None) -> Unit[list[str]]:
    """Return the ids of the next records that meet the condition, in the order of ids."""
    statement = w.statements.kept(
        ("schedule_ids", automation.key, after is None),
        lambda dialect: _select(
            w.app, automation, entity, "sqlite" if dialect == "sqlite" else "postgresql", first=after is None
        ),
    )
    values = {**moment(context_of(w)), "after": after, "limit": SCHEDULE_BATCH}
    return [str(row[0]) for row in (yield Query(statement, values))]


def _select(
    app: CompiledApp, automation: Automation, entity: CompiledEntity, dialect: Dialect, *, first: bool
) -> sa.Select[Any]:
    joins = Joins(app, entity, entity.table, dialect)
    own = entity.table.c.id
    conditions: list[sa.ColumnElement[bool]] = [] if first else [own > sa.bindparam("after", type_=Identifier())]
    tree = database_condition(app, automation)  # each run looks at it again anyway
    if tree is not None:
        conditions.append(to_condition(with_variables(tree), joins, dialect, zone_only(app)))
    chosen = sa.select(own).select_from(joins.from_clause()).where(*conditions)
    return chosen.order_by(own).limit(sa.bindparam("limit", type_=Whole()))
