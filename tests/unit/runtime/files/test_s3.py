"""S3: signatures, and the store against a storage that checks every one of them itself, over a real connection."""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn

from builder.kernel.clock import MovableClock
from builder.kernel.problems import Problem
from runtime.files.s3 import S3Store
from runtime.net.s3 import EMPTY, S3Client, S3Place, authorization
from tests.support.contents import PDF, stored_files
from tests.support.service import running
from tests.support.storage import Storage
from tests.support.visits import RECORDS, publish_visits

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
KEYS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def test_the_signature_is_the_one_amazon_publishes():
    # "GET Object" of the examples in the S3 API reference, Signature Version 4
    place = S3Place("https://examplebucket.s3.amazonaws.com", "us-east-1", "examplebucket", **KEYS)
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
    }
    signed = authorization(place, "GET", "/test.txt", "", headers)
    assert signed.endswith("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    listing = {name: value for name, value in headers.items() if name != "range"}
    signed = authorization(place, "GET", "/", "max-keys=2&prefix=J", listing)
    assert signed.endswith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")


@asynccontextmanager
async def served(storage: Storage) -> AsyncIterator[str]:
    """Serve the storage at a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(storage, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@pytest.fixture
async def storage(anyio_backend) -> Storage:
    return Storage(bucket="contents", **KEYS)


def store_at(address: str, secret_key: str = KEYS["secret_key"]) -> S3Store:
    place = S3Place(address, "cn-north-1", "contents", KEYS["access_key"], secret_key)
    return S3Store(S3Client(place, MovableClock(NOW)), "dougong")


async def collected(store: S3Store, sha256: str, first: int, length: int) -> bytes:
    return b"".join([part async for part in store.read(sha256, first, length)])


async def test_contents_go_in_and_out(storage: Storage, tmp_path: Path):
    async with served(storage) as address:
        store = store_at(address)
        hashes = []
        for number in range(5):
            source = tmp_path / "x.part"
            source.write_bytes(bytes([number]) * 1_000_000)
            hashes.append(hashlib.sha256(source.read_bytes()).hexdigest())
            await store.put(source, hashes[-1])
        assert await collected(store, hashes[3], 10, 500_000) == b"\x03" * 500_000
        assert [await store.has(one) for one in (hashes[0], "0" * 64)] == [True, False]
        with pytest.raises(FileNotFoundError):
            await collected(store, "0" * 64, 0, 5)
        assert sorted([content.sha256 async for content in store.contents()]) == sorted(hashes)
        assert all(key.startswith("dougong/") for key in storage.objects)

        async def wanted(_: str) -> bool:
            return True

        async def unwanted(_: str) -> bool:
            return False

        assert not await store.remove(hashes[0], NOW, unwanted)  # put too lately
        assert not await store.remove(hashes[0], NOW + timedelta(1), wanted)
        assert await store.remove(hashes[0], NOW + timedelta(1), unwanted)
        assert not await store.has(hashes[0])
        await store.close()
        assert storage.refused == []


async def test_a_content_that_is_not_what_its_hash_says_is_refused_by_the_storage(storage: Storage, tmp_path: Path):
    async with served(storage) as address:
        store = store_at(address)
        source = tmp_path / "x.part"
        source.write_bytes(b"other")
        with pytest.raises(Problem) as caught:
            await store.put(source, hashlib.sha256(b"one").hexdigest())
        assert caught.value.code == "service.unavailable"
        assert storage.objects == {}
        await store.close()


async def test_a_wrong_key_or_a_storage_that_is_down_is_said(storage: Storage):
    async with served(storage) as address:
        wrong = store_at(address, "another")
        with pytest.raises(Problem):
            await wrong.has("0" * 64)
        assert storage.refused == ["signature"]
        storage.down = True
        with pytest.raises(Problem):
            await wrong.has("0" * 64)
        await wrong.close()
    gone = store_at(address)
    with pytest.raises(Problem) as caught:
        await gone.has("0" * 64)
    assert caught.value.retry_after_seconds == 5
    await gone.close()


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_the_service_keeps_its_files_there(migrated_database_url, tmp_path: Path, storage: Storage):
    async with served(storage) as address:
        settings = {"s3_endpoint": address, "s3_bucket": "contents"} | {f"s3_{k}": v for k, v in KEYS.items()}
        async with running(migrated_database_url, files_folder=tmp_path / "files", **settings) as service:
            service.add_user("member", "member")
            publish_visits(service)
            async with service.client_of("member", "records:read", "records:write") as client:
                made = (await client.post("/api/field/files", content=PDF)).json()["data"]
                assert (await client.post(RECORDS, json={"papers": [made["id"]]})).status_code == 201
                reply = await client.get(f"/api/field/files/{made['id']}", headers={"range": "bytes=1-3"})
                assert (reply.status_code, reply.content) == (206, b"PDF")
                assert stored_files(tmp_path / "files") == []
                assert len(storage.objects) == 1
                storage.objects.clear()
                gone = await client.get(f"/api/field/files/{made['id']}")
                assert gone.json()["code"] == "file.not_found"
                storage.down = True
                assert (await client.get(f"/api/field/files/{made['id']}")).status_code == 503
                assert (await client.post("/api/field/files", content=b"x")).status_code == 503
                assert stored_files(tmp_path / "files") == []
