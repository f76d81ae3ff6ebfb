"""Clients that are slow or many, over real sockets: they are let go in time, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.builder import entity, field, package
from tests.support.desk import publish_definition
from tests.support.process import Server, read_all, served
from tests.support.service import Service, bearer

pytestmark = pytest.mark.timeout(300)

OPEN = 2_000
SPARE = 200
"""Descriptors that both processes need for themselves."""
HEAD = b"GET /api/shop/records/note HTTP/1.1\r\nHost: x\r\n"


class Shop(NamedTuple):
    """A server with records whose pages are large, and the header of who may read and write them."""

    server: Server
    headers: dict[str, str]

    def serves(self) -> bool:
        """Whether an honest client is served."""
        with self.server.client() as client:
            made = client.post("/api/shop/records/note", json={"text": "x"}, headers=self.headers)
            read = client.get("/api/shop/records/note?limit=1", headers=self.headers)
        return (made.status_code, read.status_code) == (201, 200)

    def connect(self, sent: bytes) -> socket.socket:
        """A connection over which something was sent."""
        connection = self.server.connect()
        connection.sendall(sent)
        return connection


@contextlib.contextmanager
def opened(url: str, folder: Path, **settings: object) -> Iterator[Shop]:
    service = Service(url)
    service.add_user("chief", "admin")
    publish_definition(service.app.services.registry, package(entity("note", field("text", "long_text"))))
    secret = service.token_of("chief", "records:read", "records:write")
    service.app.services.database.close()
    with served(url, folder, **settings) as server:
        yield Shop(server, bearer(secret))


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other side closed; what it said before does not matter."""
    try:
        read_all(connection)
    except ConnectionResetError:
        return True
    return True


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_trickled_heads_and_silence_are_let_go_and_others_served(migrated_database_url: str, tmp_path: Path) -> None:
    with opened(migrated_database_url, tmp_path, request_seconds=2) as shop, contextlib.ExitStack() as stack:
        token = shop.headers["authorization"].encode()
        kept = stack.enter_context(shop.connect(HEAD + b"Authorization: " + token + b"\r\n\r\n"))
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        sent = {
            "nothing": b"",
            "a half line": b"GET /api",
            "half a head": HEAD,
            "half a body": b"POST /api/shop/records/note HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: " + token + b'\r\nContent-Length: 100\r\n\r\n{"te',
            "a whole request, then half a head": HEAD + b"Authorization: " + token + b"\r\n\r\n" + HEAD,
        }
        slow = {name: [stack.enter_context(shop.connect(text)) for _ in range(20)] for name, text in sent.items()}
        assert shop.serves()
        for name, connections in slow.items():
            for connection in connections:
                connection.settimeout(60)
                assert is_closed(connection), name
        assert shop.serves()
        assert "Traceback" not in shop.server.output


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_who_never_reads_the_answer_holds_up_nobody_and_is_no_failure(
    migrated_database_url: str, tmp_path: Path
) -> None:
    with opened(migrated_database_url, tmp_path, request_seconds=3) as shop, contextlib.ExitStack() as stack:
        token = b"Authorization: " + shop.headers["authorization"].encode() + b"\r\n\r\n"
        stream = b"GET /api/shop/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" + token
        deaf = [stack.enter_context(shop.connect(stream)) for _ in range(10)]
        with shop.server.client() as client:
            for _ in range(8):  # what is told of them is more than the buffers between take
                records = [{"text": "字" * 9_000} for _ in range(30)]
                made = client.post("/api/shop/records/note/batch", json={"create": records}, headers=shop.headers)
                assert made.status_code == 201, made.text
        page = b"GET /api/shop/records/note?limit=240 HTTP/1.1\r\nHost: x\r\n" + token
        deaf += [stack.enter_context(shop.connect(page)) for _ in range(10)]
        assert shop.serves()
        shop.server.wait_in_flight(0)  # they are let go, though nobody has closed anything
        assert shop.serves()
        for connection in deaf:
            connection.close()
        assert shop.serves()
        assert "Traceback" not in shop.server.output
        assert '"failed"' not in shop.server.output


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_two_thousand_open_connections_and_one_more_is_served(migrated_database_url: str, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = OPEN if hard == resource.RLIM_INFINITY else min(OPEN, hard - SPARE)
    assert count > 0
    with opened(migrated_database_url, tmp_path, request_seconds=120) as shop, contextlib.ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + SPARE), hard))  # ours; the server raises its own
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        clients = [stack.enter_context(shop.connect(b"")) for _ in range(count)]
        assert shop.serves()
        token = shop.headers["authorization"].encode()
        for connection in clients[:: count // 50]:  # and those that waited are served too
            connection.sendall(HEAD + b"Authorization: " + token + b"\r\n\r\n")
            connection.settimeout(60)
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert shop.serves()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_filter_of_ten_thousand_nodes_is_refused_at_once(migrated_database_url: str, tmp_path: Path) -> None:
    wide = {"_or": [{"text": {"_eq": str(number)}} for number in range(10_000)]}
    formula = " OR ".join(f'text = "{number}"' for number in range(10_000))
    with opened(migrated_database_url, tmp_path) as shop, shop.server.client() as client:
        nested = b'{"filter":' + b'{"_not":' * 10_000 + b'{"text":{"_eq":"x"}}' + b"}" * 10_001
        for body in (httpx.Request("POST", "/", json={"filter": wide}).content, nested):
            headers = {**shop.headers, "content-type": "application/json"}
            reply = client.post("/api/shop/records/note/query", content=body, headers=headers)
            assert reply.status_code == 400, reply.text
            assert reply.json()["code"] in ("query.invalid", "limit.depth", "request.malformed")
        reply = client.post("/api/shop/records/note/query", json={"filter": formula}, headers=shop.headers)
        assert reply.status_code == 400, reply.text
        assert shop.serves()
