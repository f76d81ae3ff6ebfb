"""What the index behind ``search=`` gains and costs: ``python -m benchmarks.search_speed [--records 300000] [sqlite postgresql]``.

The same questions to the same records, with the index and without, in turns; medians of rounds, one question at a time inside the process.
Then creates before and after, how long building takes, and how long a read by id waits meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.__main__ import FOLDER, POSTGRES
from benchmarks.data import Row, record_id, system_values
from benchmarks.seeding import drop_postgres_database, fill, new_postgres_database, new_sqlite_file, settle
from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.registry.registry import load_published
from builder.store.database import StatementTimeout
from builder.store.migrate import migrate_database
from runtime.app import make_services
from runtime.query.request import read_members
from runtime.records.caller import system_caller
from runtime.services import Services
from runtime.settings import Settings

APP, ENTITY, NAME = "find", "customer", "dougong_bench_search"
CALLER = system_caller("bench", "rest")
_PLACES = ("上海", "北京", "广州", "深圳", "苏州", "杭州", "成都", "武汉", "南京", "青岛")
_FIRST, _SECOND = "天大华新金宏东海中远博安瑞康明德", "成达信科通源盛丰泰利恒润和邦凯旋"
_TRADES = ("科技", "贸易", "实业", "医疗", "物流", "建材", "食品", "电子")
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗"
_CREATED = 400
QUESTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("two characters, 1 in 5,000", {"search": "魑魅"}),
    ("company, 1 in 2,000", {"search": "天成科技"}),
    ("two words", {"search": "苏州 天成科技"}),
    ("phone number", {"search": "13800000007"}),
    ("nothing found", {"search": "不存在的公司"}),
    ("1 in 20, newest first", {"search": "医疗", "sort": ["-created_at"]}),
    ("all records, newest first", {"search": "有限公司", "sort": ["-created_at"]}),
    ("1 in 2,000, counted", {"search": "天成科技", "count": "exact"}),
    ("one character", {"search": "魑"}),
)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for database in arguments.databases:
        print(f"{database}, {arguments.records:,} records")
        if database == "sqlite":
            asyncio.run(_run(new_sqlite_file(FOLDER / "search.db"), arguments.records, arguments.rounds))
            continue
        try:
            asyncio.run(_run(new_postgres_database(POSTGRES, NAME), arguments.records, arguments.rounds))
        finally:
            drop_postgres_database(POSTGRES, NAME)
    return 0


def _records(count: int) -> Iterator[Row]:
    chance = random.Random(1)  # noqa: S311 - repeatable on purpose
    signs = [chr(0x4E00 + chance.randrange(2_500)) for _ in range(2_000)]
    for number in range(count):
        company = chance.choice(_PLACES) + chance.choice(_FIRST) + chance.choice(_SECOND) + chance.choice(_TRADES)
        rare = "魑魅" if number % 5_000 == 7 else ""
        yield {
            **system_values(record_id(1, number), number),
            "name": company + "有限公司",
            "contact": chance.choice(_SURNAMES) + "".join(chance.choices(signs, k=2)),
            "phone": f"138{number:08}" if number == 7 else f"1{chance.randrange(3_900_000_000, 10_000_000_000)}",
            "note": "由销售部录入," + "".join(chance.choices(signs, k=20)) + rare + f" No.{number}",
        }


def _package() -> dict[str, Any]:
    fields = [{"key": key, "type": "text", "label": key} for key in ("name", "contact", "phone", "note")]
    return {"app": {"key": APP, "label": APP}, "entities": [{"key": ENTITY, "label": ENTITY, "fields": fields}]}


async def _run(url: str, count: int, rounds: int) -> None:
    services = make_services(Settings(database_url=url, log_level="error", files_folder=Path(FOLDER) / "files"))
    migrate_database(services.database)
    create_app(services.registry, parse_definition(_package()), None)
    publish_draft(services.registry, APP, base_version=0, plan_hash=None)
    published = load_published(services.registry, APP)
    assert published is not None
    fill(services.database.engine, published.app.entities[ENTITY].table, _records(count))
    settle(services.database.engine)
    await services.database.start()
    try:
        before = await _create(services)
        await _build(services, count)
        after = await _create(services)
        started = time.perf_counter()
        await services.ticker.until_quiet()
        entering = (time.perf_counter() - started) / (2 * _CREATED)
        for what in before:
            print(f"  {what}: {after[what] / before[what]:.2f} times the time with the index")
        print(f"  entering a record afterwards: {entering * 1e6:.0f} us")
        for what, question in QUESTIONS:
            await _compare(services, what, question, rounds)
    finally:
        await services.ticker.stop()
        await services.database.stop()
        services.database.close()


async def _build(services: Services, count: int) -> None:
    waits: list[float] = []
    started = time.perf_counter()
    building = asyncio.create_task(services.ticker.until_quiet(rounds=100_000))
    while not building.done():
        asked = time.perf_counter()
        await services.records.get(CALLER, APP, ENTITY, record_id(1, len(waits) * 7 % count), (), ())
        waits.append(time.perf_counter() - asked)
        await asyncio.sleep(0.005)
    seconds = time.perf_counter() - started
    await building
    slowest = statistics.quantiles(waits, n=100)[-1]
    print(
        f"  built in {seconds:.1f} s ({seconds / count * 1e6:.0f} us a record); reads by id meanwhile: p99 {slowest * 1000:.1f} ms"
    )


async def _create(services: Services) -> dict[str, float]:
    """Return seconds: of the clock, and of this process, which is where SQLite works."""
    values = [{k: v for k, v in row.items() if k in ("name", "contact", "phone", "note")} for row in _records(_CREATED)]
    began = time.perf_counter(), time.process_time()
    for each in values:
        await services.records.create(CALLER, APP, ENTITY, each)
    alone = time.perf_counter() - began[0], time.process_time() - began[1]
    began = time.perf_counter(), time.process_time()
    await services.records.load(CALLER, APP, [(ENTITY, values)])
    batch = time.perf_counter() - began[0], time.process_time() - began[1]
    return {
        "create": alone[0],
        "create, by processor": alone[1],
        "batch of 400": batch[0],
        "batch of 400, by processor": batch[1],
    }


async def _compare(services: Services, what: str, question: dict[str, Any], rounds: int) -> None:
    apps = services.records._pins._apps
    taken: dict[str, list[float]] = {"index": [], "scan": []}
    answers: dict[str, Any] = {}
    for _ in range(rounds):
        for way, seconds in taken.items():
            published = await services.records._pins.get(APP)
            if way == "scan":
                apps[APP] = published._replace(key=published.key + " scan", search_indexes={})
            started = time.perf_counter()
            try:
                page = await services.records.list_page(CALLER, APP, ENTITY, read_members(question))
                answers[way] = (page.records, page.counted)
            except (Problem, StatementTimeout) as cut_off:
                answers[way] = type(cut_off).__name__
            seconds.append(time.perf_counter() - started)
            apps[APP] = published
    index, scan = (statistics.median(taken[way]) * 1000 for way in taken)
    cut = isinstance(answers["scan"], str)
    assert cut or answers["index"] == answers["scan"], what
    print(
        f"  {what}: {index:.1f} ms, scan {scan:.0f} ms{' (cut off)' if cut else ''}: {scan / index:.1f} times as fast"
    )


if __name__ == "__main__":
    raise SystemExit(main())
