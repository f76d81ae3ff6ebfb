"""Rows of jobs: starting, claiming, reporting, cancelling. Reads and writes: dougong_job."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids, find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import Database
from builder.store.delivery_tables import job as table
from builder.store.jobs import job_row
from builder.store.statement import Query, Unit

if TYPE_CHECKING:
    from runtime.records.writer import Writing

JSON = Any
LEASE = timedelta(seconds=60)
TRIES = 5
"""How often a job is tried without getting any further."""
_ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """One job as people see it."""

    id: str
    kind: str
    app: str | None
    state: str
    done_count: int
    total_count: int | None
    result: JSON
    error: Text | None
    cancel_requested: bool
    created_at: datetime
    created_by: str | None
    ended_at: datetime | None


class ClaimedJob(NamedTuple):
    """A job under our lease, with where to go on from."""

    id: str
    kind: str
    app: str | None
    arguments: Mapping[str, JSON]
    checkpoint: JSON
    done_count: int
    attempts: int
    created_by: str | None
    token: str


class JobRows:
    """The rows."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self.database = database
        self._clock = clock
        self._ids = ids

    # -- starting ------------------------------------------------------------------------------------------------------

    def start(
        self,
        connection: sa.Connection,
        kind: str,
        arguments: Mapping[str, JSON],
        *,
        app: str | None = None,
        by: str | None = None,
        total: int | None = None,
    ) -> str:
        """Put a job down in a transaction; it begins when that is committed. Returns its id."""
        row = job_row(self._ids.record_id(), kind, arguments, app, by, self._clock.now(), total)
        connection.execute(sa.insert(table).values(**row))
        return str(row["id"])

    # -- running -------------------------------------------------------------------------------------------------------

    def claim(self, kinds: list[str]) -> ClaimedJob | None:
        """Take the oldest job that may run under a lease: one that waits, or one whose runner is gone.

        One whose runners died again and again without getting any further is given up, one that was to be cancelled is.
        """
        while True:
            found = self._claim(kinds)
            if not isinstance(found, str):
                return found

    def _claim(self, kinds: list[str]) -> ClaimedJob | str | None:
        """Take the oldest; its state if it was ended instead."""
        now, c = self._clock.now(), table.c
        free = sa.or_(c.lease_until.is_(None), c.lease_until <= now)
        due = (c.state.in_(("waiting", "running")), c.next_at <= now, free, c.kind.in_(kinds))
        token = self._ids.secret()
        with self.database.transaction() as connection:
            oldest = sa.select(table).where(*due).order_by(c.next_at, c.id).limit(1)
            row = connection.execute(oldest.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            taken = sa.update(table).where(c.id == row.id)
            over = _end_of(row)
            if over is not None:
                connection.execute(taken.values(**over, ended_at=now, lease_until=None, lease_token=None))
                return str(over["state"])
            values = {
                "state": "running",
                "lease_until": now + LEASE,
                "lease_token": token,
                "attempts": row.attempts + 1,
            }
            connection.execute(taken.values(**values))
        checkpoint = None if row.checkpoint is None else parse_json(row.checkpoint)
        arguments = parse_json(row.arguments)
        return ClaimedJob(
            row.id, row.kind, row.app, arguments, checkpoint, row.done_count, row.attempts + 1, row.created_by, token
        )

    def report(
        self, connection: sa.Connection, job: ClaimedJob, *, done: int, total: int | None, checkpoint: JSON
    ) -> bool:
        """Write progress and checkpoint in the transaction of a step, and extend the lease.

        Returns:
            False if the job was cancelled: the step counts, and it is the last.

        Raises:
            LeaseLost: another runner has the job; the step must be rolled back.
        """
        ours = self._held(job)
        values: dict[str, Any] = {"done_count": done, "checkpoint": dump_json(checkpoint).decode(), "attempts": 1}
        if total is not None:
            values["total_count"] = total
        change = sa.update(table).where(*ours).values(lease_until=self._clock.now() + LEASE, **values)
        row = connection.execute(change.returning(table.c.cancel_requested)).one_or_none()
        if row is None:
            raise LeaseLost
        return not row.cancel_requested

    def extend(self, job: ClaimedJob) -> bool:
        """Extend the lease while a step takes long; False if another runner has the job."""
        change = sa.update(table).where(*self._held(job)).values(lease_until=self._clock.now() + LEASE)
        with self.database.transaction() as connection:
            return connection.execute(change).rowcount == 1

    def release(self, job: ClaimedJob) -> bool:
        """Let go of a job without fault of its own: the next runner goes on from its checkpoint at once."""
        values = {"state": "waiting", "lease_until": None, "lease_token": None, "attempts": table.c.attempts - 1}
        return self._ours(job, values)

    def _held(self, job: ClaimedJob) -> tuple[sa.ColumnElement[bool], ...]:
        return table.c.id == job.id, table.c.lease_token == job.token, table.c.state == "running"

    def end(self, job: ClaimedJob, state: str, *, result: JSON = None, error: Text | None = None) -> bool:
        """End a job; False if another runner has it."""
        values = {
            "state": state,
            "ended_at": self._clock.now(),
            "lease_until": None,
            "lease_token": None,
            "result": None if result is None else dump_json(result).decode(),
            "error": None if error is None else dump_json(error._asdict()).decode(),
        }
        return self._ours(job, values)

    def put_back(self, job: ClaimedJob, wait: timedelta, error: Text) -> bool:
        """Let a job that failed be tried again from its checkpoint."""
        values = {
            "state": "waiting",
            "next_at": self._clock.now() + wait,
            "lease_until": None,
            "lease_token": None,
            "error": dump_json(error._asdict()).decode(),
        }
        return self._ours(job, values)

    def _ours(self, job: ClaimedJob, values: dict[str, Any]) -> bool:
        ours = sa.update(table).where(table.c.id == job.id, table.c.lease_token == job.token)
        with self.database.transaction() as connection:
            return connection.execute(ours.values(**values)).rowcount == 1

    # -- for people ----------------------------------------------------------------------------------------------------

    def list_jobs(
        self,
        *,
        app: str | None = None,
        state: str | None = None,
        by: str | None = None,
        within: Collection[str] | None = None,
    ) -> list[Job]:
        """Return jobs, the latest first, at most 100; ``within``: of these apps only."""
        select = sa.select(table).order_by(table.c.id.desc()).limit(100)
        if within is not None:
            select = select.where(table.c.app.in_(sorted(within)))
        for column, wanted in ((table.c.app, app), (table.c.state, state), (table.c.created_by, by)):
            if wanted is not None:
                select = select.where(column == wanted)
        with self.database.snapshot() as connection:
            return [_job(row) for row in connection.execute(select)]

    def get_job(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            Problem: ``job.not_found``.
        """
        with self.database.snapshot() as connection:
            return _job(_get(connection, job_id))

    def get_with_arguments(self, job_id: str) -> tuple[Job, Mapping[str, JSON]]:
        """Return a job and what it was told.

        Raises:
            Problem: ``job.not_found``.
        """
        with self.database.snapshot() as connection:
            row = _get(connection, job_id)
        return _job(row), parse_json(row.arguments)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop: one that waits ends at once, one that runs after the step it is in.

        Raises:
            Problem: ``job.not_found``, ``job.ended``.
        """
        with self.database.transaction() as connection:
            row = _get(connection, job_id, hold=True)
            if row.state in _ENDED:
                raise Problem("job.ended", say("任务已经结束", "The job has ended already"))
            values: dict[str, Any] = {"cancel_requested": True}
            if row.state == "waiting":
                values |= {"state": "cancelled", "ended_at": self._clock.now()}
            connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
            return _job(_get(connection, job_id))

    def retry(self, job_id: str) -> Job:
        """Let a job that failed or was cancelled go on from its checkpoint.

        Raises:
            Problem: ``job.not_found``, ``job.not_retried``.
        """
        with self.database.transaction() as connection:
            row = _get(connection, job_id, hold=True)
            if row.state not in ("failed", "cancelled"):
                text = say("只有失败或已取消的任务可以继续", "Only a job that failed or was cancelled can go on")
                raise Problem("job.not_retried", text)
            values = {
                "state": "waiting",
                "cancel_requested": False,
                "attempts": 0,
                "next_at": self._clock.now(),
                "lease_until": None,
                "lease_token": None,
                "error": None,
                "ended_at": None,
            }
            connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
            return _job(_get(connection, job_id))


class LeaseLost(Exception):
    """Another runner took the job over; whatever this one still does must not count."""


def start_job(w: Writing, kind: str, arguments: Mapping[str, JSON], *, total: int | None = None) -> Unit[str]:
    """Put a job down inside a write; it begins when the write is committed. Returns its id."""
    row = job_row(w.ids.record_id(), kind, arguments, w.app.key, w.caller.actor_id, w.now, total)
    statement = w.statements.kept(
        ("job",),
        lambda _: sa.insert(table).values({name: sa.bindparam(name, type_=table.c[name].type) for name in row}),
    )
    yield Query(statement, row)
    return str(row["id"])


def report_within(w: Writing, job: ClaimedJob, *, done: int, checkpoint: JSON) -> Unit[bool]:
    """Write progress and checkpoint inside a write that is a step of the job, and extend the lease; as ``JobRows.report``.

    Raises:
        LeaseLost: another runner has the job; the write must be rolled back.
    """
    c = table.c
    fresh = {
        "done_count": sa.bindparam("v_done", type_=c.done_count.type),
        "checkpoint": sa.bindparam("v_checkpoint", type_=c.checkpoint.type),
        "lease_until": sa.bindparam("v_lease", type_=c.lease_until.type),
        "attempts": sa.literal_column("1"),
    }
    ours = (
        c.id == sa.bindparam("own_id", type_=c.id.type),
        c.lease_token == sa.bindparam("own_token", type_=c.lease_token.type),
        c.state == sa.literal_column("'running'"),
    )
    statement = w.statements.kept(
        ("job report",), lambda _: sa.update(table).where(*ours).values(fresh).returning(c.cancel_requested)
    )
    values = {"own_id": job.id, "own_token": job.token, "v_done": done, "v_lease": w.now + LEASE}
    rows = yield Query(statement, {**values, "v_checkpoint": dump_json(checkpoint).decode()})
    if not rows:
        raise LeaseLost
    return not rows[0][0]


def _end_of(row: Any) -> dict[str, Any] | None:
    """Return how a job ends whose runner is gone and that is not to be taken over; None: it goes on."""
    if row.state != "running":
        return None
    if row.cancel_requested:
        return {"state": "cancelled"}
    if row.attempts < TRIES:
        return None
    text = say(
        f"运行它的进程连续 {row.attempts} 次中途退出,未再前进,已放弃",
        f"The processes that ran it died {row.attempts} times without getting any further; given up",
    )
    return {"state": "failed", "error": dump_json(text._asdict()).decode()}


def _get(connection: sa.Connection, job_id: str, *, hold: bool = False) -> Any:
    known = find_uuid(job_id)
    one = sa.select(table).where(table.c.id == known)
    row = connection.execute(one.with_for_update() if hold else one).one_or_none() if known else None
    if row is None:
        raise Problem("job.not_found", say("没有这个任务", "There is no such job"))
    return row


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        app=row.app,
        state=row.state,
        done_count=row.done_count,
        total_count=row.total_count,
        result=None if row.result is None else parse_json(row.result),
        error=None if row.error is None else Text(**parse_json(row.error)),
        cancel_requested=row.cancel_requested,
        created_at=row.created_at,
        created_by=row.created_by,
        ended_at=row.ended_at,
    )
