"""The folder of contents: what a removal and an upload of the same content do to each other."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.files.store import LocalStore
from tests.support.contents import stored_files

pytestmark = pytest.mark.anyio
SHA = hashlib.sha256(b"content").hexdigest()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
YESTERDAY = LONG_AGO + timedelta(days=300)


async def put(store: LocalStore, folder: Path) -> None:
    source = folder / "x.part"
    source.write_bytes(b"content")
    await store.put(source, SHA)


def make_old(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))


async def unwanted(_: str) -> bool:
    return False


async def test_an_old_content_that_nobody_wants_goes(tmp_path: Path):
    store = LocalStore(tmp_path)
    await put(store, tmp_path)
    make_old(tmp_path)
    assert await store.remove(SHA, YESTERDAY, unwanted)
    assert await store.remove(SHA, YESTERDAY, unwanted)  # again: nothing to do
    assert stored_files(tmp_path) == []


async def test_a_content_that_is_put_while_it_is_being_removed_stays_CVE_2026_25052(tmp_path: Path):
    store = LocalStore(tmp_path)
    await put(store, tmp_path)
    make_old(tmp_path)

    async def put_meanwhile(_: str) -> bool:
        await put(store, tmp_path)
        return True

    assert not await store.remove(SHA, YESTERDAY, put_meanwhile)
    assert await store.has(SHA)


async def test_a_content_whose_file_was_noted_meanwhile_stays(tmp_path: Path):
    store = LocalStore(tmp_path)
    await put(store, tmp_path)
    make_old(tmp_path)

    async def noted(_: str) -> bool:
        return True

    assert not await store.remove(SHA, YESTERDAY, noted)
    assert await store.has(SHA)
    assert b"".join([part async for part in store.read(SHA, 3, 100)]) == b"tent"


async def test_a_content_put_again_is_young_again(tmp_path: Path):
    store = LocalStore(tmp_path)
    await put(store, tmp_path)
    make_old(tmp_path)
    await put(store, tmp_path)
    assert not await store.remove(SHA, YESTERDAY, unwanted)
    assert await store.has(SHA)


async def test_what_a_crash_left_on_its_way_out_comes_back(tmp_path: Path):
    store = LocalStore(tmp_path)
    await put(store, tmp_path)
    leaving = tmp_path / "leaving"
    leaving.mkdir()
    (tmp_path / "contents" / SHA[:2] / SHA[2:4] / SHA).replace(leaving / SHA)
    assert [content.sha256 async for content in store.contents()] == [SHA]
    assert await store.has(SHA)
