"""Streams of a real server: killed and resumed, stopped with grace, over several processes, two thousand at once."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.prepared import Prepared
from tests.support.process import Server, served
from tests.support.service import Service, bearer

RECORDS = "/api/shop/records/node"
PATH = "/api/shop/events/stream"
LAST = "last"


class Reader:
    """Follows the feed over whatever server there is, coming back with the last id."""

    def __init__(self, token: str, last: str | None = None) -> None:
        self.headers = bearer(token)
        self.last = last
        self.names: list[str] = []
        self.standing = threading.Event()

    def follow(self, server: Server) -> bool:
        """Read until the last record or the end of the connection; tell whether it was the last."""
        headers = self.headers if self.last is None else {**self.headers, "last-event-id": self.last}
        try:
            with server.client() as client, client.stream("GET", PATH, headers=headers) as reply:
                assert reply.status_code == 200, reply.read()
                for event in self._events(reply.iter_lines()):
                    self.names.append(event["changes"]["name"][1])
                    if self.names[-1] == LAST:
                        return True
        except httpx.HTTPError:
            pass
        return False

    def _events(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last = value
                self.standing.set()
            if name == "data":
                yield json.loads(value)


def write(server: Server, token: str, prefix: str, taken: list[str], count: int = 10_000) -> None:
    """Create records one by one until the server is gone; note those that were acknowledged."""
    with server.client() as client:
        for number in range(count):
            name = f"{prefix}{number}"
            try:
                reply = client.post(RECORDS, json={"name": name}, headers=bearer(token))
            except httpx.HTTPError:
                return
            assert reply.status_code == 201, reply.text
            taken.append(name)


def feed_of(server: Server, token: str) -> list[str]:
    names: list[str] = []
    with server.client() as client:
        after, more = "0-0", True
        while more:
            page = client.get("/api/shop/events", params={"after": after, "limit": 500}, headers=bearer(token)).json()
            names += [event["changes"]["name"][1] for event in page["data"]]
            after, more = page["meta"]["after"], page["meta"]["has_more"]
    return names


def test_a_killed_server_and_a_reader_that_comes_back(prepared: Prepared, tmp_path):
    reader = Reader(prepared.token, "0-0")
    taken: list[str] = []
    for life in range(2):
        with served(prepared.url, tmp_path) as server:
            writers = [
                threading.Thread(target=write, args=(server, prepared.token, f"{life}{letter}", taken))
                for letter in "ab"
            ]
            following = threading.Thread(target=reader.follow, args=(server,))
            known = len(reader.names)
            for thread in (*writers, following):
                thread.start()
            while len(reader.names) < known + 30 and following.is_alive():
                following.join(0.01)
            server.kill()
            for thread in (*writers, following):
                thread.join()
    with served(prepared.url, tmp_path) as server:
        with server.client() as client:
            client.post(RECORDS, json={"name": LAST}, headers=bearer(prepared.token)).raise_for_status()
        assert reader.follow(server)
        everything = feed_of(server, prepared.token)
    assert reader.names == everything
    assert set(taken) <= set(everything)
    assert len(everything) > 60


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_streams_end_when_the_server_is_asked_to_stop(prepared: Prepared, tmp_path):
    with served(prepared.url, tmp_path) as server:
        reader = Reader(prepared.token)
        waiting: list[bool] = []
        following = threading.Thread(target=lambda: waiting.append(reader.follow(server)))
        following.start()
        assert reader.standing.wait(90)

        server.process.send_signal(signal.SIGTERM)

        assert server.end() == 0
        following.join()
        assert waiting == [False]
        assert "exceeded" not in server.output  # nothing had to be cancelled
        assert "Traceback" not in server.output


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_several_processes_show_the_same_feed(prepared: Prepared, tmp_path):
    with served(prepared.url, tmp_path, "--workers", "2") as server:
        readers = [Reader(prepared.token) for _ in range(6)]
        threads = [threading.Thread(target=reader.follow, args=(server,)) for reader in readers]
        for thread in threads:
            thread.start()
        for reader in readers:
            assert reader.standing.wait(90)
        for _ in range(6):  # each over a connection of its own, so over either process
            write(server, prepared.token, "x", [], 3)
        with server.client() as client:
            client.post(RECORDS, json={"name": LAST}, headers=bearer(prepared.token)).raise_for_status()
        for thread in threads:
            thread.join(90)
        assert [reader.names for reader in readers] == [feed_of(server, prepared.token)] * 6


COUNT = 2_000


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_two_thousand_listeners(prepared: Prepared, tmp_path):
    _raise_open_files(COUNT * 2 + 500)
    service = Service(prepared.url)
    tokens = []
    for number in range(COUNT // 100 + 1):
        service.add_user(f"listener{number}")
        tokens.append(service.token_of(f"listener{number}", "records:read"))
    service.app.services.database.close()
    with served(prepared.url, tmp_path) as server:
        asyncio.run(_all_hear(server, prepared.token, tokens))
    assert "Traceback" not in server.output


async def _all_hear(server: Server, token: str, tokens: list[str]) -> None:
    listening = [await _listen(server, tokens[0])]  # what the first request loads is not counted
    before = _memory(server)
    listening += [await _listen(server, tokens[number // 100]) for number in range(1, COUNT)]
    used = (_memory(server) - before) / COUNT
    try:
        assert used < 40 * 1024, used  # 13 kB when it was written
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=bearer(token)) as client:
            made = (await client.post(RECORDS, json={"name": "one"})).raise_for_status().json()["data"]
            async with asyncio.timeout(60):
                for reader, _ in listening:
                    assert made["id"].encode() in await reader.readuntil(b"}\n\n")
            assert (await client.get(f"{RECORDS}/{made['id']}")).status_code == 200
    finally:
        for _, writer in listening:
            writer.close()


async def _listen(server: Server, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    head = await reader.readuntil(b"id: ")
    assert head.startswith(b"HTTP/1.1 200 "), head
    await reader.readuntil(b"\n\n")
    return reader, writer


def _raise_open_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def _memory(server: Server) -> int:
    """Resident bytes of the server's process."""
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of a disk
        return int(file.read().split()[1]) * resource.getpagesize()
