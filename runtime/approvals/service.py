"""Approvals as a service: ask, answer, look, escalate what is overdue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store import delivery_tables, tables
from builder.store.database import Database
from builder.store.jobs import HANDOVER
from builder.store.statement import Query, Rows, Statement, Unit, prepare
from builder.store.types import Instant
from runtime.access.gate import FieldMap, gate, require_actor, require_scope
from runtime.approvals import rows
from runtime.approvals.listing import Folder, find_one, list_mine, list_of_record
from runtime.approvals.rights import require_giver, with_seen_titles
from runtime.approvals.rows import RUNNING, WITHDRAWN, Running, Task
from runtime.approvals.running import VACANT, Course
from runtime.expressions.prepared import Subject
from runtime.identity import scopes
from runtime.query.statements import StatementCache
from runtime.records.caller import Caller, system_caller
from runtime.records.holding import hold_record
from runtime.records.holding import not_found as record_not_found
from runtime.records.rights import require_changeable, require_seen
from runtime.records.seams import finish
from runtime.records.service import Records
from runtime.records.targets import known_id, target_entity, uses_of
from runtime.records.writer import Writing

JSON = Any
ANSWERS = ("approve", "reject", "return")
ACTS = (*ANSWERS, "delegate", "add_signer", "withdraw", "comment")
_BATCH = 100


class Approvals:
    """The approvals of all apps of one database."""

    def __init__(self, database: Database, records: Records, course: Course, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._records = records
        self._course = course
        self._clock = clock
        self._ids = ids
        self._cache = StatementCache(database.dialect)
        self._overdue = prepare(_overdue(), database.dialect)
        self._left = prepare(_left(), database.dialect)

    # -- asking and answering --------------------------------------------------------------------------------------------

    async def start(
        self, caller: Caller, app: str, entity: str, record_id: str, approval: str, comment: str | None
    ) -> dict[str, JSON]:
        """Ask for an approval of a record; return it.

        Raises:
            Problem: ``record.not_found`` and what ``Course.begin`` raises.
        """

        def unit(w: Writing) -> Unit[str]:
            seen = target_entity(w.seen, entity)
            gate(caller.actor, app, uses_of(seen, "write"), w.sight)
            known, owner = known_id(seen, record_id), w.app.entities[seen.key]
            held = yield from hold_record(w, owner, known)
            if not (yield from require_seen(w, owner, known)):
                raise record_not_found(owner, known)
            yield from require_changeable(w, owner, known)
            return (yield from self._course.begin(w, Subject(owner, known, held.shown), approval, comment))

        return await self._carry(caller, app, unit)

    async def act(
        self,
        caller: Caller,
        app: str,
        approval_id: str,
        act: str,
        comment: str | None,
        user_id: str | None,
        task_id: str | None,
    ) -> dict[str, JSON]:
        """Answer an approval, pass it on, take it back, or say something about it; return it.

        Raises:
            Problem: ``approval.not_found``, ``approval.conflict``, ``approval.refused``, ``access.denied``, and what follows from the last answer.
        """

        def unit(w: Writing) -> Unit[str]:
            gate(caller.actor, app, FieldMap({("", "", "write")}))
            known = find_uuid(approval_id)
            found = (yield from rows.hold_approval(w, known)) if known is not None else None
            if found is None:
                raise not_found(approval_id)
            tasks = yield from rows.tasks_of(w, found.id)
            actor = require_actor(caller.actor)
            if (
                actor.role != "admin"
                and found.asked_by != actor.user_id
                and actor.user_id not in {t.user_id for t in tasks}
            ):
                raise not_found(approval_id)
            yield from self._act(w, found, tasks, act, comment, user_id, task_id)
            return found.id

        return await self._carry(caller, app, unit)

    async def _carry(self, caller: Caller, app: str, make: Callable[[Writing], Unit[str]]) -> dict[str, JSON]:
        """Run a unit that changes an approval as one write (once for its key); return the approval as it is then."""

        async def run(published: PublishedApp) -> dict[str, JSON]:
            w = self._records.writing(published, caller)

            def unit() -> Unit[dict[str, JSON]]:
                approval_id = yield from make(w)
                yield from finish(w)
                found = yield from find_one(self._cache, app, approval_id)
                if found is None:
                    raise not_found(approval_id)
                return (yield from with_seen_titles(w, [found]))[0]

            return await self._records.transact(w, unit)

        return await self._records.pinned(app, caller, run)

    def _act(
        self,
        w: Writing,
        a: Running,
        tasks: Sequence[Task],
        act: str,
        comment: str | None,
        user_id: str | None,
        task_id: str | None,
    ) -> Unit[None]:
        actor = require_actor(w.caller.actor)
        if act == "comment":
            yield from rows.insert_act(w, a.id, "comment", comment=comment)
            return
        if a.state != RUNNING:
            raise Problem("approval.conflict", say("审批已结束", "The approval has ended"), extra={"state": a.state})
        document = a.document
        if act == "withdraw":
            if a.asked_by != actor.user_id and actor.role != "admin":
                raise Problem("access.denied", say("只有提交人可以撤回", "Only who asked may withdraw"))
            _allowed(document.get("allow_withdraw", True))
            yield from rows.insert_act(w, a.id, WITHDRAWN, comment=comment)
            yield from self._course.end(w, a, WITHDRAWN, comment)
            return
        task = _own_task(a, tasks, actor.user_id, task_id if act == "delegate" and actor.role == "admin" else None)
        if act in ANSWERS:
            entity = w.app.entities.get(a.entity)
            if entity is not None:
                yield from require_giver(w, actor, entity, a.record_id, a.approval)
            yield from self._course.answer(w, a, task, act, comment)
        elif user_id is None or find_uuid(user_id) is None:
            raise Problem("approval.refused", say("请给出 user_id", "Give user_id"))
        elif act == "delegate":
            _allowed(document.get("allow_delegate", True))
            yield from self._course.delegate(w, a, task, user_id, comment)
        else:
            _allowed(document.get("allow_add_signer", True))
            yield from self._course.add_signer(w, a, user_id, comment)

    # -- looking ---------------------------------------------------------------------------------------------------------

    async def mine(
        self, caller: Caller, folder: Folder, app: str | None, before: str | None, limit: int
    ) -> list[dict[str, JSON]]:
        """Return what waits for the caller, what he has answered, or what he asked for."""
        actor = require_actor(caller.actor)
        require_scope(actor, (scopes.READ,))
        if app is not None:
            await self._records.current(caller, app)
        found = await self._database.read(lambda: list_mine(self._cache, caller, folder, app, before, limit))
        titles = {app: await self._titles(caller, app, found) for app in {one["app"] for one in found}}
        return [{**one, "title": titles[one["app"]][one["id"]]} for one in found]

    async def _titles(self, caller: Caller, app: str, found: Sequence[dict[str, JSON]]) -> dict[str, JSON]:
        """Return the titles of an app's approvals that the caller sees, by id; none in an app that is not there for them any more."""
        mine = [one for one in found if one["app"] == app]

        async def run(published: PublishedApp) -> list[dict[str, JSON]]:
            w = self._records.writing(published, caller)
            return await self._database.read(lambda: with_seen_titles(w, mine))

        try:
            shown = await self._records.pinned(app, caller, run)
        except Problem as problem:
            if problem.code != "app.not_found":
                raise
            return dict.fromkeys((one["id"] for one in mine), None)
        return {one["id"]: one["title"] for one in shown}

    async def of_record(self, caller: Caller, app: str, entity: str, record_id: str) -> list[dict[str, JSON]]:
        """Return the approvals of a record that the caller may read, the latest first."""

        def unit(w: Writing, owner: CompiledEntity, known: str) -> Unit[list[dict[str, JSON]]]:
            return (yield from with_seen_titles(w, (yield from list_of_record(self._cache, app, owner.key, known))))

        return await self._records.read_beside(caller, app, entity, record_id, unit)

    async def get(self, caller: Caller, app: str, approval_id: str) -> dict[str, JSON]:
        """Return an approval to who takes part in it, or may read its record.

        Raises:
            Problem: ``approval.not_found``.
        """
        await self._records.current(caller, app)
        shown = await self._shown(app, approval_id)
        actor = require_actor(caller.actor)
        if shown["asked_by"] != actor.user_id and actor.user_id not in {task["user_id"] for task in shown["tasks"]}:
            await self._records.get(caller, app, shown["entity"], shown["record_id"])
        return {**shown, "title": (await self._titles(caller, app, [shown]))[shown["id"]]}

    async def _shown(self, app: str, approval_id: str) -> dict[str, JSON]:
        known = find_uuid(approval_id)
        found = None
        if known is not None:
            found = await self._database.read(lambda: find_one(self._cache, app, known))
        if found is None:
            raise not_found(approval_id)
        return found

    # -- time --------------------------------------------------------------------------------------------------------------

    async def tend_due(self) -> int:
        """Escalate answers that are overdue and replace who has left, each once and in a transaction of its own; return how many.

        Any number of processes may.
        """
        count = 0
        for statement, tend in ((self._overdue, self._escalate), (self._left, self._replace)):
            for task_id, approval_id, app in await self._ask(statement):
                caller = system_caller(self._ids.record_id(), "timer")
                unit = partial(self._tend, approval_id=str(approval_id), task_id=str(task_id), tend=tend)
                count += await self._records.work(caller, str(app), unit)
        return count

    async def _ask(self, statement: Statement) -> Rows:
        def due() -> Unit[Rows]:
            return (yield Query(statement, {"now": self._clock.now()}))

        return await self._database.read(due)

    def _tend(self, w: Writing, approval_id: str, task_id: str, tend: Callable[..., Unit[bool]]) -> Unit[int]:
        found = yield from rows.hold_approval(w, approval_id)
        if found is None or found.state != RUNNING:
            return 0
        for task in (yield from rows.tasks_of(w, approval_id)):
            if task.id == task_id and task.state == "open":
                return int((yield from tend(w, found, task)))
        return 0

    def _escalate(self, w: Writing, found: Running, task: Task) -> Unit[bool]:
        if task.escalated_at is not None or task.due_at is None or task.due_at > w.now:
            return False
        yield from self._course.escalate(w, found, task)
        return True

    def _replace(self, w: Writing, found: Running, task: Task) -> Unit[bool]:
        if (yield from rows.was_told(w, found.id, VACANT, task.user_id)):
            return False
        yield from self._course.replace_leaver(w, found, task)
        return True


