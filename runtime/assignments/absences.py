"""Absences: when people are on leave, travelling or in training. Reads and writes: dougong_absence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import Database
from builder.store.process_tables import absence as table
from runtime.access.gate import require_actor
from runtime.assignments.candidates import ABSENCES
from runtime.identity.actors import Actor


@dataclass(frozen=True, slots=True)
class Absence:
    """One absence."""

    id: str
    user_id: str
    kind: str
    begins_at: datetime
    ends_at: datetime
    note: str | None


class Absences:
    """People note their own; admins note anybody's."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    def list_absences(self, actor: Actor | None, user_id: str | None) -> list[Absence]:
        """Return what is not over yet, one's own, or (for admins) of others, the earliest first."""
        known = self._whose(require_actor(actor), user_id)
        wanted = sa.select(table).where(table.c.user_id == known, table.c.ends_at > self._clock.now())
        with self._database.snapshot() as connection:
            rows = connection.execute(wanted.order_by(table.c.begins_at)).all()
        return [Absence(str(r.id), str(r.user_id), r.kind, r.begins_at, r.ends_at, r.note) for r in rows]

    def add_absence(
        self,
        actor: Actor | None,
        user_id: str | None,
        kind: str,
        begins_at: datetime,
        ends_at: datetime,
        note: str | None,
    ) -> Absence:
        """Note an absence.

        Raises:
            Problem: ``identity.invalid``, ``access.denied`` for somebody else's.
        """
        known = self._whose(require_actor(actor), user_id)
        violations = []
        if kind not in ABSENCES:
            kinds = ", ".join(ABSENCES)
            violations.append(Violation("kind", "/kind", say(f"应是其中之一:{kinds}", f"Expected one of {kinds}")))
        if ends_at <= begins_at:
            violations.append(
                Violation("order", "/ends_at", say("结束须晚于开始", "The end comes after the beginning"))
            )
        if violations:
            raise Problem("identity.invalid", violations=violations)
        made = Absence(self._ids.record_id(), known, kind, begins_at, ends_at, note)
        row: dict[str, Any] = {
            "id": made.id,
            "user_id": known,
            "kind": kind,
            "begins_at": begins_at,
            "ends_at": ends_at,
            "note": note,
            "created_by": actor.user_id if actor else None,
            "created_at": self._clock.now(),
        }
        with self._database.transaction() as connection:
            connection.execute(sa.insert(table).values(**row))
        return made

    def delete_absence(self, actor: Actor | None, absence_id: str) -> None:
        """Take an absence back.

        Raises:
            Problem: ``identity.not_found``, also for somebody else's.
        """
        who = require_actor(actor)
        known = find_uuid(absence_id)
        condition = table.c.id == known
        if not who.oversees:
            condition &= table.c.user_id == who.user_id
        with self._database.transaction() as connection:
            found = known is not None and connection.execute(sa.delete(table).where(condition)).rowcount
        if not found:
            raise Problem("identity.not_found", say("没有这条请假或出差记录", "There is no such absence"))

    def _whose(self, actor: Actor, user_id: str | None) -> str:
        known = find_uuid(user_id) if user_id is not None else actor.user_id
        if known is None:
            raise Problem("identity.not_found")
        if known != actor.user_id and not actor.oversees:
            raise Problem("access.denied", say("只能查看和登记自己的", "Only your own"))
        return known
