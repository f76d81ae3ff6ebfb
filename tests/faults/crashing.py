"""Writes in a process of its own, so that it can be killed in the middle: ``python -m tests.faults.crashing URL``.

``DOUGONG_CRASH_AT`` says where (``builder.kernel.faults``); the exit code says whether it was killed.
"""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from builder.definition.parse import parse_definition
from builder.kernel.clock import SystemClock
from builder.kernel.ids import SystemIds
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import publish_draft
from builder.registry.registry import Registry
from builder.store.database import Database, open_database
from runtime.records.batches import Batches
from runtime.records.caller import system_caller
from runtime.records.service import Records

ROOT = Path(__file__).resolve().parents[2]

BEFORE: dict[str, Any] = {
    "app": {"key": "shop", "label": "店"},
    "entities": [
        {
            "key": "customer",
            "label": "客户",
            "fields": [
                {"key": "name", "type": "text", "label": "名称"},
                {"key": "level", "type": "text", "label": "等级", "indexed": True},
                {"key": "number", "type": "auto_number", "label": "编号", "pattern": "C-{seq:4}"},
            ],
        },
        {
            "key": "order",
            "label": "订单",
            "fields": [
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer"},
                {"key": "amount", "type": "money", "label": "金额"},
            ],
        },
        {"key": "note", "label": "备注", "fields": [{"key": "text", "type": "text", "label": "文字"}]},
    ],
}


def after() -> dict[str, Any]:
    """A change that touches everything: rename, convert, default, new and kept entity, dropped foreign key, index, formula."""
    app = copy.deepcopy(BEFORE)
    customer, order, _ = app["entities"]
    customer["fields"][0] |= {"key": "title", "renamed_from": "name", "unique": True}
    customer["fields"][1] = {"key": "level", "type": "integer", "label": "等级"}
    customer["fields"] += [
        {"key": "vip", "type": "boolean", "label": "贵宾", "default": False},
        {"key": "label", "type": "formula", "label": "称呼", "formula": 'title & "/" & level'},
    ]
    order["fields"][0] = {"key": "buyer", "type": "text", "label": "买方"}
    app["entities"][2] = {"key": "tag", "label": "标签", "fields": [{"key": "text", "type": "text", "label": "文字"}]}
    return app


def open_registry(database: Database) -> Registry:
    """A registry on the machine's clock."""
    clock = SystemClock()
    return Registry(database, clock, SystemIds(clock))


def prepare(url: str) -> None:
    """Publish version 1 with records, and leave the change as the draft."""
    database = open_database(url)
    registry = open_registry(database)
    create_app(registry, parse_definition(BEFORE), None)
    publish_draft(registry, "shop", base_version=0, plan_hash=None)
    asyncio.run(_fill(database, registry))
    put_draft(registry, parse_definition(after()), None)
    database.close()


async def _fill(database: Database, registry: Registry) -> None:
    await database.start()
    records = Batches(database, Records(database, registry, registry.clock, registry.ids))
    caller = system_caller("prepare-0001", "rest")
    bodies = [{"name": f"客户{n}", "level": str(n) if n % 2 else "x"} for n in range(20)]
    made = await records.create_many(caller, "shop", "customer", bodies)
    orders = [{"customer": item.record["id"], "amount": n} for n, item in enumerate(made)]
    await records.create_many(caller, "shop", "order", orders)
    await records.create_many(caller, "shop", "note", [{"text": "甲"}])
    await database.stop()


def write(url: str) -> None:
    """Write batches of ten, and say so after each: what was said must be there."""
    asyncio.run(_write(open_database(url)))


async def _write(database: Database) -> None:
    registry = open_registry(database)
    await database.start()
    records = Batches(database, Records(database, registry, registry.clock, registry.ids))
    for batch in range(6):
        bodies = [{"name": f"{batch}-{n}"} for n in range(10)]
        await records.create_many(system_caller(f"batch-{batch:04d}", "batch"), "shop", "customer", bodies)
        sys.stdout.write(f"{batch}\n")
        sys.stdout.flush()
    await database.stop()


def write_until_crash(url: str, crash_at: str) -> tuple[bool, str]:
    """Write in a process that dies at a point; return (was it killed, what it had said)."""
    environment = {**os.environ, "DOUGONG_CRASH_AT": crash_at, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.faults.crashing", url]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0, done.stdout


if __name__ == "__main__":
    write(sys.argv[1])
