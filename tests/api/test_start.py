"""A start: records first, the framework when there is a moment for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.app import App, create_app
from runtime.settings import Settings

pytestmark = pytest.mark.anyio


async def _live(app: App, meanwhile: Any) -> None:
    """Start as a server does, do something, stop."""
    started, leave = asyncio.Event(), asyncio.Event()
    told = iter(("lifespan.startup", "lifespan.shutdown"))

    async def receive() -> dict[str, str]:
        if started.is_set():
            await leave.wait()
        return {"type": next(told)}

    async def send(message: Any) -> None:
        assert not message["type"].endswith(".failed"), message
        started.set()

    life = asyncio.create_task(app({"type": "lifespan"}, receive, send))
    await started.wait()
    await meanwhile()
    leave.set()
    await life


def _made(url: str, folder: Any) -> App:
    return create_app(
        Settings(database_url=url, log_level="error", background=False, files_folder=folder, secret_file=folder / "s")
    )


async def test_the_framework_is_read_while_nobody_asks(migrated_database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("runtime.app._WEB_LOOK_SECONDS", 0.01)
    app = _made(migrated_database_url, tmp_path)

    async def meanwhile() -> None:
        async with asyncio.timeout(30):
            while "web" not in vars(app):
                await asyncio.to_thread(lambda: None)

    await _live(app, meanwhile)


async def test_it_waits_while_requests_are_answered_and_does_not_hold_up_the_end(
    migrated_database_url, tmp_path, monkeypatch
):
    monkeypatch.setattr("runtime.app._WEB_LOOK_SECONDS", 0.01)
    app = _made(migrated_database_url, tmp_path)

    async def meanwhile() -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + 0.2  # twenty looks
        while loop.time() < end:  # in every turn of the loop, so that no look falls between two requests
            app.services.metrics.requests += 1
            turn = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn
        assert "web" not in vars(app)

    await _live(app, meanwhile)
    assert "web" not in vars(app)
