"""The law of streams: whoever comes and goes, each event that was asked for arrives once and in the feed's order."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.api.records.test_stream import PATH
from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared
from tests.support.streaming import streaming

pytestmark = pytest.mark.anyio

WRITERS = 4
ROUNDS = 12
LAST = "last"


async def write(desk: Desk, chance: random.Random) -> None:
    mine: list[str] = []
    for _ in range(ROUNDS):
        match chance.randrange(4):
            case 0:
                mine += [
                    made["id"] for made in await desk.create_many("node", [{"name": "b"}] * chance.randrange(1, 9))
                ]
            case 1 if mine:
                await desk.change("node", chance.choice(mine), name=str(chance.random()))
            case 2 if mine:
                await desk.delete("node", mine.pop(chance.randrange(len(mine))))
            case _:
                mine.append((await desk.create("node", name="a"))["id"])


async def follow(desk: Desk, chance: random.Random, query: str) -> list[str]:
    """Follow the feed through many connections, coming back with the last id; return positions up to the last event."""
    found: list[str] = []
    last = "0-0"
    headers = {"authorization": desk.client.headers["authorization"]}
    while True:
        async with streaming(desk.service.app, PATH + query, {**headers, "last-event-id": last}) as stream:
            for _ in range(chance.randrange(1, 40)):
                event = await stream.event()
                found.append(event["position"])
                if LAST in str(event["changes"]):
                    return found
            last = str(stream.last_id)


async def wait_by_pages(desk: Desk) -> list[str]:
    found: list[str] = []
    after = "0-0"
    while True:
        reply = (await desk.send("GET", "events", params={"after": after, "wait": 10, "limit": 7})).json()
        after = reply["meta"]["after"]
        found += [event["position"] for event in reply["data"]]
        if any(LAST in str(event["changes"]) for event in reply["data"]):
            return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_each_event_arrives_once_and_in_order(prepared: Prepared, seed: int):
    chance = random.Random(seed)
    async with open_desk(prepared.url, prepared.token) as here, open_desk(prepared.url, prepared.token) as there:
        readers = [
            asyncio.create_task(follow(desk, random.Random(chance.random()), query))
            for desk in (here, there)
            for query in ("", "?entity=node", "")
        ]
        readers += [asyncio.create_task(wait_by_pages(desk)) for desk in (here, there)]
        desks = [here, there] * (WRITERS // 2)
        await asyncio.gather(*(write(desk, random.Random(chance.random())) for desk in desks))
        await here.create("node", name=LAST)

        everything = [event["position"] for event in await here.feed()]
        assert len(everything) > WRITERS * ROUNDS // 2
        for reader in readers:
            assert await reader == everything
