"""The disk is full: a clear problem, nothing by halves, reading goes on, and writing too once there is room.

SQLite's own limit of pages stands for the disk: what it raises, and where in a transaction, is what a full disk raises.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from builder.registry.doctor import examine
from builder.store import postgresql, tables
from builder.store.database import DatabaseFull
from builder.store.sqlite import SqliteDatabase
from runtime.api.problems import problem_of
from runtime.files import incoming
from tests.support.builder import entity, field, package
from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import Service, bearer, problem, running

pytestmark = pytest.mark.anyio

TEXT = "x" * 3_000
NO_LIMIT = 1_073_741_823  # pages


class Disk:
    """What the connections of a database may fill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._connections: list[sqlite3.Connection] = []
        connect = SqliteDatabase._connect

        def noted(database: SqliteDatabase) -> sqlite3.Connection:
            connection = connect(database)
            self._connections.append(connection)
            return connection

        monkeypatch.setattr(SqliteDatabase, "_connect", noted)

    def leave(self, pages: int | None) -> None:
        """Leave room for so many pages more; None: for all there will ever be."""
        for connection in self._connections:
            used = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={NO_LIMIT if pages is None else used + pages}")


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_a_full_disk_refuses_writes_clearly_and_nothing_else(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    service = Service(migrated_database_url)
    service.add_user("chief", "admin")
    publish_definition(service.app.services.registry, package(entity("note", field("text", "long_text"))))
    secret = service.token_of("chief", "records:read", "records:write")
    async with service.app.running(), service.client(headers=bearer(secret)) as client:
        desk = Desk(service, client)
        first = await desk.create("note", text="there before")
        disk.leave(40)

        taken = [first["id"]]
        while True:
            replies = await asyncio.gather(*(desk.try_create("note", {"text": TEXT}) for _ in range(8)))
            taken += [one(reply)["id"] for reply in replies if reply.status_code == 201]
            refused = [reply for reply in replies if reply.status_code != 201]
            if refused:
                break
        for reply in refused:
            assert reply.status_code == 507
            assert problem(reply, "service.full")["retry_after"] == int(reply.headers["retry-after"])
        problem(await desk.send("POST", "records/note/batch", {"create": [{"text": TEXT}] * 50}), "service.full")

        assert (await client.get("/readyz")).status_code == 200
        assert {row["id"] for row in await desk.every("note")} == set(taken)
        assert (await desk.get("note", first["id"]))["text"] == "there before"
        with service.app.services.database.snapshot() as connection:
            events = connection.scalar(sa.select(sa.func.count()).select_from(tables.event))
        assert events == len(taken)
        assert not service.lines("failed")

        disk.leave(None)
        made = await desk.send("POST", "records/note/batch", {"create": [{"text": TEXT}] * 50})
        assert made.status_code == 201
        taken += [row["id"] for row in many(made)]
        assert {row["id"] for row in await desk.every("note")} == set(taken)
    assert examine(service.app.services.registry) == []


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_an_upload_without_room_leaves_nothing(
    migrated_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "files"
    content, named = b"%PDF-1.7\n" + bytes(300_000), {"content-disposition": "attachment; filename=a.pdf"}
    async with running(migrated_database_url, files_folder=folder) as service:
        service.add_user("chief", "admin")
        publish_definition(service.app.services.registry, package(entity("note", field("scan", "file"))))
        async with service.client_of("chief", "records:read", "records:write") as client:
            with monkeypatch.context() as patched:
                patched.setattr(incoming, "_append", no_room)
                reply = await client.post("/api/shop/files", content=content, headers=named)
                assert reply.status_code == 507, reply.text
                problem(reply, "service.full")
            assert [path for path in folder.rglob("*") if path.is_file()] == []
            assert (await client.post("/api/shop/files", content=content, headers=named)).status_code == 201


def test_postgresql_says_so_too() -> None:
    translated = postgresql._translate(asyncpg.DiskFullError("could not extend file: No space left on device"))
    assert isinstance(translated, DatabaseFull)
    assert problem_of(translated).code == "service.full"
