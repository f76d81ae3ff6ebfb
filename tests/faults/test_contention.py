"""Many at once on the same records, over real sockets: no update is lost, and no money is made or burnt."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from builder.registry.doctor import examine
from tests.support.builder import entity, field, package
from tests.support.desk import publish_definition
from tests.support.process import Server, served
from tests.support.service import Service, bearer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

WRITERS = 16
WINS = 4
ACCOUNTS, MONEY = 6, 100
TRANSFERS = 10


class Bank(NamedTuple):
    """A server on an app with accounts, and who may use it."""

    server: Server
    headers: dict[str, str]

    def client(self) -> httpx.AsyncClient:
        """A client of one writer: connections are not shared."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.server.port}/api/shop/records", headers=self.headers, timeout=90
        )


@pytest.fixture
def bank(migrated_database_url: str, tmp_path: Path) -> Iterator[Bank]:
    service = Service(migrated_database_url)
    service.add_user("chief", "admin")
    balance = field("balance", "integer", required=True, minimum=0)
    publish_definition(service.app.services.registry, package(entity("account", field("name"), balance)))
    secret = service.token_of("chief", "records:read", "records:write")
    with served(migrated_database_url, tmp_path) as server:
        yield Bank(server, bearer(secret))
    assert examine(service.app.services.registry) == []
    service.app.services.database.close()


async def open_accounts(client: httpx.AsyncClient, count: int) -> list[str]:
    made = await client.post("/account/batch", json={"create": [{"name": "a", "balance": MONEY}] * count})
    assert made.status_code == 201, made.text
    return [row["id"] for row in made.json()["data"]]


async def test_sixteen_writers_with_if_match_lose_no_update(bank: Bank) -> None:
    async with bank.client() as client:
        (account,) = await open_accounts(client, 1)
    answers: Counter[int] = Counter()
    revisions: list[str] = []
    written: list[str] = []

    async def write(name: str) -> None:
        async with bank.client() as client:
            won = 0
            while won < WINS:
                seen = await client.get(f"/account/{account}")
                body = {"balance": seen.json()["data"]["balance"] + 1, "name": f"{name}-{won}"}
                reply = await client.patch(f"/account/{account}", json=body, headers={"If-Match": seen.headers["etag"]})
                answers[reply.status_code] += 1
                if reply.status_code == 200:
                    revisions.append(reply.headers["etag"])
                    written.append(f"{name}-{won}")
                    won += 1
                else:
                    assert reply.json()["code"] == "record.changed", reply.text

    await asyncio.gather(*(write(f"w{number}") for number in range(WRITERS)))

    assert set(answers) <= {200, 412}
    assert answers[412] > 0  # they did get into each other's way
    assert len(set(revisions)) == answers[200] == WRITERS * WINS
    async with bank.client() as client:
        last = (await client.get(f"/account/{account}")).json()["data"]
    assert last["balance"] == MONEY + WRITERS * WINS
    assert last["name"] == written[revisions.index(max(revisions, key=lambda tag: int(tag.strip('W/"'))))]


async def test_transfers_at_once_keep_the_sum_whatever_fails_and_whoever_looks(bank: Bank) -> None:
    async with bank.client() as client:
        accounts = await open_accounts(client, ACCOUNTS)
    outcomes: Counter[Any] = Counter()
    over = asyncio.Event()

    async def transfer(seed: int) -> None:
        chance = random.Random(seed)
        async with bank.client() as client:
            for turn in range(TRANSFERS):
                payer, payee = chance.sample(accounts, 2)  # in either order: locks are taken crosswise
                seen = [await client.get(f"/account/{account}") for account in (payer, payee)]
                amount = chance.randrange(1, 80)
                moved = [
                    {
                        "id": account,
                        "balance": found.json()["data"]["balance"] + change,
                        "if_match": found.headers["etag"],
                    }
                    for account, found, change in zip((payer, payee), seen, (-amount, amount), strict=True)
                ]
                for item in moved:
                    item["if_match"] = int(item["if_match"].strip('W/"'))
                if turn % 4 == 3:
                    moved.reverse()
                reply = await client.post("/account/batch", json={"update": moved})
                outcomes[reply.status_code] += 1

    async def watch() -> None:
        async with bank.client() as client:
            while not over.is_set():
                query = {"measures": {"sum": {"sum": "balance"}}}
                reply = await client.post("/account/aggregate", json=query)
                assert reply.status_code == 200, reply.text
                outcomes["sum", reply.json()["data"][0]["sum"]] += 1

    async def all_transfers() -> None:
        try:
            await asyncio.gather(*(transfer(seed) for seed in range(WRITERS)))
        finally:
            over.set()

    await asyncio.gather(all_transfers(), watch())

    sums = {key[1] for key in outcomes if isinstance(key, tuple)}
    assert sums == {ACCOUNTS * MONEY}
    statuses = {key for key in outcomes if isinstance(key, int)}
    assert statuses <= {200, 409, 412, 422, 503}, outcomes
    assert outcomes[200] > 0
    assert sum(outcomes[status] for status in statuses - {200}) > 0  # some were refused, by halves never
    async with bank.client() as client:
        rows = (await client.get("/account")).json()["data"]
    assert sum(row["balance"] for row in rows) == ACCOUNTS * MONEY
    assert min(row["balance"] for row in rows) >= 0
