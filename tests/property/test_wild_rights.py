"""Random roles, automations and writes: what is written ahead of a transaction is refused, followed and told as in one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from runtime.identity.actors import Actor
from runtime.pipelines.moving import Order
from runtime.records import service
from runtime.records.ahead import Attempts
from runtime.records.alone import write_ahead
from runtime.records.caller import Caller, system_caller
from runtime.services import Services
from tests.support.both_ways import forget, left, numbered
from tests.support.desk import publish_definition
from tests.support.service import running

pytestmark = pytest.mark.anyio

JSON = Any
_STEPS = 120
_SYSTEM = system_caller("request", "rest")
_EVERYTHING = ("read", "create", "update")

_RULES: dict[str, tuple[str, ...]] = {
    "deal": (
        *("owner = CURRENTUSER()", "owner <> CURRENTUSER()", "by = CURRENTUSER()", "who = CURRENTUSER()"),
        *("created_by = CURRENTUSER()", "INTEAM(owner)", "INTEAM(updated_by)", "MANAGES(owner)", "INAREAS(name)"),
        *("INDEPT(place)", "NOT(INDEPT(place))", "place = CURRENTDEPARTMENT()", "owner = CURRENTMANAGER()"),
        *(
            "USERDEPT(owner) = CURRENTDEPARTMENT()",
            "MANAGER(owner) = CURRENTUSER()",
            'STARTSWITH(DEPTPATH(place), "east")',
        ),
        *("amount < 20", "NOT(amount < 20)", "10 / amount > 1", "IFERROR(1 / amount > 0, TRUE)", "double > 10"),
        *("OR(1 / amount > 0, owner = CURRENTUSER())", 'name = "x"', 'loud = "X!"', 'one = "again"', "revision < 3"),
        *("customer.owner = CURRENTUSER()", "customer.top.owner = CURRENTUSER()", "INDEPT(customer.top.place)"),
        *("customer.top.level > 1", "ISBLANK(customer)", "customer.total > 20", "COUNT(lines) > 0", "SUM(lines.n) > 3"),
        *("up.owner = CURRENTUSER()", "up.up.amount > 5", "ISBLANK(up)", 'HAS(kinds, "a")', 'stage <> "b"'),
        *(
            "on <= TODAY()",
            "updated_at = NOW()",
            "IF(ISBLANK(customer), owner, customer.owner) = CURRENTUSER()",
            "TRUE",
        ),
    ),
    "customer": (
        *("owner = CURRENTUSER()", "top.owner = CURRENTUSER()", "NOT(top.owner = CURRENTUSER())", "top.level > 1"),
        *("INDEPT(top.place)", "total > 20", "by = CURRENTUSER()", "ISBLANK(top)", "top.level <> 2"),
    ),
    "line": (
        *("deal.owner = CURRENTUSER()", "deal.customer.owner = CURRENTUSER()", "n > 2", "deal.amount < 20"),
        *("created_by = CURRENTUSER()", "INDEPT(deal.place)", "deal.revision < 4", "NOT(deal.owner = CURRENTUSER())"),
    ),
    "log": ("created_by = CURRENTUSER()", "deal.owner = CURRENTUSER()", 'name = "x"', "deal.revision = 1"),
    "top": ("owner = CURRENTUSER()", "level > 1", "INDEPT(place)"),
}


def _field(key: str, type_: str = "text", **more: JSON) -> JSON:
    return {"key": key, "type": type_, "label": key, **more}


_OPTIONS = [{"key": key, "label": key} for key in "ab"]
_FIELDS: dict[str, list[JSON]] = {
    "deal": [
        *(_field(key) for key in ("name", "phone", "secret", "one")),
        _field("amount", "money"),
        _field("owner", "user"),
        _field("place", "department"),
        _field("customer", "reference", entity="customer"),
        _field("up", "reference", entity="deal"),
        _field("stage", "select", options=_OPTIONS),
        _field("double", "formula", formula="amount * 2"),
        _field("loud", "formula", formula='UPPER(name) & "!"'),
        _field("by", "created_by"),
        _field("who", "updated_by"),
        _field("kinds", "multi_select", options=_OPTIONS),
        _field("on", "date"),
        _field("above", default_formula="up.name"),
        _field("other", "user", default_formula="customer.owner"),
        _field("lines", "children", entity="line", via="deal"),
    ],
    "customer": [
        _field("name"),
        _field("owner", "user"),
        _field("top", "reference", entity="top"),
        _field("by", "created_by"),
        _field("deals", "children", entity="deal", via="customer"),
        _field("total", "rollup", relation="deals", function="sum", value="amount"),
    ],
    "line": [
        _field("name"),
        _field("n", "integer"),
        _field("deal", "reference", entity="deal"),
        _field("of", default_formula="deal.name"),
    ],
    "log": [_field("name"), _field("deal", "reference", entity="deal")],
    "top": [_field("name"), _field("owner", "user"), _field("place", "department"), _field("level", "integer")],
}
_FORGOTTEN = ("line", "log", "deal", "customer", "top")
_ASSIGNED = {"double", "loud", "by", "who", "total", "lines", "deals"}
_LOG = {"type": "create_record", "entity": "log", "values": [{"field": "name", "formula": "name"}]}
_LOG_OF_IT = {**_LOG, "values": [*_LOG["values"], {"field": "deal", "formula": "id"}]}
_HAND_OVER = {
    "type": "update_records",
    "entity": "customer",
    "match": [{"field": "id", "formula": "customer"}],
    "set": [{"field": "owner", "formula": "owner"}],
}
_ACTIONS: list[JSON] = [
    _LOG,
    _LOG_OF_IT,
    _HAND_OVER,
    *(
        {"type": "set_fields", "set": [{"field": key, "formula": formula}]}
        for key, formula in (
            ("one", '"again"'),
            ("one", 'CONCAT(name, "!")'),
            ("owner", "customer.owner"),
            ("amount", "amount + 1"),
            ("name", '"x"'),
            ("phone", '"13900000000"'),
            ("other", "who"),
        )
    ),
]


class _Maker:
    """Makes an app of a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def package(self) -> JSON:
        pick = self.chance.choice
        fields = {key: list(listed) for key, listed in _FIELDS.items()}
        triggers = [{"type": "created"}, *({"type": "changed", "changes": [{"field": f}]} for f in ("name", "amount"))]
        transition = {
            "key": "on",
            "label": "on",
            "leaves": ["a"],
            "enters": "b",
            "actions": self._some([pick(_ACTIONS)]),
        }
        transition["guards"] = [{"type": "formula", "formula": "amount > 3", "message": "amount"}]
        stages = [{"key": "a"}, {"key": "b", "on_enter": self._some([pick(_ACTIONS)])}]
        flow = {"key": "flow", "label": "flow", "entity": "deal", "field": "stage"}
        return {
            "app": {"key": "shop", "label": "shop"},
            "entities": [{"key": key, "label": key, "fields": listed} for key, listed in fields.items()],
            "automations": [self._automation(f"a{n}", trigger) for n, trigger in enumerate(self._some(triggers, 0.7))],
            "pipelines": [{**flow, "stages": stages, "transitions": [transition]}],
            "roles": [{"key": f"r{n}", "label": "r", "grants": self._grants()} for n in range(3)],
        }

    def _some(self, listed: Iterable[Any], share: float = 0.5) -> list[Any]:
        return [each for each in listed if self.chance.random() < share]

    def _automation(self, key: str, trigger: JSON) -> JSON:
        pick = self.chance.choice
        made = {"key": key, "label": key, "entity": "deal", "trigger": trigger, "actions": [pick(_ACTIONS)]}
        made |= pick([{}, {"condition": "amount > 5"}, {"condition": "NOT(ISBLANK(customer))"}])
        owners = [{"run_as": "owner", "owner": path} for path in ("owner", "customer.owner", "other")]
        return made | pick([{}, {"run_as": "actor"}, *owners])

    def _grants(self) -> list[JSON]:
        count = self.chance.choice((1, 2, 3))
        return [self._grant(entity) for entity in ("deal",) * count + tuple(self._some(_FORGOTTEN, 0.8))]

    def _grant(self, entity: str) -> JSON:
        chance = self.chance
        may = chance.choice(
            [_EVERYTHING, _EVERYTHING, ("read",), ("read", "update"), ("update",), ("create", "update")]
        )
        grant: JSON = {"entity": entity, "may": list(may)}
        keys = [item["key"] for item in _FIELDS[entity]]
        masked: list[str] = []
        if chance.random() < 0.6:
            grant["rows"] = self._rule(entity)
        if may != ("read",) and chance.random() < 0.5:
            grant["after"] = chance.choice(["TRUE", self._rule(entity)])
        if "read" in may:
            masked = self._some([item["key"] for item in _FIELDS[entity] if item["type"] == "text"], 0.2)
            members = (
                {"fields": [*self._some(keys, 0.7), *masked, "name"]},
                {"hidden": [k for k in self._some(keys, 0.2) if k not in masked]},
            )
            grant |= chance.choice([{}, *members])
            grant["masks"] = [
                {"field": key, "start": chance.choice((0, 1, 3)), "end": chance.choice((0, 2))} for key in masked
            ]
        free = [key for key in keys if key not in _ASSIGNED and key not in masked]
        if may != ("read",):
            grant |= chance.choice([{}, {"writable": self._some(free, 0.7)}, {"fixed": self._some(free, 0.2)}])
        if entity == "deal" and "create" in may:
            grant["defaults"] = self._some([{"field": "owner", "value": "CURRENTUSER()"}], 0.3)
        if entity == "deal" and "update" in may:
            grant["transitions"] = chance.choice(["all", ["on"], []])
        return grant

    def _rule(self, entity: str) -> str:
        one, other = (self.chance.choice(_RULES[entity]) for _ in range(2))
        return self.chance.choice(
            [one, one, f"({one}) OR ({other})", f"({one}) AND ({other})", f"NOT(({one}) AND ({other}))"]
        )


