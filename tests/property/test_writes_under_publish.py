"""Writes while others write and publish: none is lost, none lands under a version that is no longer published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from builder.registry.apps import put_draft
from builder.registry.publishing import publish_draft
from builder.store import tables
from runtime.app import make_services
from runtime.query.request import ListRequest
from runtime.records.caller import system_caller
from runtime.services import Services
from runtime.settings import Settings
from tests.support.started import started

pytestmark = pytest.mark.anyio

CALLER = system_caller("test-request", "rest")
WRITERS = 12


def _package(*more: str) -> dict[str, Any]:
    fields = [{"key": "count", "type": "integer", "label": {"zh": "数", "en": "Count"}}]
    fields += [{"key": key, "type": "text", "label": {"zh": key, "en": key}} for key in more]
    label = {"zh": "店", "en": "Shop"}
    return {
        "app": {"key": "shop", "label": label},
        "entities": [{"key": "till", "label": {"zh": "收银台", "en": "Till"}, "fields": fields}],
    }


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Services]:
    async with started(make_services(Settings(database_url=url, log_level="error")), _package()) as services:
        yield services


async def test_no_update_is_lost_among_writers_who_look_first(migrated_database_url):
    async with opened(migrated_database_url) as services:
        records = services.records
        made = await records.create(CALLER, "shop", "till", {"count": 0})
        done = 0
        refusals: set[str] = set()

        async def raise_by_one() -> None:
            nonlocal done
            for _ in range(10):
                seen = await records.get(CALLER, "shop", "till", made.record["id"])
                count = int(seen.body.split(b'"count":')[1].split(b",")[0].rstrip(b"}"))
                try:
                    await records.update(CALLER, "shop", "till", made.record["id"], {"count": count + 1}, seen.revision)
                except Problem as problem:
                    refusals.add(problem.code)
                else:
                    done += 1

        await asyncio.gather(*(raise_by_one() for _ in range(WRITERS)))
        last = await records.get(CALLER, "shop", "till", made.record["id"])

        assert refusals <= {"record.changed"}
        assert last.revision == done + 1
        assert b'"count":%d' % done in last.body
        assert _events(services) == {1: done + 1}


async def test_no_write_lands_under_a_version_that_is_no_longer_published(migrated_database_url):
    async with opened(migrated_database_url) as services:
        records = services.records
        over, news = asyncio.Event(), asyncio.Event()
        written = 0

        async def write() -> None:
            nonlocal written
            while not over.is_set():
                made = await records.create(CALLER, "shop", "till", {"count": 1})
                await records.update(CALLER, "shop", "till", made.record["id"], {"count": 2}, None)
                written += 1
                news.set()

        async def reached(count: int) -> None:
            while written < count:
                news.clear()
                await news.wait()

        writers = [asyncio.create_task(write()) for _ in range(WRITERS)]
        try:
            for version in range(1, 5):
                await reached(version * 20)
                package = _package(*(f"extra_{number}" for number in range(version)))
                await asyncio.to_thread(put_draft, services.registry, parse_definition(package), None)
                await asyncio.to_thread(publish_draft, services.registry, "shop", base_version=version, plan_hash=None)
                then = _events(services).get(version, 0)
                await reached(written + 20)
                assert _events(services).get(version, 0) == then
        finally:
            over.set()
            await asyncio.gather(*writers)
        page = await records.list_page(CALLER, "shop", "till", ListRequest(limit=1, count="exact"))

        assert page.counted is not None
        assert page.counted.number == written
        assert sum(_events(services).values()) == 2 * written


def _events(services: Services) -> dict[int, int]:
    version = tables.event.c.version
    with services.database.snapshot() as connection:
        rows = connection.execute(sa.select(version, sa.func.count()).group_by(version)).all()
    return {int(row[0]): int(row[1]) for row in rows}
