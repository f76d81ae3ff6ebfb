"""The command ``dougong serve`` as a real process: stopping with grace, odd bytes on the wire, starting badly."""

from __future__ import annotations

import json
import signal

import pytest

from tests.support.process import read_all, served
from tests.support.service import problem

LOGIN = json.dumps({"username": "nobody", "password": "wrong"}).encode()


def request(body: bytes, *headers: str, method: str = "POST", path: str = "/api/auth/login") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, *headers, "", ""]).encode() + body


@pytest.mark.parametrize(
    "dialect, stop", [("sqlite", signal.SIGTERM), ("sqlite", signal.SIGINT), ("postgresql", signal.SIGTERM)]
)
def test_a_request_under_way_is_finished_before_the_process_ends(migrated_database_url, tmp_path, stop):
    with served(migrated_database_url, tmp_path) as server, server.connect() as connection:
        whole = request(LOGIN, "Connection: close")
        connection.sendall(whole[:-10])
        server.wait_in_flight(1)

        server.process.send_signal(stop)
        server.wait_for("Waiting for (connections|background)|Shutting down")
        connection.sendall(whole[-10:])
        answer = read_all(connection)

        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b'"code":"auth.refused"' in answer
        assert server.end() == 0
        assert "Traceback" not in server.output


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_the_first_start_makes_the_database_and_prints_one_link(database_url, tmp_path):
    with served(database_url, tmp_path, language="en") as server:
        secret = server.wait_for(r"/setup#(dgl_\S+)")[1]
        with server.client() as client:
            body = {"link": secret, "username": "chief", "password": "correct horse battery"}
            assert client.post("/api/auth/setup", json=body).status_code == 200
            assert client.get("/api/me").json()["data"]["role"] == "admin"
    with served(database_url, tmp_path) as again:
        assert again.port
        assert "setup#" not in again.output
    logged = [line for line in server.lines if line.startswith("{")]
    assert not [line for line in logged if secret in line]
    assert all(json.loads(line)["level"] for line in logged)


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_odd_bytes_on_the_wire(migrated_database_url, tmp_path):
    with served(migrated_database_url, tmp_path, body_bytes=2000, request_seconds=5) as server:
        for name, sent, expected in [
            ("not HTTP", b"hello\r\n\r\n", b"400"),
            ("two lengths", request(LOGIN, "Content-Length: 3"), b"400"),
            ("length and chunks", request(LOGIN, "Transfer-Encoding: chunked"), b"400"),
            ("a broken chunk", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
            ("a header of 100 kB", request(LOGIN, "X-Long: " + "x" * 100_000, "Connection: close"), b"40|43|41"),
            ("too large", request(b"x" * 3000, "Connection: close"), b"413"),
            (
                "a body that never comes",
                request(b"", method="POST")[:-4].replace(b"Length: 0", b"Length: 9") + b"\r\n\r\n",
                b"503",
            ),
            ("an address of 40 kB", request(b"", "Connection: close", method="GET", path="/" + "x" * 40_000), b"414"),
        ]:
            with server.connect() as connection:
                connection.sendall(sent)
                answer = connection.recv(65_536)
            status = answer.partition(b" ")[2][:3]
            assert any(status.startswith(start) for start in expected.split(b"|")) or (
                answer == b"" and b"|" in expected
            ), (
                name,
                answer,
            )
        with server.connect() as connection:  # goes away in the middle of its body
            connection.sendall(request(LOGIN)[:-10])
            server.wait_in_flight(1)
        server.wait_in_flight(0)
        with server.client() as client:
            problem(
                client.post("/api/auth/login", content=LOGIN, headers={"content-type": "application/json"}),
                "auth.refused",
            )
        assert "Traceback" not in server.output
        assert '"status":499' in server.output


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_several_processes_serve_one_database(database_url, tmp_path):
    with served(database_url, tmp_path, "--workers", "2") as server:
        server.wait_for(r"/setup#dgl_")
        with server.client() as client:
            assert client.get("/readyz").status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    assert server.output.count("/setup#dgl_") == 1


def test_a_database_that_cannot_be_reached_is_a_sentence_and_an_exit_code(tmp_path):
    with served("postgresql://nobody:canary@127.0.0.1:1/x", tmp_path, language="en") as server:
        assert server.end() == 3

    assert "The database cannot be reached" in server.output
    assert "Traceback" not in server.output
    assert "canary" not in server.output


def test_a_port_that_is_taken_ends_the_start(tmp_path):
    with (
        served("sqlite:///a.db", tmp_path) as first,
        served("sqlite:///b.db", tmp_path, "--port", str(first.port)) as second,
    ):
        assert second.end() == 1

    assert "address already in use" in second.output
    assert "Traceback" not in second.output


def test_what_the_settings_ask_for_in_vain_is_a_sentence_too(tmp_path):
    admin = {"admin_username": "boss", "admin_password": "short"}
    with served("sqlite:///a.db", tmp_path, language="en", **admin) as server:
        assert server.end() == 1

    assert "A password has 10 to 200 characters" in server.output
    assert "Traceback" not in server.output
