"""Runs that wait until what occasioned them is committed: each goes on in one transaction of its own.

A run is taken, carried out and marked in the same transaction, so it needs no lease: who dies in the middle has done nothing, and
the next one finds it waiting. What breaks down (not: what fails by its own rules) is put off, longer each time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.actions.base import ActionModel
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import ConstraintRefused, Database
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, Instant, Whole, Words
from runtime.automations.actions.base import ActionFailed, Occasion
from runtime.automations.callers import acting, get_actor
from runtime.automations.carrying import carry_out
from runtime.automations.following import read_actions, tell_failure
from runtime.automations.ports import Ports
from runtime.automations.running import BACK, SAVEPOINT, Back, count_failure, why
from runtime.automations.runs import Statements, outcome_json, run_table, text_json
from runtime.expressions.prepared import Subject
from runtime.identity.actors import SYSTEM
from runtime.records.caller import system_caller
from runtime.records.holding import hold_record
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
_TAKEN = 100
_ATTEMPTS = 10


class _Waiting(NamedTuple):
    automation: str
    entity: str
    record_id: str | None
    next_action: int
    outcomes: list[JSON]
    reason: Text
    depth: int
    actor: str | None
    cause: str
    actions: str | None


class Runner:
    """Carries waiting runs on; any number of processes may."""

    def __init__(self, database: Database, records: Records, ports: Ports, clock: Clock) -> None:
        self._database = database
        self._records = records
        self._statements = Statements(database.dialect)
        self._ports = ports
        self._clock = clock

    async def run_due(self) -> int:
        """Carry on what is due, at most a hundred runs; return how many were taken."""
        due = await self._database.read(self._due)
        count = 0
        for run_id, app, request_id in due:
            try:
                caller = system_caller(request_id, "automation")
                count += await self._records.work(caller, app, partial(self._go_on, run_id=run_id))
            except Problem as problem:
                await self._put_off(run_id, problem)
        return count

    def _due(self) -> Unit[list[tuple[str, str, str]]]:
        r = run_table.c
        statement = self._statements.kept(
            ("automation", "due"),
            lambda _: (
                sa.select(r.id, r.app, r.request_id)
                .where(r.due_at <= sa.bindparam("now", type_=Instant()))
                .order_by(r.due_at, r.id)
                .limit(_TAKEN)
            ),
        )
        rows = yield Query(statement, {"now": self._clock.now()})
        return [(str(row[0]), row[1], row[2]) for row in rows]

    def _go_on(self, w: Writing, run_id: str) -> Unit[int]:
        """Take a run that still waits and carry it on; 0: somebody else has."""
        waiting = yield from _take(w, run_id)
        if waiting is None:
            return 0
        automation = w.app.definition.find(AUTOMATIONS, waiting.automation)
        actions: tuple[ActionModel, ...] = automation.actions if automation is not None else ()
        if waiting.actions is not None:
            actions = read_actions(waiting.actions)
        if waiting.entity not in w.app.entities or waiting.next_action >= len(actions):
            gone = say("该自动化已从应用中移除", "The automation has left the app")
            yield from _mark(w, run_id, "failed", gone, waiting.outcomes)
            return 1
        back = Back(w)
        yield Query(SAVEPOINT, {})
        try:
            occasion = yield from self._occasion(w, run_id, automation, waiting)
            carried = yield from carry_out(occasion, actions, start=waiting.next_action, committed=True)
        except (ActionFailed, Problem, ConstraintRefused) as failed:
            yield Query(BACK, {})
            back.go()
            yield from _mark(w, run_id, "failed", why(failed), waiting.outcomes)
            yield from self._failed(w, automation, waiting, why(failed))
        else:
            done = [outcome_json(outcome) for outcome in carried.outcomes]
            yield from _mark(w, run_id, "done", waiting.reason, waiting.outcomes + done)
        return 1

    def _occasion(self, w: Writing, run_id: str, automation: Automation | None, waiting: _Waiting) -> Unit[Occasion]:
        """Return what the actions stand on: the record as it is now, in the name the run goes by."""
        entity = w.app.entities[waiting.entity]
        subject = Subject(entity, "", {}, gone=True)
        if waiting.record_id is not None:
            held = yield from hold_record(w, entity, waiting.record_id)
            subject = Subject(entity, waiting.record_id, held.shown)
        if automation is None or waiting.actions is not None:
            names, known = self._ports.names, find_uuid(waiting.actor or "")
            actor = (yield from names.find_actor(known)) if names is not None and known is not None else None
            caller = replace(w.caller, actor=actor or SYSTEM, cause=waiting.cause, depth=waiting.depth)
            return Occasion(w.acting_as(caller), self._ports, subject, waiting.cause, waiting.reason)
        caused_by = replace(w.caller, depth=waiting.depth)
        if automation.run_as == "actor":
            caused_by = replace(caused_by, actor=(yield from get_actor(self._ports, waiting.actor)))
        acts = yield from acting(w, self._ports, automation, subject, caused_by, run_id)
        return Occasion(acts, self._ports, subject, f"run:{run_id}", label_text(automation.label))

    def _failed(self, w: Writing, automation: Automation | None, waiting: _Waiting, reason: Text) -> Unit[None]:
        """Count a failure of an automation, which is switched off in the end; of anything else those who build the app are told."""
        if automation is None or waiting.actions is not None:
            name = waiting.automation
            yield from tell_failure(w, self._ports, name, waiting.entity, waiting.record_id or "", reason)
            return
        entity = w.app.entities[waiting.entity]
        yield from count_failure(w, self._ports, automation, Subject(entity, waiting.record_id or "", {}))

    async def _put_off(self, run_id: str, problem: Problem) -> None:
        """It broke down before its own rules were asked: try again later, in the end give up."""

        def unit() -> Unit[None]:
            r = run_table
            looked = self._statements.kept(
                ("automation", "attempts"),
                lambda _: sa.select(r.c.attempts).where(r.c.id == sa.bindparam("id", type_=Identifier())),
            )
            rows = yield Query(looked, {"id": run_id})
            if not rows:
                return
            attempts = int(rows[0][0]) + 1
            is_over = attempts >= _ATTEMPTS
            later = None if is_over else self._clock.now() + timedelta(seconds=min(3_600, 5 * 2**attempts))
            changed = self._statements.kept(("automation", "put_off"), lambda _: _put_off_statement())
            values = {
                "id": run_id,
                "v_attempts": attempts,
                "v_due_at": later,
                "v_state": "failed" if is_over else "waiting",
                "v_reason": dump_json(text_json(problem.detail)).decode(),
            }
            yield Query(changed, values)

        await self._database.write(unit)


def _put_off_statement() -> sa.Update:
    names = {"attempts": Whole(), "due_at": Instant(), "state": Words(), "reason": Words()}
    values = {name: sa.bindparam(f"v_{name}", type_=kind) for name, kind in names.items()}
    return sa.update(run_table).where(run_table.c.id == sa.bindparam("id", type_=Identifier())).values(values)


def _take(w: Writing, run_id: str) -> Unit[_Waiting | None]:
    r = run_table.c
    columns = (
        r.automation, r.entity, r.record_id, r.next_action, r.outcomes, r.reason, r.depth, r.actor, r.cause, r.actions,
    )  # fmt: skip

    def make(dialect: str) -> sa.Select[Any]:
        chosen = sa.select(*columns).where(r.id == sa.bindparam("id", type_=Identifier()), r.state == "waiting")
        return chosen.with_for_update(skip_locked=True) if dialect == POSTGRESQL else chosen

    rows = yield Query(w.statements.kept(("automation", "take"), make), {"id": run_id})
    if not rows:
        return None
    automation, entity, record_id, next_action, outcomes, reason, depth, actor, cause, actions = rows[0]
    return _Waiting(
        automation,
        entity,
        None if record_id is None else str(record_id),
        next_action,
        parse_json(outcomes),
        Text(**parse_json(reason)),
        depth,
        actor,
        cause,
        actions,
    )


def _mark(w: Writing, run_id: str, state: str, reason: Text, outcomes: list[JSON]) -> Unit[None]:
    def make(_: str) -> sa.Update:
        values = {name: sa.bindparam(f"v_{name}", type_=Words()) for name in ("state", "reason", "outcomes")}
        here = run_table.c.id == sa.bindparam("id", type_=Identifier())
        return sa.update(run_table).where(here).values({**values, "due_at": sa.null()})

    values = {
        "id": run_id,
        "v_state": state,
        "v_reason": dump_json(text_json(reason)).decode(),
        "v_outcomes": dump_json(outcomes).decode(),
    }
    yield Query(w.statements.kept(("automation", "mark"), make), values)
