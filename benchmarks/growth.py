"""What growth costs: ``python -m benchmarks growth [sqlite] [postgresql]``.

Apps that differ in one thing stand in one database and take turns in one process, so that a busy machine slows all of them: the same
get, list by index and create at ten times the records, among 200 entities, with 100 fields. Ratios of medians to the smallest app.

Then one field is added to an entity of a million records (``DOUGONG_BENCH_ROWS``) while a reader reads without a pause: its longest wait
as a ratio to its median before, beside the longest wait of an equally long time without a publish, and how long the publish took.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import seeding
from benchmarks.formulas_writes import empty_database
from builder.definition.parse import parse_definition
from builder.registry import apps, publishing
from builder.registry.registry import load_published
from runtime.app import App, create_app
from runtime.query.request import ListRequest, read_query_string
from runtime.records.caller import system_caller
from runtime.settings import Settings

JSON = Any
RECORDS = 10_000
ROUNDS = 200
LARGE = int(os.environ.get("DOUGONG_BENCH_ROWS", "1000000"))
_AREAS = 100
_CALLER = system_caller("bench", "rest")
_SHOWN = ("fields", "title,area,note,rank,amount")
_ID = "00000000-0000-7000-8000-"


class Variant(NamedTuple):
    """An app to be measured."""

    key: str
    label: str
    records: int = RECORDS
    entities: int = 1
    fields: int = 5


VARIANTS = (
    Variant("base", "10,000 records, 1 entity, 5 fields"),
    Variant("tenfold", "100,000 records", records=10 * RECORDS),
    Variant("many", "200 entities", entities=200),
    Variant("wide", "100 fields", fields=100),
)
LARGE_APP = Variant("large", f"{LARGE:,} records", records=LARGE)


def definition(variant: Variant, *more: str) -> JSON:
    """Return an app whose entity ``item`` has an index for its list."""
    fields = [{"key": key, "label": key, "type": "text"} for key in ("title", "area", "note")]
    fields += [
        {"key": "rank", "label": "rank", "type": "integer"},
        {"key": "amount", "label": "amount", "type": "money"},
    ]
    fields += [{"key": f"f{n}", "label": f"f{n}", "type": "text"} for n in range(5, variant.fields)]
    fields += [{"key": key, "label": key, "type": "text"} for key in more]
    item = {"key": "item", "label": "item", "fields": fields, "indexes": [["area", "rank"]]}
    others = [{"key": f"e{n}", "label": f"e{n}", "fields": fields[:5]} for n in range(1, variant.entities)]
    return {"app": {"key": variant.key, "label": variant.key}, "entities": [item, *others]}


def prepare(app: App, variant: Variant) -> None:
    """Publish an app and fill its entity."""
    registry = app.services.registry
    apps.create_app(registry, parse_definition(definition(variant)), None)
    publishing.publish_draft(registry, variant.key, base_version=None, plan_hash=None)
    published = load_published(registry, variant.key)
    assert published is not None
    table = published.app.entities["item"].table
    area = f"'a' || (n % {_AREAS})"
    values = {"title": "'t' || n", "area": area, "rank": "n", "amount": "n % 1000"}
    values |= {f"f{n}": f"'f{n} ' || n" for n in range(5, variant.fields)}
    seeding.insert_series(app.services.database.engine, table, variant.records, values)
    seeding.settle(app.services.database.engine)


def _request(turn: int, *more: tuple[str, str]) -> ListRequest:
    area = f"a{turn * 7 % _AREAS}"
    pairs = [("filter", f'{{"area":{{"_eq":"{area}"}}}}'), ("sort", "-rank"), ("limit", "50"), *more]
    return replace(read_query_string(pairs), text=repr(pairs).encode())


def _record_id(turn: int, records: int) -> str:
    return f"{_ID}{1 + turn * 7919 % records:012d}"


def deeds(app: App) -> dict[str, Callable[[Variant, int], Awaitable[object]]]:
    """Return what is measured, by name."""
    records = app.services.records

    def create(variant: Variant, turn: int) -> Awaitable[object]:
        body: JSON = {"title": f"new {turn}", "area": f"a{turn % _AREAS}", "rank": turn, "amount": turn}
        body |= {f"f{n}": f"f{n} {turn}" for n in range(5, variant.fields)}
        return records.create(_CALLER, variant.key, "item", body)

    return {
        "get": lambda v, turn: records.get(_CALLER, v.key, "item", _record_id(turn, v.records)),
        "list of 50 by index": lambda v, turn: records.list_page(_CALLER, v.key, "item", _request(turn)),
        "the same showing five fields": lambda v, turn: records.list_page(
            _CALLER, v.key, "item", _request(turn, _SHOWN)
        ),
        "create": create,
    }


async def measure_variants(app: App) -> dict[str, dict[str, float]]:
    """Return deed -> variant -> median seconds."""
    for variant in VARIANTS:
        await asyncio.to_thread(prepare, app, variant)
    found: dict[str, dict[str, float]] = {}
    for name, do in deeds(app).items():
        times: dict[str, list[float]] = {variant.key: [] for variant in VARIANTS}
        for turn in range(ROUNDS + _AREAS):  # in the first ones statements are made and kept
            for variant in VARIANTS:
                start = time.perf_counter()
                await do(variant, turn)
                if turn >= _AREAS:
                    times[variant.key].append(time.perf_counter() - start)
        found[name] = {key: median(taken) for key, taken in times.items()}
    return found


class Pauses(NamedTuple):
    """How long a reader waited: usually, at most while nothing happened, at most during the publish; and how long that took."""

    usual: float
    longest_before: float
    longest: float
    publish: float


async def _read_on(app: App, over: asyncio.Event, times: list[float]) -> None:
    turn = 0
    while not over.is_set():
        turn += 1
        start = time.perf_counter()
        await app.services.records.get(_CALLER, LARGE_APP.key, "item", _record_id(turn, LARGE))
        times.append(time.perf_counter() - start)
        await asyncio.sleep(0.001)


async def _reading_during(app: App, work: Callable[[], object]) -> tuple[list[float], float]:
    over, times = asyncio.Event(), list[float]()
    reader = asyncio.create_task(_read_on(app, over, times))
    start = time.perf_counter()
    await asyncio.to_thread(work)
    took = time.perf_counter() - start
    over.set()
    await reader
    return times, took


async def measure_publish(app: App) -> Pauses:
    """Publish one added field while a reader goes on."""
    await asyncio.to_thread(prepare, app, LARGE_APP)
    before, _ = await _reading_during(app, lambda: time.sleep(2))
    registry = app.services.registry

    def publish() -> None:
        apps.put_draft(registry, parse_definition(definition(LARGE_APP, "added")), None)
        publishing.publish_draft(registry, LARGE_APP.key, base_version=1, plan_hash=None)

    during, took = await _reading_during(app, publish)
    return Pauses(median(before), max(before), max(during), took)


async def measure(url: str, dialect: str) -> None:
    """Measure on an empty database and print."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=url, files_folder=Path(folder), secret_file=Path(folder) / "secret", background=False
        )
        app = create_app(settings)
        async with app.running():
            for name, medians in (await measure_variants(app)).items():
                base = medians["base"]
                told = ", ".join(f"{v.label} {medians[v.key] / base:.2f}x" for v in VARIANTS[1:])
                print(f"{dialect}: {name} {base * 1e6:,.0f} us; {told}", flush=True)
            found = await measure_publish(app)
            print(
                f"{dialect}: a field added to {LARGE:,} records in {found.publish:.2f} s; the longest wait of a reader "
                f"{found.longest / found.usual:.0f}x its median ({found.longest_before / found.usual:.0f}x without a publish)",
                flush=True,
            )


def main(dialects: Sequence[str]) -> None:
    """Measure on the databases that are named, or on both."""
    for dialect in dialects or ("sqlite", "postgresql"):
        with empty_database(dialect) as url:
            asyncio.run(measure(url, dialect))


if __name__ == "__main__":
    main(sys.argv[1:])
