"""Upkeep on its cron line, and the audit of what must always be true, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from builder.store import delivery_tables, process_tables, tables, writing_tables
from builder.store.database import Database
from runtime.invariants import audit_rows
from runtime.settings import Settings
from runtime.upkeep.pruning import old_rows
from runtime.upkeep.schedule import Upkeep
from tests.support.office import Office, on, sets

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)


def outbox_row(number: int, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record_id(number),
        "key": f"k{number}",
        "connection": "mail",
        "payload": "{}",
        "state": "done",
    }
    row |= {"attempts": 1, "next_at": LONG_AGO, "created_at": LONG_AGO, "ended_at": LONG_AGO}
    return {**row, **values}


def job_row(number: int, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record_id(number),
        "kind": "old",
        "arguments": "{}",
        "state": "done",
        "done_count": 1,
        "attempts": 1,
    }
    row |= {"cancel_requested": False, "next_at": LONG_AGO, "created_at": LONG_AGO, "ended_at": LONG_AGO}
    return {**row, **values}


def record_id(number: int) -> str:
    return f"01a20244-e800-7233-9892-{number:012}"


def put(database: Database, table: sa.Table, *rows: dict[str, Any]) -> None:
    with database.transaction() as connection:
        for row in rows:
            connection.execute(sa.insert(table).values(**row))


def left(database: Database, table: sa.Table, column: str) -> list[Any]:
    with database.snapshot() as connection:
        return list(connection.scalars(sa.select(table.c[column]).order_by(table.c[column])))


async def run_jobs(office: Office) -> None:
    await office.tick()
    runner = office.services.job_runner
    await runner.until_idle()
    await office.tick()
    await runner.until_idle()
    await office.tick()


async def test_what_is_old_goes_by_the_settings_on_the_cron_line(office: Office):
    database = office.services.database
    outbox, job, slot = delivery_tables.outbox, delivery_tables.job, delivery_tables.cron_slot
    recent = NOW - timedelta(days=3)
    put(
        database,
        outbox,
        outbox_row(1),
        outbox_row(2, ended_at=recent),
        outbox_row(3, state="dead"),
        outbox_row(4, state="todo", ended_at=None, attempts=0, next_at=NOW + timedelta(days=900)),
    )
    put(database, job, job_row(1), job_row(2, ended_at=recent))
    put(database, slot, {"schedule": "automation/x", "slot_at": LONG_AGO, "fired_at": LONG_AGO})
    office.automate(on({"type": "created"}, sets(note="x")))
    order = await office.order()
    run = process_tables.automation_run
    with database.transaction() as connection:
        connection.execute(sa.update(run).values(at=LONG_AGO))
    answer = writing_tables.idempotency
    old_answer = {"actor": "a", "key": "k", "app": "shop", "fingerprint": "f", "created_at": LONG_AGO}
    put(database, answer, old_answer)
    await office.change("order", order["id"], note="y")

    await run_jobs(office)
    assert len(left(database, outbox, "key")) == 4  # not before its time
    await office.become(datetime(2026, 11, 22, 18, 30, tzinfo=UTC))
    await run_jobs(office)
    assert left(database, outbox, "key") == ["k2", "k3", "k4"]
    assert left(database, run, "id") == []
    assert left(database, answer, "key") == []
    assert "automation/x" not in left(database, slot, "schedule")
    kinds = left(database, job, "kind")
    assert kinds == ["directory.sync", "old", "upkeep.files", "upkeep.prune", "upkeep.trash"]
    with database.snapshot() as connection:
        rows = connection.execute(sa.select(job.c.state, job.c.result).where(job.c.kind == "upkeep.prune")).all()
    assert [row.state for row in rows] == ["done"]
    assert '"outbox":1' in rows[0].result.replace(" ", "")
    await office.pass_time(hours=12)
    assert len(left(database, job, "kind")) == 5
    assert (await office.get("order", order["id"]))["note"] == "y"


def test_every_setting_of_what_is_kept_bears_on_something():
    short = Settings(keep_outbox_days=1, keep_runs_days=1, keep_inbox_days=1, keep_jobs_days=1)
    kept = {old.name: old.kept for old in old_rows(short)}
    changed = {name for name, time in kept.items() if {o.name: o.kept for o in old_rows(Settings())}[name] != time}
    assert changed == {"outbox", "runs", "messages", "firings", "inbox", "jobs"}


async def test_however_many_processes_look_upkeep_begins_once(office: Office):
    services = office.services
    works = [Upkeep(services.database, services.jobs, "0 * * * *", ["upkeep.prune"]) for _ in range(4)]
    for work in works:
        assert await work.run_due(NOW) == 0
    later = NOW + timedelta(hours=5)  # slots that were missed are made up for once
    started = await asyncio.gather(*(work.run_due(later) for work in works))
    assert sorted(started) == [0, 0, 0, 1]
    off = Upkeep(services.database, services.jobs, "", ["upkeep.prune"])
    assert await off.run_due(later + timedelta(days=2)) == 0


@pytest.mark.parametrize(
    "table, row, said",
    [
        (delivery_tables.outbox, outbox_row(1, state="lost"), "a state that there is not"),
        (delivery_tables.outbox, outbox_row(1, state="sending", ended_at=None), "that nobody holds"),
        (delivery_tables.outbox, outbox_row(1, lease_token="x"), "held that are not under way"),
        (delivery_tables.outbox, outbox_row(1, ended_at=None), "whose end does not fit"),
        (delivery_tables.outbox, outbox_row(1, attempts=0), "never tried"),
        (delivery_tables.job, job_row(1, state="odd"), "jobs in a state"),
        (delivery_tables.job, job_row(1, state="running", ended_at=None), "whose runner does not fit"),
        (delivery_tables.job, job_row(1, ended_at=None), "jobs whose end"),
    ],
)
async def test_the_audit_finds_rows_that_cannot_be(office: Office, table: sa.Table, row: dict[str, Any], said: str):
    database = office.services.database
    put(database, table, row)
    with database.snapshot() as connection:
        found = [text.en for text in audit_rows(connection)]
    assert any(said in text and str(row.get("key", row["id"])) in text for text in found), found


async def test_the_audit_finds_approvals_that_wait_for_nobody(office: Office):
    database = office.services.database
    approval = {
        "app": "shop",
        "entity": "order",
        "record_id": record_id(9),
        "approval": "x",
        "version": 1,
        "body": "{}",
    }
    approval |= {"step": 0, "asked_at": LONG_AGO}
    put(
        database,
        tables.approval,
        {**approval, "id": record_id(1), "state": "running"},
        {**approval, "id": record_id(2), "state": "approved"},
    )
    with database.snapshot() as connection:
        found = "\n".join(text.en for text in audit_rows(connection))
    assert f"wait for nobody: {record_id(1)}" in found
    assert f"whose decision does not fit their state: {record_id(2)}" in found


async def test_a_busy_day_leaves_nothing_to_be_found(office: Office):
    office.automate(on({"type": "created"}, {**sets(note="x"), "run": "after"}))
    await office.order()
    with office.services.database.snapshot() as connection:
        assert list(audit_rows(connection)) == []
    await office.tick()
    with office.services.database.snapshot() as connection:
        assert list(audit_rows(connection)) == []
