"""What must always be true of the rows that things happen by: one audit, for ``dougong doctor`` and for the fault tests. It changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import sqlalchemy as sa

from builder.kernel.text import Text, say
from builder.registry.apps import list_apps
from builder.registry.registry import find_published
from builder.registry.stages import misplaced
from builder.store import delivery_tables, process_tables, tables
from runtime.services import Services

_SHOWN = 5
outbox, job = delivery_tables.outbox.c, delivery_tables.job.c
run, task, approval = process_tables.automation_run.c, tables.approval_task.c, tables.approval.c


class Wrong(NamedTuple):
    """Rows that cannot be."""

    subject: sa.Column[str]
    """Names the row."""
    condition: sa.ColumnElement[bool]
    message: Text


def _open_tasks() -> sa.Exists:
    return sa.exists().where(task.approval_id == approval.id, task.state.in_(("open", "waiting")))


WRONG: tuple[Wrong, ...] = (
    Wrong(
        outbox.key,
        outbox.state.not_in(("todo", "sending", "done", "dead")),
        say("投递处于未知状态", "deliveries in a state that there is not"),
    ),
    Wrong(
        outbox.key,
        (outbox.state == "sending") & (outbox.lease_until.is_(None) | outbox.lease_token.is_(None)),
        say("投递正在发送,却无人持有", "deliveries under way that nobody holds"),
    ),
    Wrong(
        outbox.key,
        (outbox.state != "sending") & outbox.lease_token.is_not(None),
        say("投递未在发送,却仍被持有", "deliveries held that are not under way"),
    ),
    Wrong(
        outbox.key,
        outbox.state.in_(("done", "dead")) != outbox.ended_at.is_not(None),
        say("投递的结束时间与状态不符", "deliveries whose end does not fit their state"),
    ),
    Wrong(
        outbox.key,
        (outbox.state == "done") & (outbox.attempts == 0),
        say("投递从未尝试,却标为已送达", "deliveries called delivered that were never tried"),
    ),
    Wrong(
        job.id,
        job.state.not_in(("waiting", "running", "done", "failed", "cancelled")),
        say("任务处于未知状态", "jobs in a state that there is not"),
    ),
    Wrong(
        job.id,
        (job.state == "running") != job.lease_token.is_not(None),
        say("任务的持有者与状态不符", "jobs whose runner does not fit their state"),
    ),
    Wrong(
        job.id,
        job.state.in_(("done", "failed", "cancelled")) != job.ended_at.is_not(None),
        say("任务的结束时间与状态不符", "jobs whose end does not fit their state"),
    ),
    Wrong(
        run.id,
        (run.state == "waiting") != run.due_at.is_not(None),
        say(
            "自动化运行在等待,却没有时间(或相反)",
            "runs of automations that wait without a moment, or have one and do not wait",
        ),
    ),
    Wrong(
        approval.id,
        (approval.state == "running") != approval.decided_at.is_(None),
        say("审批的决定时间与状态不符", "approvals whose decision does not fit their state"),
    ),
    Wrong(
        approval.id,
        (approval.state == "running") & ~_open_tasks(),
        say("审批进行中,却没有人要处理", "approvals under way that wait for nobody"),
    ),
    Wrong(
        approval.id,
        (approval.state != "running") & _open_tasks(),
        say("审批已结束,却还有待办", "approvals that are over and still wait for somebody"),
    ),
)


def audit(services: Services) -> list[Text]:
    """Return all that is wrong, stage histories included. Synchronous: run it in a thread."""
    with services.database.snapshot() as connection:
        stages = list(_stages(services, connection))
    return [*stages, *audit_process(services)]


def audit_process(services: Services) -> list[Text]:
    """Return what is wrong with deliveries, jobs, runs, approvals and timers (the doctor looks at stages with the apps)."""
    with services.database.snapshot() as connection:
        found = list(audit_rows(connection))
        keys = [line.key for line in list_apps(connection) if line.published_version]
    return [*found, *asyncio.run(_timers(services, keys))]


def audit_rows(connection: sa.Connection) -> Iterator[Text]:
    """Yield what is wrong with rows that no definition is needed to judge."""
    for wrong in WRONG:
        chosen = sa.select(wrong.subject).where(wrong.condition).order_by(wrong.subject).limit(_SHOWN + 1)
        names = [str(name) for name in connection.scalars(chosen)]
        if names:
            shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            zh, en = wrong.message
            yield say(f"{zh}:{shown}", f"There are {en}: {shown}")


def _stages(services: Services, connection: sa.Connection) -> Iterator[Text]:
    for line in list_apps(connection):
        found = find_published(services.registry, connection, line.key) if line.published_version else None
        if found is not None:
            yield from (one.message for one in misplaced(connection, found.app))


async def _timers(services: Services, keys: list[str]) -> list[Text]:
    await services.database.start()
    try:
        return await audit_timers(services, keys)
    finally:
        await services.database.stop()


async def audit_timers(services: Services, keys: list[str]) -> list[Text]:
    """Return what is wrong with the timers of apps, on the running loop."""
    return [text for key in keys for text in await services.timers.audit(key)]
