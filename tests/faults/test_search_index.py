"""A search index is built to its end by whoever comes after one that died, and the table is searched as ever meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import sqlalchemy as sa

from builder.kernel import faults
from builder.registry.doctor import examine
from builder.store.searching.postgresql import index_name
from builder.store.searching.rows import list_rows
from tests.support.query_app import APP, definition, identifier, load, publish
from tests.support.service import Service, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RECORDS = 1_200


async def _prepared(url: str) -> None:
    async with running(url, search_index_from=10**9) as service:
        publish(service, definition())
        await load(service, area=[{"id": identifier(n), "name": f"张三 {n}"} for n in range(RECORDS)])


def _die_while_building(url: str, passage: int) -> None:
    child = os.fork()
    if child == 0:
        faults._wanted = f"search.step:{passage}"
        asyncio.run(_build(url))
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


async def _build(url: str) -> None:
    async with running(url, search_index_from=RECORDS) as service:
        await service.app.services.ticker.until_quiet()


def _leave_invalid(url: str) -> None:
    """Leave what a broken ``CREATE INDEX CONCURRENTLY`` leaves."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    table = f"{APP}__area"
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql(
            f'CREATE UNIQUE INDEX CONCURRENTLY "{index_name(table, "name")}" ON "{table}" (revision)'
        )
    engine.dispose()


async def _check(service: Service) -> None:
    registry = service.app.services.registry
    await service.app.services.ticker.until_quiet()
    with registry.database.snapshot() as connection:
        assert [(row.entity, row.state) for row in list_rows(connection, APP)] == [("area", "ready")]
    assert examine(registry) == []
    service.add_user("member")
    async with service.client_of("member") as client:
        found = await client.get(f"/api/{APP}/records/area", params={"search": "张三 1199", "count": "exact"})
        assert found.json()["meta"]["count"] == 1


async def test_another_goes_on_where_one_died(migrated_database_url: str, dialect: str) -> None:
    await _prepared(migrated_database_url)
    if dialect == "sqlite":
        for passage in (1, 2):
            await asyncio.to_thread(_die_while_building, migrated_database_url, passage)
    else:
        await asyncio.to_thread(_leave_invalid, migrated_database_url)
    async with running(migrated_database_url, search_index_from=RECORDS) as service:
        await _check(service)


async def test_it_stands_back_while_many_requests_are_answered(migrated_database_url: str, dialect: str) -> None:
    await _prepared(migrated_database_url)
    async with running(migrated_database_url, search_index_from=RECORDS) as service:
        services = service.app.services
        work = next(work for work in services.ticker._works if work.name == "search indexes")
        for _ in range(2):  # begins and enters 500 records, and 500 more
            services.metrics.requests += 10**9
            assert await work.run_due(services.clock.now()) == 0  # nobody asks again at once
        with services.database.snapshot() as connection:
            states = [row.state for row in list_rows(connection, APP)]
        assert states == (["building"] if dialect == "sqlite" else [])
        await _check(service)
