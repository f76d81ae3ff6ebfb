"""Reminders of many records that fall due at once, and tell people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock
from builder.store import delivery_tables, tables
from runtime.app import create_app as compose
from runtime.records.caller import system_caller
from runtime.settings import Settings
from tests.support.leads import APP, definition, reminder, step, tell
from tests.support.started import asked_of_postgresql, started

pytestmark = pytest.mark.anyio

MANY = 60
FOLLOW = reminder("follow", {"type": "unchanged"}, step("24 h", tell("24 小时未跟进:{{title}}", {"field": "owner"})))


async def test_all_are_told_in_their_order_by_few_statements(migrated_database_url, tmp_path, monkeypatch, dialect):
    clock = MovableClock(datetime(2026, 11, 23, 1, tzinfo=UTC))
    settings = Settings(database_url=migrated_database_url, files_folder=tmp_path, secret_file=tmp_path / "secret")
    async with started(compose(settings, clock=clock).services, definition(FOLLOW)) as services:
        users = [services.identity.users.create_user({"username": name}).id for name in ("ann", "bob")]
        caller = system_caller("test-request", "rest")
        leads = [{"title": f"{n}", "owner": users[n % 2]} for n in range(MANY)]
        await services.records.load(caller, APP, [("lead", leads)])
        clock.advance(timedelta(hours=25))
        asked = asked_of_postgresql(monkeypatch)
        while (await services.timers.tick()).fired:
            pass
        if dialect == "postgresql":
            assert len(asked) < MANY, asked
        inbox, firing = delivery_tables.inbox.c, tables.timer_firing.c
        with services.database.snapshot() as connection:
            told = connection.execute(sa.select(inbox.subject, inbox.user_id).order_by(inbox.id)).all()
            fired = connection.scalar(sa.select(sa.func.count()).where(firing.outcome == "fired"))
        assert sorted(told) == sorted(
            (f'{{"zh":"24 小时未跟进:{n}","en":"24 小时未跟进:{n}"}}', str(users[n % 2])) for n in range(MANY)
        )
        assert fired == MANY
