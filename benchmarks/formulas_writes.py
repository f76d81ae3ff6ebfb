"""What computed fields cost where records are written: ``python -m benchmarks.formulas_writes [sqlite] [postgresql]``.

Everything goes through the service's own functions in one process, both sides turn by turn, so that a busy machine slows both; the
figures are ratios of medians. ``DOUGONG_BENCH_POSTGRES`` names the server, on which a database of its own is made and dropped.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import sqlalchemy as sa

from benchmarks import seeding
from benchmarks.formulas_speed import best, report
from builder.compiled.recompute import fill
from builder.definition.parse import parse_definition
from builder.registry import apps, publishing
from builder.registry.registry import load_published
from runtime.app import App, create_app
from runtime.identity.actors import Actor
from runtime.records.caller import Caller
from runtime.settings import Settings

JSON = Any
ROUNDS = 300
CHILDREN = 1_000
ROWS = int(os.environ.get("DOUGONG_BENCH_ROWS", "1000000"))
POSTGRES = os.environ.get("DOUGONG_BENCH_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
_CALLER = Caller(Actor(user_id=None, username="bench", name="bench", role="admin"), "bench")
#: Twenty that a sales team might write, over fields of the record and over each other.
FORMULAS = (
    "amount * rate", "ROUND({f0}, 2)", "amount - {f1}", "amount + {f1}", 'IF(amount > 1000, "大", "小")',
    "IF(count > 5, amount, 0)", "count * 2 + 1", 'name & "-" & {f4}', "LEFT(name, 2)", "LEN(name)",
    "MAX(amount, 100)", "MIN(amount, 100)", "ABS(amount - 500)", "amount > 100 AND count > 2", "NOT({f13})",
    "DATEADD(due_on, 7, \"day\")", "YEAR(due_on)", "MONTH(due_on)", "ROUND(amount / 3, 2)", "COALESCE(count, 0)",
)  # fmt: skip


def field(type_: str, key: str, **options: JSON) -> dict[str, JSON]:
    """A field."""
    return {"key": key, "type": type_, "label": key, **options}


def definition() -> JSON:
    """Deals without and with formulas, parents without and with rollups, and a table to backfill."""
    own = [
        field("money", "amount"),
        field("percent", "rate"),
        field("integer", "count"),
        field("text", "name"),
        field("date", "due_on"),
    ]
    computed = [
        field("formula", f"f{n}", formula=text.replace("{f", "f").replace("}", "")) for n, text in enumerate(FORMULAS)
    ]
    entities = [entity("plain", own), entity("rich", own + computed)]
    rollups = [
        field("rollup", "total", relation="children", function="sum", value="amount"),
        field("rollup", "number", relation="children", function="count"),
        field("rollup", "large", relation="children", function="sum", value="amount", condition="amount > 500"),
    ]
    for name, extra in (("poor", []), ("full", rollups)):
        listed = field("children", "children", entity=f"{name}_child", via="parent")
        entities.append(entity(f"{name}_parent", [field("text", "name"), listed, *extra]))
        child = [field("reference", "parent", entity=f"{name}_parent"), field("money", "amount")]
        entities.append(entity(f"{name}_child", child))
    entities.append(entity("wide", [*own, field("formula", "tax", formula="ROUND(amount * rate, 2)")]))
    return {"app": {"key": "bench", "label": "bench"}, "entities": entities}


def entity(key: str, fields: list[JSON]) -> JSON:
    """An entity."""
    return {"key": key, "label": key, "fields": fields}


async def _timed(doing: Awaitable[Any]) -> float:
    start = time.perf_counter()
    await doing
    return time.perf_counter() - start


def _two(label: str, ours: list[float], theirs: list[float], goal: str) -> None:
    """Two figures: the median, and the quickest tenth, which other work on the machine disturbs least."""
    quick = quantiles(ours[20:], n=10)[0], quantiles(theirs[20:], n=10)[0]
    report(f"{label} (median x{median(ours[20:]) / median(theirs[20:]):.2f})", *quick, goal)


async def _writes(app: App, dialect: str) -> None:
    """Creating and changing a record with twenty formulas, and the same without."""
    records = app.services.records
    made: dict[str, list[float]] = {"plain": [], "rich": []}
    changed: dict[str, list[float]] = {"plain": [], "rich": []}
    for turn in range(ROUNDS):
        for name, times in made.items():
            body = {
                "amount": turn,
                "rate": Decimal("0.13"),
                "count": turn % 9,
                "name": f"客户{turn}",
                "due_on": "2024-02-29",
            }
            start = time.perf_counter()
            written = await records.create(_CALLER, "bench", name, body)
            times.append(time.perf_counter() - start)
            change = {"amount": turn + 7, "count": turn % 7, "name": f"新{turn}"}
            doing = records.update(_CALLER, "bench", name, str(written.record["id"]), change, None)
            changed[name].append(await _timed(doing))
    _two(f"{dialect}: create with 20 formulas", made["rich"], made["plain"], "x1.5")
    _two(f"{dialect}: update with 20 formulas", changed["rich"], changed["plain"], "x1.5")


async def _rollups(app: App, dialect: str) -> None:
    """Changing and adding a child of a parent with a thousand, with three rollups in the parent and without."""
    records = app.services.records
    last: dict[str, tuple[str, str]] = {}
    for name in ("poor", "full"):
        parent = str((await records.create(_CALLER, "bench", f"{name}_parent", {"name": "x"})).record["id"])
        rows = [{"parent": parent, "amount": n} for n in range(CHILDREN)]
        made = await app.services.batches.create_many(_CALLER, "bench", f"{name}_child", rows)
        last[name] = parent, str(made[-1].record["id"])
    changed: dict[str, list[float]] = {"poor": [], "full": []}
    for turn in range(ROUNDS):
        for name, (_, child) in last.items():
            doing = records.update(_CALLER, "bench", f"{name}_child", child, {"amount": turn + 1}, None)
            changed[name].append(await _timed(doing))
    _two(f"{dialect}: child of {CHILDREN:,}, 3 parent rollups", changed["full"], changed["poor"], "x2")


def _backfill(app: App, dialect: str) -> None:
    """Filling a formula over a million rows, and the UPDATE that a programmer would write."""
    published = load_published(app.services.registry, "bench")
    assert published is not None
    database, compiled = app.services.database, published.app
    amount, rate = ("n % 100000 / 100.0", "0.13") if dialect == "postgresql" else ("n % 100000", "1300")
    seeding.insert_series(database.engine, compiled.entities["wide"].table, ROWS, {"amount": amount, "rate": rate})
    computed = compiled.computed["wide", "tax"]
    table = compiled.entities["wide"].table.name
    value = "round(amount * rate, 2)" if dialect == "postgresql" else "(amount * rate + 5000) / 10000"
    by_hand = sa.text(f"UPDATE {table} SET tax = {value}")  # noqa: S608 - ours
    clock = time.process_time if dialect == "sqlite" else time.perf_counter  # SQLite works in this process
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(3):
        for times, statement in (
            (theirs, by_hand),
            (ours, fill(compiled, computed, "sqlite" if dialect == "sqlite" else "postgresql")),
        ):
            with database.transaction() as connection:
                connection.execute(sa.text(f"UPDATE {table} SET tax = NULL"))  # noqa: S608 - ours
            if dialect == "postgresql":
                with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(sa.text(f"VACUUM {table}"))
            with database.transaction() as connection:
                times.append(best(lambda: connection.execute(statement), 1, clock))  # noqa: B023 - called at once
    report(f"{dialect}: backfill over {ROWS:,} rows", min(ours), min(theirs), "x1.5")


async def measure(url: str, dialect: str) -> None:
    """All of it on one database, which has to be empty."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=url, files_folder=Path(folder), secret_file=Path(folder) / "secret", background=False
        )
        app = create_app(settings)
        async with app.running():
            apps.create_app(app.services.registry, parse_definition(definition()), None)
            publishing.publish_draft(
                app.services.registry, "bench", base_version=None, plan_hash=None, accept_lossy=True
            )
            await _writes(app, dialect)
            await _rollups(app, dialect)
            await asyncio.to_thread(_backfill, app, dialect)


@contextmanager
def empty_database(dialect: str) -> Iterator[str]:
    """The address of an empty database that is gone afterwards."""
    if dialect == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/bench.db"
        return
    server = sa.create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    name = f"dougong_bench_writes_{os.getpid()}"
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            yield POSTGRES.rsplit("/", 1)[0] + f"/{name}"
        finally:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def measure_on(dialect: str) -> None:
    """All of it on a database of its own."""
    with empty_database(dialect) as url:
        asyncio.run(measure(url, dialect))


def main() -> None:
    """Measure on the databases that are named, or on both."""
    for dialect in sys.argv[1:] or ("sqlite", "postgresql"):
        measure_on(dialect)


if __name__ == "__main__":
    main()
