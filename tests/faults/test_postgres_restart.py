"""PostgreSQL is restarted while clients write: they are told to come back, the service recovers by itself,
and what was acknowledged is there once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from builder.kernel.clock import SystemClock
from builder.kernel.ids import SystemIds
from builder.registry.doctor import examine
from builder.store import tables
from builder.store.migrate import migrate
from tests.support.builder import entity, field, package
from tests.support.desk import publish_definition
from tests.support.postgres import Databases, start_embedded
from tests.support.postgres import Server as Postgres
from tests.support.process import Server, served
from tests.support.service import Service, bearer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

CLIENTS = 8
BEFORE, DURING = 10, 40
"""Records that each client writes before the restart is asked for, and in all."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server of our own: the one that other tests stand on is never stopped."""
    server = start_embedded()
    yield server
    server.stop()


@pytest.fixture
def database(postgres: Postgres) -> str:
    """A database on it, which goes with it; made over a connection that no restart has cut."""
    return Databases(postgres.url).create()


async def write(client: httpx.AsyncClient, name: str, told: Counter[str], begun: asyncio.Semaphore) -> list[str]:
    """Create records one after the other, each again and again with the same key until it is taken."""
    made: list[str] = []
    ids = SystemIds(SystemClock())
    for number in range(DURING):
        key = ids.record_id()
        while True:
            try:
                reply = await client.post("/note", json={"text": f"{name}-{number}"}, headers={"Idempotency-Key": key})
            except httpx.TransportError as error:  # the service itself must not go away
                raise AssertionError(f"the server left: {error!r}") from error
            told[str(reply.status_code)] += 1
            if reply.status_code == 201:
                made.append(reply.json()["data"]["id"])
                break
            assert reply.status_code == 503, reply.text
            assert reply.json()["code"] in ("service.unavailable", "limit.time"), reply.text
            assert int(reply.headers["retry-after"]) >= 1
        if number == BEFORE:
            begun.release()
    return made


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_under_load_loses_and_doubles_nothing(
    postgres: Postgres, database: str, tmp_path: Path, mode: str
) -> None:
    """``immediate`` is what a crash is: nobody is told, and the server recovers from its log."""
    url = database
    await asyncio.to_thread(migrate, url)
    service = Service(url)
    service.add_user("chief", "admin")
    publish_definition(service.app.services.registry, package(entity("note", field("text"))))
    headers = bearer(service.token_of("chief", "records:read", "records:write"))
    service.app.services.database.close()
    told: Counter[str] = Counter()
    with served(url, tmp_path) as server:
        base = f"http://127.0.0.1:{server.port}/api/shop/records"
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=90) as client:
            begun = asyncio.Semaphore(0)
            writers = [asyncio.create_task(write(client, f"w{n}", told, begun)) for n in range(CLIENTS)]
            for _ in writers:
                await begun.acquire()
            assert postgres.restart is not None
            await asyncio.to_thread(postgres.restart, mode)
            made = [record for records in await asyncio.gather(*writers) for record in records]
            assert told["503"] > 0  # they did notice
            page = await client.get("/note", params={"limit": 1, "count": "exact"})
            assert page.json()["meta"]["count"] == len(made) == len(set(made)) == CLIENTS * DURING
        assert failures(server) == []
    after = Service(url)
    with after.app.services.database.snapshot() as connection:
        events = connection.scalar(sa.select(sa.func.count()).select_from(tables.event))
    assert events == CLIENTS * DURING
    assert examine(after.app.services.registry) == []
    after.app.services.database.close()


def failures(server: Server) -> list[str]:
    """What the server calls its own failure."""
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    return [json.dumps(line) for line in lines if line["event"] == "failed"]
