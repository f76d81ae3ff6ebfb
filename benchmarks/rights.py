# ruff: noqa: S608 - names and ids are our own
"""What rights cost: ``python -m benchmarks.rights [--records 1000000]``. PostgreSQL only; makes a database and drops it.

Ratios of processor-bound loops on one connection, ours and the yardstick in turns; medians of rounds:

- ``list``: a page under a row rule over a relation and a field set, against the same predicate written by hand (target 1.15);
- ``gate``: what a get by id pays for rights in an app without roles (target 0.05);
- ``first page``: of a supervisor whose departments have few of many records, with the plan of its statement.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.__main__ import POSTGRES
from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.store.migrate import migrate_database
from builder.store.statement import Query, Unit
from runtime.access.gate import FieldMap, gate
from runtime.app import make_services
from runtime.query.request import read_members
from runtime.records.caller import Caller
from runtime.services import Services
from runtime.settings import Settings

NAME = "dougong_bench_rights"
_DEPTH, _PEOPLE = 5, 500


def main() -> int:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME}")
        connection.execute(f"CREATE DATABASE {NAME}")
    try:
        asyncio.run(_run(POSTGRES.rsplit("/", 1)[0] + f"/{NAME}", arguments.records, arguments.rounds))
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
    return 0


def _definition(key: str, roles: list[Any]) -> Any:
    customer = [
        {"key": "name", "type": "text", "label": "name"},
        {"key": "owner", "type": "user", "label": "owner", "indexed": True},
        {"key": "department", "type": "department", "label": "department", "indexed": True},
        {"key": "secret", "type": "text", "label": "secret"},
    ]
    order = [
        {"key": "title", "type": "text", "label": "title"},
        {"key": "customer", "type": "reference", "entity": "customer", "label": "customer", "indexed": True},
        {"key": "department", "type": "department", "label": "department", "indexed": True},
        {"key": "amount", "type": "integer", "label": "amount"},
        {"key": "secret", "type": "text", "label": "secret"},
    ]
    entities = [
        {"key": "customer", "label": "customer", "fields": customer},
        {"key": "order", "label": "order", "fields": order},
    ]
    return {"app": {"key": key, "label": key}, "entities": entities, "roles": roles}


_ROLES = [
    {
        "key": "seller",
        "label": "seller",
        "grants": [
            {"entity": "customer", "rows": "owner = CURRENTUSER()", "hidden": ["secret"]},
            {"entity": "order", "rows": "customer.owner = CURRENTUSER()", "hidden": ["secret"]},
        ],
    },
    {"key": "chief", "label": "chief", "grants": [{"entity": "order", "rows": "INDEPT(department)"}]},
]


async def _run(url: str, records: int, rounds: int) -> None:
    services = make_services(Settings(database_url=url, files_folder=Path("data") / "bench" / "files"))
    migrate_database(services.database)
    await services.database.start()
    try:
        for key, roles in (("plain", []), ("crm", _ROLES)):
            create_app(services.registry, parse_definition(_definition(key, roles)), None)
            publish_draft(services.registry, key, base_version=0, plan_hash=None)
        seller, chief = _seed(services, url, records)
        await _measure(services, records, rounds, seller, chief)
    finally:
        await services.database.stop()
        services.database.close()


def _seed(services: Services, url: str, records: int) -> tuple[str, str]:
    """Departments 5 deep, 500 people, one customer for ten orders; the last department is small. Returns a seller and a supervisor."""
    identity, parent = services.identity, None
    branch = ""
    for depth in range(_DEPTH):
        parent = identity.departments.create_department(f"d{depth}", f"d{depth}", parent).id
    small = identity.departments.create_department("small", "small", parent).id
    for place in range(20):
        branch = identity.departments.create_department(f"b{place}", f"b{place}", parent).id
    assert branch
    chief = identity.users.create_user({"username": "chief", "department_id": small}).id
    with psycopg.connect(url, autocommit=True) as c:
        c.execute(
            "INSERT INTO dougong_user (id, username, name, role, department_id, active, created_at, revision, kind, areas)"
            " SELECT gen_random_uuid(), 'u' || n, 'u' || n, 'member', d.id, true, now(), 1, 'person', '[]'"
            f" FROM generate_series(1, {_PEOPLE}) n JOIN (SELECT id, row_number() OVER (ORDER BY key) - 1 AS place"
            " FROM dougong_department WHERE key LIKE 'b%') d ON d.place = n %% 20".replace("%%", "%")
        )
        system = "1, now(), 'system', now(), 'system'"
        columns = "id, revision, created_at, created_by, updated_at, updated_by"
        c.execute(
            f"INSERT INTO crm__customer ({columns}, name, owner, department, secret)"
            f" SELECT gen_random_uuid(), {system}, 'c' || n, u.id, u.department_id, 's'"
            f" FROM generate_series(1, {records // 10}) n JOIN (SELECT id, department_id,"
            " row_number() OVER (ORDER BY username) - 1 AS place FROM dougong_user WHERE username LIKE 'u%')"
            f" u ON u.place = n % {_PEOPLE}"
        )
        c.execute(
            f"INSERT INTO crm__order ({columns}, title, customer, department, amount, secret)"
            f" SELECT gen_random_uuid(), 1, now() - make_interval(secs => n), 'system', now(), 'system', 'o' || n, k.id,"
            f" CASE WHEN n % 5000 = 0 THEN '{small}'::uuid ELSE k.department END, n, 's'"
            f" FROM generate_series(1, {records}) n JOIN (SELECT id, department, row_number() OVER () - 1 AS place"
            f" FROM crm__customer) k ON k.place = n % {records // 10}"
        )
        c.execute("ANALYZE")
    seller = next(user.id for user in identity.users.list_users(limit=3) if user.username.startswith("u"))
    identity.grants.give("crm", "seller", "user", seller)
    identity.grants.give("crm", "chief", "user", chief)
    return seller, chief


async def _measure(services: Services, records: int, rounds: int, seller: str, chief: str) -> None:
    callers = []
    for person in (seller, chief):
        known = await services.authenticator.see_as(person)
        assert known is not None
        callers.append(Caller(known.actor, "bench", "rest", known.epoch))
    me, boss = callers
    # as a front end asks all day: by its text it is planned once
    request = replace(read_members({"sort": ["-created_at"], "limit": 50}), text=b"sort=-created_at&limit=50")

    async def ours() -> None:
        await services.records.list_page(me, "crm", "order", request)

    by_hand = _by_hand(services, seller)
    ratio, our, their = await _in_turns(ours, by_hand, rounds, 20)
    print(
        f"list under a row rule over a relation, {records:,} records: {ratio:.2f}x ({our:.2f} ms against {their:.2f} ms by hand)"
    )

    async def page() -> None:
        await services.records.list_page(boss, "crm", "order", request)

    _, reach, _ = await _in_turns(page, by_hand, rounds, 20)
    print(f"first page of a supervisor with {records // 5000:,} of {records:,} records: {reach:.2f} ms")
    print(await _plan(services, boss))
    await _measure_gate(services, me)


def _by_hand(services: Services, seller: str) -> Callable[[], Awaitable[None]]:
    import sqlalchemy as sa

    from builder.store.statement import prepare
    from builder.store.types import Identifier

    text = (
        sa.text(
            "SELECT row_to_json(r)::text AS row FROM (SELECT o.id, o.revision, o.created_at, o.created_by, o.updated_at, o.updated_by,"
            " o.title, o.customer, o.department, o.amount FROM crm__order o JOIN crm__customer c ON c.id = o.customer"
            " WHERE c.owner = :me ORDER BY o.created_at DESC NULLS LAST, o.id DESC NULLS LAST LIMIT 51) r"
        )
        .bindparams(sa.bindparam("me", type_=Identifier()))
        .columns(sa.column("row", sa.Text()))
    )
    statement = prepare(text, "postgresql")

    def unit() -> Unit[list[bytes]]:
        rows = yield Query(statement, {"me": seller})
        return [row[0].encode() for row in rows]

    async def run() -> None:
        await services.database.read(unit)

    return run


async def _in_turns(
    one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]], rounds: int, times: int
) -> tuple[float, float, float]:
    """Return the ratio of the medians, and both in milliseconds."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for place, run in enumerate((one, other)):
            start = time.perf_counter()
            for _ in range(times):
                await run()
            if number:  # the first round warms up
                taken[place].append((time.perf_counter() - start) / times * 1000)
    ours, theirs = statistics.median(taken[0]), statistics.median(taken[1])
    return ours / theirs, ours, theirs


