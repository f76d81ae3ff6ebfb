"""What follows from a write costs whoever sends it: ``python -m benchmarks requests [sqlite] [postgresql]``.

The writes of ``process_speed``, ``transitions_speed``, ``timers_speed`` and ``formulas_writes`` as requests to a server that was started
as an operator does: token, gate, validation, event, log line, answer. One client, one connection, pairs in turns. Two ratios: of the
medians of time, and of the processor time that the server (with PostgreSQL's processes for it) spends on a request, which a busy machine
falsifies least.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import formulas_writes, process_speed, seeding, servers, timers_speed, transitions_speed
from benchmarks.servers import Server
from builder.definition.parse import parse_definition
from builder.registry import apps, publishing
from runtime.app import create_app
from runtime.settings import Settings

JSON = Any
ROUNDS, EACH = 15, 40
"""Turns of a pair, and requests of one side in a turn."""
PENDING = int(os.environ.get("DOUGONG_BENCH_TIMERS", "1000000"))
DATABASE = "dougong_bench_requests"
POSTGRES = process_speed.POSTGRES
_OWN_ROWS = {"rows": "created_by = CURRENTUSER()", "may": ["read", "create", "update"]}


def _sold() -> JSON:
    """The automations' app, with a role that sees and writes its own records only."""
    made = process_speed.definition()
    grants = [{"entity": entity["key"], **_OWN_ROWS} for entity in made["entities"]]
    return {**made, "roles": [{"key": "seller", "label": "seller", "grants": grants}]}


_APPS = {
    "automated": process_speed.definition,
    "sold": _sold,
    "moved": transitions_speed.definition,
    "reminded": timers_speed.definition,
    "computed": formulas_writes.definition,
}
_PLACE = {"lat": 31.2304, "lng": 121.4737}
_DEAL = {"contact": "x", "amount": 500, "here": _PLACE, "there": _PLACE}
_FACTS = {"rate": 0.13, "due_on": "2024-02-29"}


class Client:
    """One connection that stays open."""

    def __init__(self, server: Server, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.launch.port, timeout=60)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def send(self, method: str, path: str, body: JSON) -> JSON:
        """Send a request and return the JSON of the answer, which has to be a success."""
        self._connection.request(method, f"/api/{path}", json.dumps(body), self._headers)
        reply = self._connection.getresponse()
        content = reply.read()
        assert reply.status < 300, (path, reply.status, content)
        return json.loads(content)


@dataclass
class Side:
    """One side of a pair: what is sent in a turn, and what it took."""

    send: Callable[[int], object]
    times: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)


@dataclass
class Pair:
    """A write from which something follows, and the same from which nothing does."""

    title: str
    goal: float
    ours: Side
    other: Side

    def line(self, database: str) -> str:
        """Return what was found."""
        ours, other = (median(side.times) for side in (self.ours, self.other))
        used, unused = (sum(side.used) for side in (self.ours, self.other))
        times = f"{ours * 1e6:>7,.0f} {other * 1e6:>7,.0f} us x{ours / other:.2f}"
        return f"{database + ': ' + self.title:<58} {times}   by processor x{used / unused:.2f}   (goal x{self.goal})"


def pairs(client: Client, seller: Client) -> Iterator[Pair]:
    """Return what is compared."""
    create = {name: _creating(client, f"automated/records/{name}") for name in ("plain", "busy")}
    yield Pair("create, starting three automations", 2, Side(create["busy"]), Side(create["plain"]))
    create = {name: _creating(seller, f"sold/records/{name}") for name in ("plain", "busy")}
    yield Pair("the same of a seller who sees own rows", 2, Side(create["busy"]), Side(create["plain"]))
    deal = _a_deal(client)
    yield Pair("move past five guards / an update", 1.5, Side(_moving(client, deal)), Side(_noting(client, deal)))
    for title, deed in (("create", _creating), ("change", _changing)):
        watched, plain = (deed(client, f"reminded/records/{name}") for name in ("watched", "plain"))
        yield Pair(f"{title} that arms a timer, {PENDING:,} pending", 1.3, Side(watched), Side(plain))
    for title, deed in (("create", _creating), ("update", _changing)):
        rich, plain = (deed(client, f"computed/records/{name}", _FACTS) for name in ("rich", "plain"))
        yield Pair(f"{title} with 20 formulas", 1.5, Side(rich), Side(plain))
    full, poor = (_child(client, name) for name in ("full", "poor"))
    yield Pair(f"child of {formulas_writes.CHILDREN:,}, 3 parent rollups", 2, Side(full), Side(poor))


