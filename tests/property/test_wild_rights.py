"""Random roles, automations and writes of all sorts of callers: what is written ahead of a transaction is refused, followed and told as in one."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from runtime.records import service as records_service
from runtime.records.ahead import Attempts
from runtime.records.alone import write_ahead
from tests.support.both_ways import forget, left, numbered
from tests.support.desk import publish_definition
from tests.support.service import START, Service, running
from tests.support.wild import ASSIGNED, FIELDS, FORGOTTEN, ROLES, Maker

pytestmark = pytest.mark.anyio

JSON = Any
_STEPS = 160
_RECORDS = ("records:read", "records:write")


class _Caller(NamedTuple):
    """Somebody who asks, by a way of their own."""

    name: str
    scopes: tuple[str, ...] = ()
    """Of a token; none: a session."""
    eyes: str | None = None
    """Of whom an admin looks through."""


_CALLERS = (
    *(_Caller(name) for name in ("p0", "p1", "p2", "p4", "out", "builder") for _ in range(3)),
    *(_Caller(name, _RECORDS) for name in ("p3", "p4", "out", "robot", "root") for _ in range(3)),
    *(_Caller("p0", scopes) for scopes in (_RECORDS[:1], _RECORDS[1:], (*_RECORDS, "app:shop"), (*_RECORDS, "app:b"))),
    _Caller("root", eyes="p0"),
)
_PEOPLE: dict[str, JSON] = {
    "p0": {"department_id": "east"},
    "p1": {"department_id": "low", "manager_id": "p0", "areas": ["x", "y"]},
    "p2": {"department_id": "west", "position": "clerk"},
    "p3": {"manager_id": "p1"},
    "p4": {"department_id": "east", "manager_id": "p0"},
    "out": {"kind": "external", "department_id": "west", "manager_id": "p2"},
    "robot": {"kind": "service", "department_id": "low"},
    "builder": {"role": "builder", "position": "clerk"},
    "root": {"role": "admin", "department_id": "east"},
}
_CHANGEABLE: JSON = {"department_id": None, "manager_id": None, "areas": [], "position": None, "active": True}


class _World:
    """People of an app, and what they do."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service = service
        self.identity = service.identity
        self.chance = random.Random(seed)
        self.named: dict[str, str] = {}
        for key, above in (("east", None), ("low", "east"), ("west", None)):
            parent = None if above is None else self.named[above]
            self.named[key] = self.identity.departments.create_department(key, key, parent).id
        self.places = list(self.named.values())
        for name, given in _PEOPLE.items():
            made = {key: given[key] for key in ("kind", "role") if key in given}
            if made.get("kind") == "service":
                self.named[name] = self.identity.users.create_user({"username": name, **made}).id
            else:
                self.named[name] = service.add_user(name, **made).id
        self.ids = [self.named[name] for name in _PEOPLE]
        self.grants = [("user", self.named[name], self.some_role()) for name in _PEOPLE]
        self.grants += [("department", self.named["east"], self.some_role()), ("position", "clerk", self.some_role())]
        self.grants += [("user", self.named["out"], role) for role in ROLES]

    def some_role(self) -> str:
        """Draw a role."""
        return self.chance.choice(ROLES)

    def stand(self) -> None:
        """Let everybody stand where they stood at first."""
        for name, given in _PEOPLE.items():
            wanted = {key: given.get(key, value) for key, value in _CHANGEABLE.items()}
            wanted |= {key: self.named.get(wanted[key]) for key in ("department_id", "manager_id")}
            self.identity.users.update_user(self.named[name], wanted)
        for grant in self.identity.grants.list_grants("shop"):
            self.identity.grants.take("shop", grant.id)
        for kind, subject, role in self.grants:
            self.identity.grants.give("shop", role, kind, subject)

    async def live(self, seed: int) -> list[str]:
        """Live a life; return what everybody was told, and what is left."""
        self.chance = random.Random(seed)
        self.service.clock.advance(START - self.service.clock.now())
        self.stand()
        self.known: dict[str, list[str]] = {key: [] for key in FIELDS}
        self.makers: dict[str, str] = {}
        self.approvals: list[str] = []
        async with AsyncExitStack() as stack:
            self.clients = {
                caller: await stack.enter_async_context(self.service.client_of(caller.name, *caller.scopes))
                for caller in _CALLERS
            }
            for entity, count in (("top", 3), ("customer", 5), ("deal", 5)):
                for _ in range(count):
                    await self.send(_Caller("root", _RECORDS), "POST", entity, self.body(entity, 1))
            told = [await self.step() for _ in range(_STEPS)]
        return numbered([*told, *left(self.service.app.services)])

    def body(self, entity: str, share: float) -> JSON:
        """Return some values; everything is drawn, so that two lives draw alike."""
        pick = self.chance.choice
        ways: JSON = {
            "name": pick("xyz"),
            "phone": pick(["13812345678", "123", None]),
            "secret": "s",
            "one": "given",
            "amount": pick([0, 1, 4, 7, 30, 80, None]),
            "owner": pick([*self.ids, None]),
            "place": pick([*self.places, None]),
            "customer": pick([*self.known["customer"], None]),
            "up": pick([*self.known["deal"][-6:], None]),
            "kinds": pick([["a"], ["b", "a"], []]),
            "on": pick(["2026-11-01", "2026-11-22", "2026-11-23", "2026-11-25", "0001-01-01", None]),
            "at": pick(["2026-11-22T16:30:00Z", "2026-11-22T08:00Z", "9999-12-31T20:00Z", "0001-01-01T01:00Z", None]),
            "code": f"c{pick(range(8))}",
            "top": pick([*self.known["top"], None]),
            "n": pick([1, 3, 5]),
            "level": pick([1, 2, 3]),
            "deal": pick([*self.known["deal"][-6:], None]),
        }
        rare = {"secret": 0.1, "one": 0.1, "code": 0.1}
        fields = {item["key"] for item in FIELDS[entity]}
        drawn = {key: value for key, value in ways.items() if self.chance.random() < rare.get(key, share)}
        return {key: value for key, value in drawn.items() if key in fields}

    async def step(self) -> Any:
        """Do something as somebody; return what was answered."""
        chance = self.chance
        if chance.random() < 0.08:
            return self.move_people()
        self.service.clock.advance(timedelta(minutes=chance.choice((0, 0, 1, 9))))
        who, entity = chance.choice(_CALLERS), chance.choice(["deal"] * 5 + ["line", "customer", "log"])
        body = self.body(entity, chance.choice((0.1, 0.3, 0.5)))
        own = [id_ for id_ in self.known[entity] if self.makers.get(id_) == who.name]
        place = chance.choice((own if own and chance.random() < 0.6 else self.known[entity])[-8:] or [""])
        deed = chance.choice(["create", "update", "update", "move", "send back", "beside"]) if place else "create"
        if entity == "deal" and chance.random() < 0.2:
            body["lines"] = [self.body("line", 0.3) for _ in range(2)]
            body["lines"] += [{"id": id_, "n": 7} for id_ in self.known["line"][-1:]]
        if deed == "create":
            return await self.send(who, "POST", entity, body)
        if deed == "beside":
            return await self.beside(who, entity, place, body)
        if deed == "move" and entity == "deal":
            order = {"fields": {"name": body["name"]}} if "name" in body else {}
            return await self.send(who, "POST", f"deal/{place}/transitions/on", order)
        brought = await self.as_read(who, f"{entity}/{place}") if deed == "send back" else {}
        return await self.send(who, "PATCH", f"{entity}/{place}", brought | body)

    async def beside(self, who: _Caller, entity: str, place: str, body: JSON) -> Any:
        """Write as the long form always does."""
        batches: list[JSON] = [
            {"create": [body, self.body(entity, 0.5)], "mode": "partial"},
            {"update": [{"id": place, **body}, {"id": self.known[entity][-1], **self.body(entity, 0.3)}]},
            {"upsert": {"by": ["code"], "records": [{**body, "code": "c1"}]}},
        ]
        ways = [(f"{entity}/batch", one) for one in batches]
        if entity == "deal":
            ways += [(f"deal/{place}/{act}", {}) for act in ("claim", "actions/b")]
            ways += [(f"deal/{place}/release", {"reason": "r"}), (f"deal/{place}/approvals", {"approval": "ok"})]
            ways += [(f"approvals/{id_}/approve", {}) for id_ in self.approvals[-2:]]
        path, sent = self.chance.choice(ways)
        return await self.send(who, "POST", path, sent)

    def move_people(self) -> Any:
        """Let somebody go or come back, stand elsewhere, or have another role."""
        chance, users = self.chance, self.identity.users
        name = chance.choice(["p1", "p2", "p3", "out", "robot"])
        change: JSON = chance.choice(
            [
                {"active": False},
                {"active": True},
                {"department_id": chance.choice([*self.places, None])},
                {"position": chance.choice(["clerk", None])},
                {"manager_id": self.named["p0"]},
            ]
        )
        if name in ("p1", "p2") and "active" in change:  # their sessions would be over
            change, name = {"areas": ["x"]}, "p1"
        if chance.random() < 0.3:
            grants = self.identity.grants.list_grants("shop")
            if len(grants) > 6:
                taken = chance.choice(sorted(grants, key=lambda grant: grant.id))
                self.identity.grants.take("shop", taken.id)
                return "taken", taken.role, taken.subject
            return "given", self.identity.grants.give("shop", self.some_role(), "user", self.named[name]).role
        users.update_user(self.named[name], change)
        return name, change

    async def send(self, who: _Caller, method: str, path: str, body: JSON) -> Any:
        """Send a request; what it answers is what is read afterwards, also through the eyes of who asked."""
        client, options = self.clients[who], self.chance.choice([{}] * 8 + [{"prefer": "return=minimal"}])
        headers = {"origin": "http://dougong.test", **options, **self.eyes(who)}
        if self.chance.random() < 0.05:
            headers["if-match"] = '"2"'
        room = "" if path.startswith("approvals/") else "records/"
        reply = await client.request(method, f"/api/shop/{room}{path}", json=body, headers=headers)
        told = [who, method, path, body, reply.status_code, reply.headers.get("etag"), _shown(reply)]
        record = told[-1].get("data") if reply.status_code in (200, 201) and isinstance(told[-1], dict) else None
        if not isinstance(record, dict):
            return told
        if "approvals" in path:
            self.approvals += [record["id"]] if path.startswith("deal/") else []
            return told
        entity = path.partition("/")[0]
        if method == "POST" and path == entity:
            self.known[entity].append(record["id"])
            self.makers[record["id"]] = who.name
        if who.scopes in ((), _RECORDS):
            read = await self.read(who, f"{entity}/{record['id']}")
            assert read.get("data", record) == record or record.keys() == {"id", "revision"}, (record, read)
            seen = await self.read(_Caller("root", eyes=who.name), f"{entity}/{record['id']}")
            assert seen.get("data") == read.get("data"), (seen, read)
            told.append(read)
        return told

    def eyes(self, who: _Caller) -> dict[str, str]:
        """The header of who looks through the eyes of somebody."""
        return {} if who.eyes is None else {"dougong-view-as": self.named[who.eyes]}

    async def read(self, who: _Caller, path: str) -> JSON:
        """Read a record."""
        client = self.clients.get(who) or self.clients[next(c for c in _CALLERS if c.eyes is not None)]
        return _shown(await client.get(f"/api/shop/records/{path}", headers=self.eyes(who)))

    async def as_read(self, who: _Caller, path: str) -> JSON:
        """Return a record as a form sends it back."""
        found = (await self.read(who, path)).get("data", {})
        return {key: value for key, value in found.items() if key not in ASSIGNED}


def _shown(reply: httpx.Response) -> JSON:
    """What an answer says, without the name of the request."""
    found = reply.json() if reply.content else {}
    return {key: value for key, value in found.items() if key != "instance"}


@pytest.mark.parametrize("seed", [102, 107, 202])
async def test_both_ways_are_one(
    migrated_database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("runtime.records.ahead.PAUSE", 0)
    monkeypatch.setattr("runtime.records.ahead.DOUBT", 0)
    ahead = 0

    async def counting(*given: Any) -> Any:
        nonlocal ahead
        written = await write_ahead(*given)
        ahead += written is not None
        return written

    monkeypatch.setattr(records_service, "write_ahead", counting)
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        publish_definition(service.app.services.registry, Maker(seed).package())
        world = _World(service, seed)
        first = await world.live(seed)
        assert ahead > _STEPS / 20
        forget(service.app.services, FORGOTTEN)
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        again = await world.live(seed)
    for one, other in zip(first, again, strict=True):
        assert one == other