async def _plan(services: Services, boss: Caller) -> str:
    """Return what PostgreSQL does for the supervisor's page."""
    assert boss.actor is not None
    departments = ", ".join(f"'{each}'" for each in boss.actor.departments)
    with services.database.snapshot() as connection:
        rows = connection.exec_driver_sql(
            f"EXPLAIN SELECT id FROM crm__order WHERE department = ANY(ARRAY[{departments}]::uuid[])"
            " ORDER BY created_at DESC, id DESC LIMIT 51"
        )
        return "\n".join(f"    {row[0]}" for row in rows)


async def _measure_gate(services: Services, me: Caller) -> None:
    assert me.actor is not None
    made = await services.records.create(me, "plain", "order", {"title": "x"})
    field_map, record_id = FieldMap({("order", "title", "select")}), str(made.record["id"])
    published = await services.records.current(me, "plain")

    async def get() -> None:
        await services.records.get(me, "plain", "order", record_id)

    async def rights() -> None:
        if published.app.has_roles:
            raise AssertionError
        gate(me.actor, "plain", field_map, None)

    ratio, gated, got = await _in_turns(rights, get, 7, 300)
    print(f"gate of a get by id without roles: {ratio:.4f} ({gated * 1000:.2f} us of {got * 1000:.0f} us)")


if __name__ == "__main__":
    raise SystemExit(main())
