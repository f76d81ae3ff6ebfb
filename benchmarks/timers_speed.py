"""Timers: what arming adds to a write beside a million pending ones, how fast a hundred thousand that are due at once fire and how late
those of a steady stream do, how fast scenarios play.

``python -m benchmarks.timers_speed [DATABASE_URL]``: an empty database that is filled and left behind; without one an SQLite file in a
temporary folder. On PostgreSQL two ``dougong worker`` fire, on SQLite this process does. Ratios count: the machine's speed is on both
sides of each. On SQLite arming is measured in CPU time: everything is in this process.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.clock import MovableClock, SystemClock
from builder.registry.apps import create_app as add_app
from builder.registry.publishing import publish_draft
from builder.store import delivery_tables, tables
from builder.store.statement import SQLITE, Query, Unit, prepare
from runtime.app import App, create_app, scratch_rehearsals
from runtime.records.caller import system_caller
from runtime.settings import Settings

PENDING = 1_000_000
DUE = 100_000
STEADY, SECONDS = 200, 20
"""Timers a second, for so long."""
ROUNDS = 500
WORKERS = 2
BATCH = 500


def definition() -> dict[str, Any]:
    """Three entities that are alike; one is watched, and of another somebody is told when nothing happens."""
    fields = [
        {"key": "title", "type": "text", "label": "title"},
        {"key": "stage", "type": "text", "label": "stage", "default": "assigned"},
        {"key": "amount", "type": "money", "label": "amount"},
    ]
    owner = {"key": "owner", "type": "user", "label": "owner"}
    letter = {"type": "notify", "to": [{"field": "owner"}], "subject": "{{title}}: 24 h", "text": "{{amount}}"}
    return {
        "app": {"key": "bench", "label": "bench"},
        "entities": [
            *({"key": key, "label": key, "fields": fields} for key in ("plain", "watched")),
            {"key": "told", "label": "told", "fields": [*fields, owner]},
        ],
        "reminders": [_reminder("watched"), _reminder("told", letter)],
    }


def _reminder(entity: str, *actions: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": f"follow_{entity}",
        "label": "follow",
        "entity": entity,
        "when": {"type": "unchanged"},
        "condition": 'stage = "assigned"',
        "late": {"tolerance": "900 d"},
        "steps": [{"after": "24 h", "actions": list(actions)}, {"after": "48 h"}],
    }


def report(what: str, ours: float, other: float, unit: str) -> None:
    """Print one line with the ratio."""
    print(f"{what:<58}{ours:>10.2f}{other:>10.2f} {unit:<6} x{ours / other:.2f}", flush=True)


async def arming(app: App) -> None:
    """Creates and changes of a watched record against those of one that nobody watches, in turns."""
    records, caller = app.services.records, system_caller("bench-0001", "rest")
    meter = time.process_time if app.services.database.dialect == SQLITE else time.perf_counter
    taken: dict[tuple[str, str], list[float]] = {}

    async def measure(name: tuple[str, str], do: Callable[[], Awaitable[Any]]) -> Any:
        began = meter()
        done = await do()
        taken.setdefault(name, []).append((meter() - began) * 1000)
        return done

    for turn in range(ROUNDS):
        for entity in ("plain", "watched"):
            body = {"title": f"{turn}", "amount": turn}
            made = await measure((entity, "create"), partial(records.create, caller, "bench", entity, body))
            change = partial(
                records.update, caller, "bench", entity, made.record["id"], {"title": f"{turn} again"}, None
            )
            await measure((entity, "change"), change)
    for deed in ("create", "change"):
        ours, other = (statistics.median(taken[entity, deed]) for entity in ("watched", "plain"))
        report(f"{deed} with a timer / without ({PENDING:,} pending)", ours, other, "ms")


def fill_pending(app: App, count: int, key: str = "bench") -> None:
    """Put timers there that are due in a year, of another app, without records."""
    database = app.services.database
    now = app.services.clock.now()
    timer = tables.timer
    row = {"app": key, "rule": "other", "entity": "other", "step": 0, "provisional": False, "paused_seconds": 0}
    with database.transaction() as connection:
        for start in range(0, count, 10_000):
            rows = [
                {
                    **row,
                    "generation": f"00000000-0000-7000-8000-{n:012x}",
                    "subject": f"00000000-0000-7000-9000-{n:012x}",
                    "record_id": f"00000000-0000-7000-9000-{n:012x}",
                    "anchor_at": now,
                    "due_at": now + timedelta(days=365, seconds=n),
                }
                for n in range(start, min(start + 10_000, count))
            ]
            connection.execute(sa.insert(timer), rows)


async def add_watched(app: App, count: int, entity: str = "watched", owners: Sequence[str | None] = (None,)) -> None:
    """Load records that are watched."""
    records, caller = app.services.records, system_caller("bench-0002", "rest")
    more = [{} if owner is None else {"owner": owner} for owner in owners]
    for start in range(0, count, 1_000):
        bodies = [{"title": f"{n}", **more[n % len(more)]} for n in range(start, min(start + 1_000, count))]
        await records.load(caller, "bench", [(entity, bodies)])


async def draining(
    app: App, clock: MovableClock, url: str, entity: str, owners: Sequence[str | None] = (None,)
) -> None:
    """What is due, fired, against the claim, the log and the messages as bare statements on the same rows."""
    clock.advance(SystemClock().now() - clock.now() - timedelta(hours=25))
    await add_watched(app, DUE, entity, owners)
    clock.advance(timedelta(hours=25))
    with firing_processes(app, url):
        began, before = time.perf_counter(), counted(app, entity)[0]
        while await fire(app) or counted(app, entity)[0] < DUE:
            pass
        ours = time.perf_counter() - began
        fired = counted(app, entity)[0] - before
    steps, distinct = counted(app, entity)
    assert steps == distinct, (steps, distinct)
    bare_seconds, bare = await bare_loop(app, clock, owners)
    what = f"{DUE:,} due at once" + (", told to somebody" if owners[0] else "")
    report(f"{what} / a bare claim loop", fired / ours, bare / bare_seconds, "/s")


@contextmanager
def firing_processes(app: App, url: str) -> Iterator[None]:
    """Let workers fire (PostgreSQL); there are two when this begins."""
    if app.services.database.dialect == SQLITE:
        yield
        return
    command = [sys.executable, "-m", "runtime", "worker", "--database-url", url]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(WORKERS)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()  # it says that it works
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


async def fire(app: App) -> int:
    """Fire what is due in this process, if that is where it is done."""
    if app.services.database.dialect == SQLITE:
        return (await app.services.timers.fire_due())[1]
    await asyncio.sleep(0.05)
    return 0


def counted(app: App, entity: str) -> tuple[int, int]:
    """How many first steps have fired, and of how many records."""
    firing = tables.timer_firing
    chosen = sa.select(sa.func.count(), sa.func.count(sa.distinct(firing.c.record_id)))
    chosen = chosen.where(firing.c.step == 0, firing.c.entity == entity)
    with app.services.database.snapshot() as connection:
        steps, records = connection.execute(chosen).one()
        return int(steps), int(records)


async def lateness(app: App, clock: MovableClock, url: str) -> None:
    """How long after their moment those of a steady stream fire, by the log."""
    begin = SystemClock().now() + timedelta(seconds=12)
    for tenth in range(SECONDS * 10):
        clock.advance(begin + timedelta(seconds=tenth / 10) - timedelta(hours=24) - clock.now())
        await add_watched(app, STEADY // 10)
    clock.advance(SystemClock().now() - clock.now())
    late = begin < SystemClock().now()
    with firing_processes(app, url):
        end = begin + timedelta(seconds=SECONDS + 3)
        while (now := SystemClock().now()) < end:
            clock.advance(now - clock.now())
            if not await fire(app):
                await asyncio.sleep(0.2)
    firing = tables.timer_firing
    inside = firing.c.due_at.between(begin, begin + timedelta(seconds=SECONDS))
    chosen = sa.select(firing.c.due_at, firing.c.fired_at).where(firing.c.step == 0, inside)
    with app.services.database.snapshot() as connection:
        waits = sorted((fired - due).total_seconds() for due, fired in connection.execute(chosen))
    assert len(waits) == STEADY * SECONDS, len(waits)
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    note = " (filled too slowly, so the first were late)" if late else ""
    print(f"{STEADY} a second for {SECONDS} s: late by p50 {p50:.2f} s, p99 {p99:.2f} s{note}", flush=True)


async def bare_loop(app: App, clock: MovableClock, owners: Sequence[str | None]) -> tuple[float, int]:
    """Claim, log and move on the second steps with three statements a batch; with people to tell, a fourth writes their messages."""
    clock.advance(timedelta(hours=25))
    database, timer, firing = app.services.database, tables.timer, tables.timer_firing
    names = ("generation", "app", "rule", "subject", "entity", "record_id", "step", "anchor_at", "due_at")
    chosen = sa.select(*(timer.c[name] for name in names)).where(
        timer.c.app == "bench", timer.c.due_at <= sa.bindparam("now", type_=timer.c.due_at.type)
    )
    chosen = chosen.order_by(timer.c.due_at).limit(BATCH).with_for_update(skip_locked=True)
    claim = prepare(chosen, database.dialect)
    log = prepare(_inserts(firing), database.dialect)
    letter = prepare(_inserts(delivery_tables.inbox), database.dialect)
    key = ("app", "rule", "subject")
    here = (timer.c[name] == sa.bindparam(f"k_{name}", type_=timer.c[name].type) for name in key)
    move = prepare(sa.update(timer).where(*here).values(due_at=None, step=2), database.dialect)

    def unit() -> Unit[int]:
        now = clock.now()
        found = yield Query(claim, {"now": now})
        if found:
            rows = [
                {
                    **dict(zip(names, row, strict=True)),
                    "anchor_at": now,
                    "due_at": now,
                    "fired_at": now,
                    "outcome": "fired",
                    "detail": None,
                }
                for row in found
            ]
            yield Query(log, rows)
            yield Query(move, [{f"k_{name}": row[names.index(name)] for name in key} for row in found])
            if owners[0] is not None:
                yield Query(letter, [_letter(app, row, owners[n % len(owners)], now) for n, row in enumerate(rows)])
        return len(found)

    async def drain() -> int:
        count = 0
        while done := await database.write(unit):
            count += done
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(drain() for _ in range(1 if database.dialect == SQLITE else WORKERS)))
    return time.perf_counter() - began, sum(counts)


def _inserts(table: sa.Table) -> sa.Insert:
    return sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.c})


def _letter(app: App, row: Mapping[str, Any], owner: str | None, now: datetime) -> dict[str, Any]:
    said = '{"zh":"1: 48 h","en":"1: 48 h"}'
    made = {"id": app.services.ids.record_id(), "user_id": owner, "key": f"{row['generation']}:1", "read_at": None}
    about = {name: row[name] for name in ("app", "entity", "record_id")}
    return {**made, **about, "subject": said, "text": said, "created_at": now}


def scenarios() -> None:
    """Simulated hours a second of the bundled lead app's scenarios."""
    from builder.packages import get_template

    made = scratch_rehearsals().run(get_template("lead").definition)
    assert made.passed
    print(made.summary().en)


async def run(url: str) -> None:
    """All of it on one database."""
    clock = MovableClock(SystemClock().now())
    app = create_app(Settings(database_url=url, background=False, log_level="error"), clock=clock)
    async with app.running():
        registry = app.services.registry
        await asyncio.to_thread(add_app, registry, parse_definition(definition()), None)
        await asyncio.to_thread(publish_draft, registry, "bench", base_version=0, plan_hash=None)
        fill_pending(app, PENDING)
        await arming(app)
        await draining(app, clock, url, "watched")
        people = [{"username": f"u{n}", "role": "member"} for n in range(20)]
        owners = [str(app.services.identity.users.create_user(person).id) for person in people]
        await draining(app, clock, url, "told", owners)
        await lateness(app, clock, url)


def main() -> None:
    """Run on the database of the command line, or on a file that is thrown away."""
    print(f"{'':<58}{'ours':>10}{'other':>10}")
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{Path(folder).as_posix()}/bench.db"
        asyncio.run(run(url))
    scenarios()


if __name__ == "__main__":
    main()
