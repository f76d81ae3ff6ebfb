"""Assignments as a service: why a record went to somebody, the pool, taking back what nobody works on."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.problems import Problem
from builder.kernel.text import Language, Text
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.database import ConstraintRefused, Database, DatabaseBusy
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Instant, Words
from runtime.access.gate import FieldMap, gate
from runtime.assignments.assigning import RuleAssigner
from runtime.assignments.lateness import taken
from runtime.assignments.rows import decision, leave_pool, pool
from runtime.assignments.telling import ALL, NOTHING, told_rules
from runtime.automations.running import why
from runtime.automations.runs import Statements, shown_at
from runtime.expressions.prepared import Subject
from runtime.records.caller import Caller, system_caller
from runtime.records.holding import hold_record
from runtime.records.service import Records
from runtime.records.targets import known_id, target_entity
from runtime.records.writer import Writing

JSON = Any
_PAGE = 100


class Assignments:
    """What people do with assignments."""

    def __init__(self, database: Database, records: Records, assigner: RuleAssigner, clock: Clock) -> None:
        self._database = database
        self._records = records
        self._assigner = assigner
        self._clock = clock
        self._statements = Statements(database.dialect)

    async def explain(self, caller: Caller, app: str, entity: str, record_id: str, language: Language) -> list[JSON]:
        """Return the decisions about a record of which the caller may be told, the latest first, in words and with all candidates.

        Raises:
            Problem: what reading the record raises.
        """

        def unit(w: Writing, owner: CompiledEntity, known: str) -> Unit[list[JSON]]:
            rows = yield from self._decisions(app, owner.key, known)
            told = (yield from told_rules(w, owner, known)) if rows else {}
            otherwise = ALL if w.sight is None else NOTHING
            shown = [(row, told.get(row[1], otherwise)) for row in rows]
            return [_decision_json(row, language, why=each.why) for row, each in shown if each.person]

        return await self._records.read_beside(caller, app, entity, record_id, unit)

    async def list_pool(self, caller: Caller, app: str, rule: str) -> list[JSON]:
        """Return what lies in a pool, the longest first: ids and since when; who may not read a record does not find it here."""
        await self._records.current(caller, app)
        rows = await self._database.read(lambda: self._pooled(app, rule))
        found = []
        for entity, record_id, since in rows:
            try:
                await self._records.get(caller, app, entity, str(record_id))
            except Exception as hidden:
                if getattr(hidden, "code", "") not in ("record.not_found", "entity.not_found", "access.denied"):
                    raise
                continue
            found.append({"entity": entity, "record_id": str(record_id), "since": shown_at(since)})
        return found

    async def claim(self, caller: Caller, app: str, entity: str, record_id: str) -> None:
        """Claim a record of the pool.

        Raises:
            Problem: ``pool.taken`` if somebody else was faster, ``pool.refused`` with the reason, ``record.not_found``, ``access.denied``.
        """
        try:
            await self._records.get(caller, app, entity, record_id)
            await self._records.work(caller, app, partial(self._with, entity, record_id, self._assigner.claim))
        except Problem as problem:
            # who has it now may be the only one who sees it: who was about to claim it is not told that it never was
            if problem.code == "record.not_found" and await self._came_late(caller, app, entity, record_id):
                raise taken() from problem
            raise

    async def _came_late(self, caller: Caller, app: str, entity: str, record_id: str) -> bool:
        async def run(published: PublishedApp) -> bool:
            gate(caller.actor, app, FieldMap({("", "", "write")}))
            owner = target_entity(published, entity)
            known, w = known_id(owner, record_id), self._records.writing(published, caller)
            return await self._database.read(lambda: self._assigner.came_late(w, owner, known))

        return await self._records.pinned(app, caller, run)

    async def release(self, caller: Caller, app: str, entity: str, record_id: str, reason: str) -> None:
        """Give a record back to the pool.

        Raises:
            Problem: ``pool.refused`` with the reason, ``record.not_found``.
        """
        try:
            await self._records.get(caller, app, entity, record_id)
        except Problem as problem:
            # sent again, it may be hidden since: then what was answered is found by its key, and the write looks itself
            if caller.once is None or problem.code != "record.not_found":
                raise
        release = partial(self._assigner.release, reason=reason)
        await self._records.work(caller, app, partial(self._with, entity, record_id, release))

    async def reclaim_due(self) -> int:
        """Take back what was given long enough ago and nobody works on; return how many were.

        What rules of its app refuse to let go is put off for a day, with the reason, and stands in the way of no other.
        """
        due = await self._database.read(self._due)
        count = 0
        for app, entity, record_id in due:
            caller = system_caller(f"reclaim:{record_id}", "automation")
            try:
                count += await self._records.work(caller, app, partial(self._reclaim, entity, record_id))
            except DatabaseBusy:
                continue
            except (Problem, ConstraintRefused) as refused:
                put_off = partial(self._put_off, entity, record_id, why(refused))
                await self._records.work(caller, app, put_off)
        return count

    def _with(self, entity: str, record_id: str, act: Any, w: Writing) -> Unit[None]:
        gate(w.caller.actor, w.app.key, FieldMap({("", "", "write")}))
        owner = target_entity(w.seen, entity)
        known = known_id(owner, record_id)
        held = yield from hold_record(w, owner, known)
        yield from act(w, Subject(owner, known, held.shown))

    def _reclaim(self, entity: str, record_id: str, w: Writing) -> Unit[int]:
        found = yield from self._look_again(entity, record_id, w)
        return 0 if found is None else int((yield from self._assigner.reclaim(w, *found)))

    def _put_off(self, entity: str, record_id: str, reason: Text, w: Writing) -> Unit[None]:
        found = yield from self._look_again(entity, record_id, w)
        if found is not None:
            yield from self._assigner.put_off(w, *found, reason)

    def _look_again(self, entity: str, record_id: str, w: Writing) -> Unit[tuple[Subject, str, str] | None]:
        """Return record, rule and holder; None if what was due when it was listed has moved on."""
        p = pool.c
        statement = w.statements.kept(
            ("assignment", "look_again"),
            lambda _: sa.select(p.rule, p.user_id).where(
                p.app == sa.bindparam("app", type_=Words()),
                p.entity == sa.bindparam("entity", type_=Words()),
                p.record_id == sa.bindparam("record", type_=Identifier()),
                p.due_at <= sa.bindparam("now", type_=Instant()),
            ),
        )
        owner = w.app.entities.get(entity)
        rows = yield Query(statement, {"app": w.app.key, "entity": entity, "record": record_id, "now": w.now})
        if not rows or rows[0][1] is None or owner is None:
            return None
        try:
            held = yield from hold_record(w, owner, record_id)
        except Problem:  # it was deleted
            yield from leave_pool(w, entity, record_id)
            return None
        return Subject(owner, record_id, held.shown), str(rows[0][0]), str(rows[0][1])

    def _due(self) -> Unit[list[tuple[str, str, str]]]:
        p = pool.c
        statement = self._statements.kept(
            ("assignment", "due"),
            lambda _: (
                sa.select(p.app, p.entity, p.record_id)
                .where(p.due_at <= sa.bindparam("now", type_=Instant()))
                .order_by(p.due_at)
                .limit(_PAGE)
            ),
        )
        rows = yield Query(statement, {"now": self._clock.now()})
        return [(row[0], row[1], str(row[2])) for row in rows]

    def _pooled(self, app: str, rule: str) -> Unit[Any]:
        p = pool.c
        statement = self._statements.kept(
            ("assignment", "list_pool"),
            lambda _: (
                sa.select(p.entity, p.record_id, p.since)
                .where(
                    p.app == sa.bindparam("app", type_=Words()),
                    p.rule == sa.bindparam("rule", type_=Words()),
                    p.user_id.is_(None),
                )
                .order_by(p.since)
                .limit(_PAGE)
            ),
        )
        return (yield Query(statement, {"app": app, "rule": rule}))

    def _decisions(self, app: str, entity: str, record_id: str) -> Unit[Any]:
        d, u = decision.c, tables.user
        former = u.alias("former")
        statement = self._statements.kept(
            ("assignment", "decisions"),
            lambda _: (
                sa.select(d.kind, d.rule, d.at, d.user_id, u.c.name, former.c.name, d.detail)
                .select_from(decision.outerjoin(u, u.c.id == d.user_id).outerjoin(former, former.c.id == d.former_id))
                .where(
                    d.app == sa.bindparam("app", type_=Words()),
                    d.entity == sa.bindparam("entity", type_=Words()),
                    d.record_id == sa.bindparam("record", type_=Identifier()),
                )
                .order_by(d.at.desc(), d.sequence.desc())
                .limit(_PAGE)
            ),
        )
        return (yield Query(statement, {"app": app, "entity": entity, "record": record_id}))


def _decision_json(row: Any, language: Language, *, why: bool) -> dict[str, JSON]:
    kind, rule, at, user_id, name, former, detail = row
    told = parse_json(detail)
    steps = [
        {
            "label": step["label"][language],
            "why": step["why"][language],
            "candidates": [
                {**c, "passed_over": c["passed_over"][language] if c["passed_over"] else None}
                for c in step["candidates"]
            ],
        }
        for step in (told["steps"] if why else ())
    ]
    return {
        "kind": kind,
        "rule": rule,
        "at": shown_at(at),
        "user_id": None if user_id is None else str(user_id),
        "user": name,
        "former": former,
        "text": told["text"][language] if why else "",
        "steps": steps,
    }
