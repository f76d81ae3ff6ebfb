"""What is to follow a move after its commit, while the processes that should do it die: every record gets it, each once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
import sqlalchemy as sa

from builder.store.process_tables import automation_run
from tests.api.pipelines.test_following import entering, later
from tests.faults.ticking import audit_later, begin, open_later, tick_until_quiet
from tests.support import deals
from tests.support.desk import Desk, publish_definition
from tests.support.service import bearer, running

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
DEALS = 12


async def test_what_follows_after_the_commit_survives_kills_and_happens_once(
    anyio_backend: str, migrated_database_url: str, tmp_path: Path
) -> None:
    copied = {
        "type": "create_record",
        "entity": "customer",
        "run": "after",
        "values": [{"field": "name", "value": "c"}],
    }
    counted = {"type": "set_fields", "set": [{"field": "amount", "formula": "amount + 1"}]}
    async with running(migrated_database_url, files_folder=tmp_path / "files") as service:
        service.add_user("boss", "admin")
        publish_definition(service.app.services.registry, deals.definition(entering(counted, later(counted), copied)))
        async with service.client(headers=bearer(service.token_of("boss", "records:read", "records:write"))) as client:
            desk = Desk(service, client, deals.APP)
            made = await desk.create_many(
                "deal", [{"name": f"D{n}", "contact": "王", "amount": 0} for n in range(DEALS)]
            )
            for deal in made:
                assert (await desk.send("POST", f"records/deal/{deal['id']}/transitions/meet")).status_code == 200
            for passage in (2, 4):
                with begin(migrated_database_url, 1, f"write.commit:{passage}") as process:
                    assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
            assert 0 < len(await desk.every("customer")) < DEALS
            await tick_until_quiet(open_later(migrated_database_url, 1))
            assert [deal["amount"] for deal in await desk.every("deal")] == [2] * DEALS
            assert len(await desk.every("customer")) == DEALS
            with service.app.services.database.snapshot() as connection:
                assert set(connection.scalars(sa.select(automation_run.c.state))) == {"done"}
        assert await asyncio.to_thread(audit_later, migrated_database_url) == []