def _body(path: str, turn: int, more: JSON) -> JSON:
    name = "name" if path.startswith("computed") else "title"
    return {name: f"n{turn}", "amount": 50 + turn % 900, **more}


def _creating(client: Client, path: str, more: JSON = None) -> Callable[[int], JSON]:
    return lambda turn: client.send("POST", path, _body(path, turn, more or {}))


def _changing(client: Client, path: str, more: JSON = None) -> Callable[[int], JSON]:
    record = client.send("POST", path, _body(path, 0, more or {}))["data"]["id"]
    return lambda turn: client.send("PATCH", f"{path}/{record}", _body(path, turn + 1, {}))


def _a_deal(client: Client) -> str:
    deal = str(client.send("POST", "moved/records/deal", _DEAL)["data"]["id"])
    for points in range(3):
        client.send("POST", "moved/records/item", {"deal": deal, "points": points})
    return deal


def _moving(client: Client, deal: str) -> Callable[[int], JSON]:
    path = f"moved/records/deal/{deal}/transitions/"
    return lambda turn: client.send("POST", path + ("back" if turn % 2 else "on"), {})


def _noting(client: Client, deal: str) -> Callable[[int], JSON]:
    path = f"moved/records/deal/{deal}"
    return lambda turn: client.send("PATCH", path, {"note": f"n{turn}", "contact": f"c{turn}"})


def _child(client: Client, name: str) -> Callable[[int], JSON]:
    parent = client.send("POST", f"computed/records/{name}_parent", {"name": "x"})["data"]["id"]
    path = f"computed/records/{name}_child"
    for start in range(0, formulas_writes.CHILDREN, 500):
        creates = [{"parent": parent, "amount": n} for n in range(start, start + 500)]
        client.send("POST", f"{path}/batch", {"create": creates})
    child = client.send("POST", path, {"parent": parent, "amount": 1})["data"]["id"]
    return lambda turn: client.send("PATCH", f"{path}/{child}", {"amount": turn + 2})


def _prepare(url: str) -> tuple[str, str]:
    """Publish the apps, put pending timers there; return the tokens of an admin and of a seller."""

    async def prepare() -> tuple[str, str]:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                database_url=url, files_folder=Path(folder), secret_file=Path(folder) / "secret", background=False
            )
            app = create_app(settings)
            async with app.running():
                registry, identity = app.services.registry, app.services.identity
                for key, define in _APPS.items():
                    definition = {**define(), "app": {"key": key, "label": key}}
                    apps.create_app(registry, parse_definition(definition), None)
                    publishing.publish_draft(registry, key, base_version=None, plan_hash=None, accept_lossy=True)
                timers_speed.fill_pending(app, PENDING, "reminded")
                seeding.settle(app.services.database.engine)
                secrets = []
                for name, role in (("bench", "admin"), ("seller", "member")):
                    user = identity.users.create_user({"username": name, "name": name, "role": role})
                    identity.grants.give("sold", "seller", "user", user.id)
                    scopes = ["records:read", "records:write"]
                    secrets.append(identity.tokens.create_token(user, name, scopes)[0])
                return secrets[0], secrets[1]

    return asyncio.run(prepare())


def measure(url: str, database: str) -> None:
    """Start a server on an empty database, measure every pair and print it."""
    token, sellers = _prepare(url)
    server = Server(servers.ours(url, token, "/api/automated/records/plain", durable=True))
    try:
        for pair in pairs(Client(server, token), Client(server, sellers)):
            _measure(pair, server, url, database)
            print(pair.line(database), flush=True)
    finally:
        server.stop()


def _measure(pair: Pair, server: Server, url: str, database: str) -> None:
    helpers: list[int] = []
    name = url.rpartition("/")[2]
    for turn in range(ROUNDS + 1):
        if database == "postgresql":
            servers.pin_backends(POSTGRES, name)
            helpers = servers.backends_of(POSTGRES, name)
        for side in (pair.ours, pair.other):
            before, times = server.cpu_seconds(helpers), []
            for each in range(EACH):
                start = time.perf_counter()
                side.send(turn * EACH + each)
                times.append(time.perf_counter() - start)
            if turn:  # the first turn warms up
                side.times += times
                side.used.append(server.cpu_seconds(helpers) - before)


def main(databases: list[str]) -> None:
    """Measure on the databases that are named, or on both."""
    for database in databases or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory() as folder:
            if database == "sqlite":
                measure(f"sqlite:///{folder}/bench.db", database)
                continue
            url = seeding.new_postgres_database(POSTGRES, DATABASE)
            try:
                measure(url, database)
            finally:
                seeding.drop_postgres_database(POSTGRES, DATABASE)


if __name__ == "__main__":
    main(sys.argv[1:])