def _own_task(a: Running, tasks: Sequence[Task], user_id: str | None, task_id: str | None) -> Task:
    """Return the open task of a person; an admin may name anybody's.

    Raises:
        Problem: ``access.denied``.
    """
    for task in tasks:
        if (
            task.step == a.step
            and task.state == "open"
            and (task.id == task_id if task_id else task.user_id == user_id)
        ):
            return task
    raise Problem("access.denied", say("现在不需要您审批", "Nobody waits for your answer now"))


def _allowed(allowed: object) -> None:
    if not allowed:
        raise Problem("approval.refused", say("这个审批不允许此操作", "This approval does not allow that"))


def not_found(approval_id: str) -> Problem:
    """There is no such approval (or it is hidden)."""
    shown = approval_id[:100]
    return Problem("approval.not_found", say(f"没有审批 {shown}", f"There is no approval {shown}"))


def _overdue() -> sa.Select[Any]:
    task, approval = tables.approval_task, tables.approval
    return (
        sa.select(task.c.id, approval.c.id.label("approval_id"), approval.c.app)
        .join_from(task, approval, approval.c.id == task.c.approval_id)
        .where(
            task.c.state == "open",
            task.c.escalated_at.is_(None),
            task.c.due_at <= sa.bindparam("now", type_=Instant()),
            approval.c.state == RUNNING,
        )
        .order_by(task.c.due_at)
        .limit(_BATCH)
    )


def _left() -> sa.Select[Any]:
    """Open tasks of people who were switched off and whose work is not being handed over, unless administrators were told already."""
    task, approval, act, user, job = (
        tables.approval_task,
        tables.approval,
        tables.approval_act,
        tables.user,
        delivery_tables.job,
    )
    told = sa.exists().where(act.c.approval_id == approval.c.id, act.c.act == VACANT, act.c.user_id == user.c.id)
    named = (
        sa.literal_column('\'%"from":"\'').op("||")(sa.cast(user.c.id, sa.Text)).op("||")(sa.literal_column("'\"%'"))
    )
    handed = sa.exists().where(
        job.c.kind == HANDOVER,
        sa.or_(job.c.state == "waiting", job.c.state == "running"),
        sa.type_coerce(job.c.arguments, sa.Text).like(named),
    )
    return (
        sa.select(task.c.id, approval.c.id.label("approval_id"), approval.c.app)
        .join_from(task, approval, approval.c.id == task.c.approval_id)
        .join(user, user.c.id == task.c.user_id)
        .where(task.c.state == "open", approval.c.state == RUNNING, ~user.c.active, ~told, ~handed)
        .limit(_BATCH)
    )
