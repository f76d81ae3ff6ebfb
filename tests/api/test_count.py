"""``count=none|exact|estimated`` of lists."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from builder.kernel import limits
from runtime.query import statements
from runtime.records import counting
from tests.support.query_app import definition, load, publish
from tests.support.service import Service, problem

pytestmark = pytest.mark.anyio

URL = "/api/sales/records/area"


@pytest.fixture
async def client(service: Service) -> httpx.AsyncClient:
    publish(service, definition())
    await load(service, area=[{"name": f"area {n:03d}"} for n in range(60)])
    return service.client_of("member")


async def meta_of(client: httpx.AsyncClient, count: str, **members: Any) -> dict[str, Any]:
    reply = await client.get(URL, params={"limit": "1", "count": count, **members})
    assert reply.status_code == 200, reply.text
    meta: dict[str, Any] = reply.json()["meta"]
    meta.pop("next_cursor")
    return meta


async def test_nothing_is_counted_unless_asked(client: httpx.AsyncClient):
    assert await meta_of(client, "none") == {}


async def test_exactly_and_up_to_the_bound_also_cheaply(client: httpx.AsyncClient):
    for count in ("exact", "estimated"):
        assert await meta_of(client, count) == {"count": 60, "count_is": "exact"}
        few = {"filter": '{"name":{"_lt":"area 005"}}'}
        assert await meta_of(client, count, **few) == {"count": 5, "count_is": "exact"}


async def test_beyond_the_bound_sqlite_says_at_least_and_postgresql_estimates(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    assert limits.COUNTED_RECORDS == 10_000
    for module in (statements, counting):
        monkeypatch.setattr(module, "COUNTED_RECORDS", 10)
    database = service.app.services.database
    found = await meta_of(client, "estimated", filter='{"name":{"_nnull":true}}')
    if database.dialect == "sqlite":
        assert found == {"count": 10, "count_is": "at_least"}
        return
    assert found["count_is"] == "estimate"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE sales__area")
    found = await meta_of(client, "estimated", filter='{"name":{"_nnull":true}}')
    assert found == {"count": 60, "count_is": "estimate"}


async def test_other_words_are_refused(client: httpx.AsyncClient):
    problem(await client.get(URL, params={"count": "all"}), "query.invalid")
    problem(await client.post(f"{URL}/query", json={"count": ["exact"]}), "query.invalid")