class _World:
    """People of an app, and what they do."""

    def __init__(self, services: Services, seed: int) -> None:
        self.services = services
        self.chance = random.Random(seed)
        departments, users = services.identity.departments, services.identity.users
        east = departments.create_department("east", "east").id
        low, west = (
            departments.create_department("low", "low", east).id,
            departments.create_department("west", "west").id,
        )
        self.places = [east, low, west]
        reach = {east: (east, low), low: (low,), west: (west,), None: ()}
        homes = [east, low, west, None, east]
        self.ids: list[str] = []
        for number, home in enumerate(homes):
            manager = self.ids[0] if number % 2 else None
            self.ids.append(
                users.create_user({"username": f"p{number}", "department_id": home, "manager_id": manager}).id
            )
        self.people: list[Caller] = []
        for number, home in enumerate(homes):
            held = frozenset(self.chance.sample(["r0", "r1", "r2"], self.chance.choice((1, 1, 2))))
            for role in held:
                services.identity.grants.give("shop", role, "user", self.ids[number])
            team = tuple(id_ for id_, there in zip(self.ids, homes, strict=True) if there in reach[home])
            actor = Actor(
                *(self.ids[number], f"p{number}", f"p{number}", "member", None, home),
                roles={"shop": held},
                departments=reach[home],
                team=team,
                reports=() if number else tuple(self.ids[1::2]),
                areas=("x", "y") if number == 1 else (),
                manager_id=self.ids[0] if number % 2 else None,
            )
            self.people.append(Caller(actor, "request"))

    async def live(self, seed: int) -> list[str]:
        """Live a life; return what everybody was told, and what is left."""
        self.chance = random.Random(seed)
        self.known: dict[str, list[str]] = {key: [] for key in _FIELDS}
        for entity, count in (("top", 3), ("customer", 5)):
            for _ in range(count):
                made = await self.services.records.create(_SYSTEM, "shop", entity, self.body(entity, 1))
                self.known[entity].append(str(made.record["id"]))
        told = [await self.step() for _ in range(_STEPS)]
        return numbered([*told, *left(self.services)])

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
            "on": pick(["2026-11-01", "2026-11-22", "2026-11-25", None]),
            "top": pick([*self.known["top"], None]),
            "n": pick([1, 3, 5]),
            "level": pick([1, 2, 3]),
            "deal": pick([*self.known["deal"][-6:], None]),
        }
        rare = {"secret": 0.1, "one": 0.1}
        fields = {item["key"] for item in _FIELDS[entity]}
        drawn = {key: value for key, value in ways.items() if self.chance.random() < rare.get(key, share)}
        return {key: value for key, value in drawn.items() if key in fields}

    async def step(self) -> Any:
        """Do something as somebody; return what was answered."""
        chance, records = self.chance, self.services.records
        caller, entity = (
            chance.choice(self.people),
            chance.choice(["deal", "deal", "deal", "deal", "line", "customer", "log"]),
        )
        deed = chance.choice(["create", "update", "update", "move", "send back"])
        body, place = self.body(entity, 0.5), chance.choice(self.known[entity][-8:] or [""])
        if entity == "deal" and chance.random() < 0.2:
            body["lines"] = [self.body("line", 0.3) for _ in range(2)]
            body["lines"] += [{"id": id_, "n": 7} for id_ in self.known["line"][-1:]]
        who = _SYSTEM if chance.random() < 0.1 else caller
        try:
            if deed == "create" or not place:
                written = await records.create(who, "shop", entity, body)
                self.known[entity].append(str(written.record["id"]))
            elif deed == "move" and entity == "deal":
                fields = {"name": body["name"]} if "name" in body else {}
                moved = await self.services.pipelines.move(who, "shop", "deal", place, Order("on", fields=fields))
                written = moved.written
            else:
                brought = await self._as_read(who, entity, place) if deed == "send back" else {}
                written = await records.update(who, "shop", entity, place, brought | body, None)
        except Problem as problem:
            return deed, entity, problem.code, problem.detail, problem.violations
        read = await self._read(who, entity, str(written.record["id"]))
        assert written.body.decode() == read or set(written.record) == {"id", "revision"}, (written.body, read)
        return deed, entity, written.body.decode(), read

    async def _as_read(self, caller: Caller, entity: str, record_id: str) -> JSON:
        """Return a record as a form sends it back."""
        read = await self._read(caller, entity, record_id)
        return {k: v for k, v in parse_json(read).items() if k not in _ASSIGNED} if read.startswith("{") else {}

    async def _read(self, caller: Caller, entity: str, record_id: str) -> str:
        try:
            return (await self.services.records.get(caller, "shop", entity, record_id)).body.decode()
        except Problem as problem:
            return problem.code


@pytest.mark.parametrize("seed", [3, 11, 113])
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

    monkeypatch.setattr(service, "write_ahead", counting)
    async with running(migrated_database_url, files_folder=tmp_path) as opened:
        services = opened.app.services
        publish_definition(services.registry, _Maker(seed).package())
        world = _World(services, seed)
        first = await world.live(seed)
        assert ahead > _STEPS / 20
        forget(services, _FORGOTTEN)
        monkeypatch.setattr(Attempts, "worth", lambda *_: False)
        again = await world.live(seed)
    for one, other in zip(first, again, strict=True):
        assert one == other
