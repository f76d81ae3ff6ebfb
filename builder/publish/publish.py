"""Publish: run a plan and write the version, in one transaction. Kill the process anywhere: the app is as before or as after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from builder.definition.kinds import dump_definition
from builder.kernel.canonical import dump_sorted
from builder.kernel.faults import crash_point
from builder.kernel.ids import Ids
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.publish.diff import Change
from builder.publish.later import put_down
from builder.publish.lineage import dump_lineage
from builder.publish.plan import Plan, make_plan
from builder.publish.reindexing import set_aside, take_up
from builder.publish.step import Work, operations_on
from builder.store import tables


def lock_app(connection: sa.Connection, app: str) -> int:
    """Lock an app against writers and other publishes; return its published version.

    Raises:
        Problem: ``app.not_found``.
    """
    row = tables.app
    version = connection.scalar(sa.select(row.c.published_version).where(row.c.key == app).with_for_update())
    if version is None:
        raise Problem("app.not_found", say(f"没有应用“{app}”", f'There is no app "{app}"'))
    return int(version)


@dataclass(frozen=True, slots=True)
class Intent:
    """What the caller of a publish says: which plan they agreed to, whether data may go out of sight, who they are and why."""

    plan_hash: str | None = None
    """None = whatever the plan is."""
    accept_lossy: bool = False
    author: str | None = None
    note: str | None = None


def publish(
    connection: sa.Connection,
    dialect: str,
    change: Change,
    intent: Intent,
    *,
    now: datetime,
    ids: Ids,
) -> Plan:
    """Run inside ``Database.exclusive_schema``; the app is locked and ``change.base`` is what is published.

    Raises:
        Problem: ``publish.plan_changed``, ``publish.blocked``, ``publish.lossy``.
    """
    target = change.target
    plan = make_plan(connection, change)
    _refuse(plan, intent)
    work = Work(connection, dialect, target.key, target.version, now, ids)
    operations = operations_on(connection)
    set_aside(connection, target.key)
    for step in plan.steps:
        step.ddl(operations, dialect)
        crash_point("publish.step")
        step.fill(work)
        crash_point("publish.step")
    take_up(connection, target)
    put_down(work, intent.author)
    connection.execute(
        sa.insert(tables.version).values(
            app=target.key,
            version=target.version,
            package=dump_sorted(dump_definition(target.definition)).decode(),
            package_hash=target.definition.hash(),
            plan=dump_sorted(plan.to_json("en")).decode(),
            lineage=dump_lineage(plan.lineage),
            note=intent.note,
            published_at=now,
            published_by=intent.author,
        )
    )
    connection.execute(
        sa.update(tables.app)
        .where(tables.app.c.key == target.key)
        .values(published_version=target.version, pin=ids.record_id())
    )
    crash_point("publish.commit")
    return plan


def _refuse(plan: Plan, intent: Intent) -> None:
    if intent.plan_hash is not None and intent.plan_hash != plan.hash:
        detail = say(
            "草稿在生成计划后又有改动,请重新查看计划",
            "The draft changed since the plan was made; look at the plan again",
        )
        raise Problem("publish.plan_changed", detail, extra={"plan_hash": plan.hash})
    blocked = [
        (step, impact) for step, impact in zip(plan.steps, plan.impacts, strict=True) if impact.risk == "blocked"
    ]
    if blocked:
        step, impact = blocked[0]
        summary = step.summary()
        detail = say(f"{summary.zh}:{impact.note.zh}", f"{summary.en}: {impact.note.en}")
        raise Problem("publish.blocked", detail, extra={"sample_ids": list(impact.sample_ids)})
    if plan.risk == "lossy" and not intent.accept_lossy:
        summaries = [
            step.summary() for step, impact in zip(plan.steps, plan.impacts, strict=True) if impact.risk == "lossy"
        ]
        detail = say(
            "需要确认(accept_lossy):" + ";".join(s.zh for s in summaries),
            "Needs confirmation (accept_lossy): " + "; ".join(s.en for s in summaries),
        )
        raise Problem("publish.lossy", detail, extra={"plan_hash": plan.hash})
