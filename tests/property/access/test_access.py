"""Random requests over every path of a question, against the oracle: no difference. See docs/decisions/0014."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from runtime.query.aggregate_request import read_aggregate
from runtime.query.request import read_members
from runtime.records.caller import Caller, system_caller
from runtime.records.service import Records
from tests.property.access.oracle import Oracle, Unknown, ordered, sort_key
from tests.property.access.world import APP, ENTITIES, LEVELS, World, fill, make_world
from tests.support.desk import publish_definition
from tests.support.service import Service, running

JSON = Any
pytestmark = pytest.mark.anyio

SEEDS = (1, 2, 3, 4, 5)
REQUESTS = 520
RECORDS = 30


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_answer_differs_from_the_oracle(
    anyio_backend: str, migrated_database_url: str, tmp_path: Path, seed: int
) -> None:
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        world = make_world(seed)
        callers = await _settle(service, world)
        records = service.app.services.records
        chance = random.Random(seed + 2)
        oracles = {person: Oracle(world, person) for person in world.people}
        kinds = (_list, _list, _list, _aggregate, _get, _search, _expand, _history)
        answered = 0
        for number in range(REQUESTS):
            person = chance.choice(sorted(world.people))
            ask = kinds[number % len(kinds)]
            answered += await ask(records, callers[person], oracles[person], chance)
        assert answered > REQUESTS / 5, "most names were unknown: the worlds say too little"


async def _settle(service: Service, world: World) -> dict[str, Caller]:
    identity = service.identity
    top = identity.departments.create_department("top", "top").id
    below = identity.departments.create_department("below", "below", top).id
    places = {name: (top, below)[number % 2] for number, name in enumerate(world.people)}
    for name, department in places.items():
        user = identity.users.create_user({"username": f"{name}x", "department_id": department})
        world.user_ids[name] = user.id
    for name, department in places.items():
        reach = {top, below} if department == top else {below}
        world.team[name] = {world.user_ids[other] for other, there in places.items() if there in reach}
    fill(world, RECORDS)
    publish_definition(service.app.services.registry, world.definition())
    batches = [(entity, list(world.records[entity].values())) for entity in ENTITIES]
    await service.app.services.records.load(system_caller("test", "install"), APP, batches)
    callers = {}
    for name, roles in world.people.items():
        for role in roles:
            identity.grants.give(APP, role, "user", world.user_ids[name])
    for name in world.people:
        known = await service.app.services.authenticator.see_as(world.user_ids[name])
        assert known is not None
        callers[name] = Caller(known.actor, "test", "rest", known.epoch)
    return callers


# -- questions ------------------------------------------------------------------------------------------------------------


def _paths(entity: str, chance: random.Random) -> tuple[str, ...]:
    key = chance.choice(("name", "phone", "level", "amount", "owner"))
    return ("up", key) if entity != ENTITIES[0] and chance.random() < 0.35 else (key,)


def _condition(
    oracle: Oracle, entity: str, path: tuple[str, ...], chance: random.Random
) -> tuple[JSON, Callable[[JSON], bool]]:
    """A filter with its meaning for a value as it is seen."""
    key = path[-1]
    values: dict[str, list[JSON]] = {
        "name": [f"{e}{n}" for e in ENTITIES for n in (1, 4)],
        "phone": [
            "130000",
            "13****1",
            *(r.get("phone") or "x" for r in list(oracle.world.records[entity].values())[:4]),
        ],
        "level": list(LEVELS),
        "amount": [0, 15, 30],
        "owner": list(oracle.world.user_ids.values()),
    }
    wanted = chance.choice(values[key])
    tests: list[tuple[JSON, Callable[[JSON], bool]]] = [
        ({"_eq": wanted}, lambda v: v == wanted),
        ({"_neq": wanted}, lambda v: v != wanted),
        ({"_null": True}, lambda v: v is None),
        ({"_in": values[key][:2]}, lambda v: v in values[key][:2]),
        ({"_in": []}, lambda _: False),
    ]
    if key == "amount":
        tests.append(({"_gte": wanted}, lambda v: v is not None and v >= wanted))
    test, holds = chance.choice(tests)
    tree: JSON = test
    for step in reversed(path):
        tree = {step: tree}
    return tree, holds


async def _list(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES)
    path, by = _paths(entity, chance), _paths(entity, chance)
    tree, holds = _condition(oracle, entity, path, chance)
    descending = chance.random() < 0.5
    members = {
        "filter": tree,
        "sort": [("-" if descending else "") + ".".join(by)],
        "limit": 500,
        "count": "exact",
    }

    def expected() -> tuple[list[JSON], int]:
        oracle.check(entity, (path, by))
        rows = oracle.rows(entity, lambda view: holds(oracle.value(entity, view, path)))
        rows = ordered(rows, lambda view: oracle.value(entity, view, by), descending=descending)
        return rows, len(rows)

    async def found() -> tuple[list[JSON], int]:
        page = await records.list_page(caller, APP, entity, read_members(members))
        assert page.counted is not None
        return [_plain(row) for row in page.records], page.counted.number

    return await _same(expected, found, (entity, members))


async def _aggregate(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES)
    by, of = _paths(entity, chance), _paths(entity, chance)
    members = {
        "group_by": [".".join(by)],
        "measures": {"n": {"count": "*"}, "v": {"count": ".".join(of)}, "d": {"count_distinct": ".".join(of)}},
    }

    def expected() -> list[JSON]:
        oracle.check(entity, (by, of))
        groups: dict[JSON, list[JSON]] = {}
        for view in oracle.rows(entity, lambda _: True):
            groups.setdefault(oracle.value(entity, view, by), []).append(oracle.value(entity, view, of))
        return sorted(
            [
                [key, len(values), sum(v is not None for v in values), len({v for v in values if v is not None})]
                for key, values in groups.items()
            ],
            key=lambda row: sort_key(row[0]),
        )

    async def found() -> list[JSON]:
        answer = await records.aggregate(caller, APP, entity, read_aggregate(members))
        rows = [[group[".".join(by)], group["n"], group["v"], group["d"]] for group in answer.groups]
        return sorted(rows, key=lambda row: sort_key(row[0]))

    return await _same(expected, found, (entity, members))


async def _get(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES)
    record_id = chance.choice(sorted(oracle.world.records[entity]))

    def expected() -> JSON:
        oracle.check(entity, ())
        return oracle.seen[entity].get(record_id)

    async def found() -> JSON:
        try:
            return _plain((await records.get(caller, APP, entity, record_id)).body)
        except Problem as problem:
            if problem.code != "record.not_found":
                raise
            return None

    return await _same(expected, found, (entity, record_id))


async def _search(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES)
    word = chance.choice((f"{entity}1", "130", "13", "****", "leaf", "7"))
    members = {"search": word, "sort": ["id"], "limit": 500}

    def expected() -> list[str]:
        oracle.check(entity, ())
        texts = [key for key in ("name", "phone") if key in oracle.names[entity]]
        if not texts:
            raise Unknown("search")
        return [v["id"] for v in oracle.rows(entity, lambda v: any(word in (v[key] or "") for key in texts))]

    async def found() -> list[str]:
        page = await records.list_page(caller, APP, entity, read_members(members))
        return [str(parse_json(row)["id"]) for row in page.records]

    return await _same(expected, found, (entity, members))


async def _expand(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES[1:])
    above = oracle.world.above(entity)
    assert above is not None
    down = chance.random() < 0.5
    owner, key = (above, "down") if down else (entity, "up")

    def expected() -> dict[str, JSON]:
        oracle.check(owner, ((key,),))
        if down:
            return {
                view["id"]: sorted(v["id"] for v in oracle.seen[entity].values() if v["up"] == view["id"])
                for view in oracle.rows(above, lambda _: True)
            }
        return {view["id"]: oracle.seen[above].get(view["up"] or "") for view in oracle.rows(entity, lambda _: True)}

    async def found() -> dict[str, JSON]:
        page = await records.list_page(caller, APP, owner, read_members({"expand": [key], "limit": 500}))
        rows = [parse_json(row) for row in page.records]
        if down:
            shown = {row["id"] for row in rows if "down" in row and row["down"] is not None}
            assert len(shown) == len(rows)
            return {row["id"]: sorted(kid["id"] for kid in row["down"]) for row in rows}
        return {row["id"]: row["up"] and _visible(row["up"]) for row in rows}

    return await _same(expected, found, (owner, key))


async def _history(records: Records, caller: Caller, oracle: Oracle, chance: random.Random) -> bool:
    entity = chance.choice(ENTITIES)
    record_id = chance.choice(sorted(oracle.world.records[entity]))

    def expected() -> JSON:
        oracle.check(entity, ())
        view = oracle.seen[entity].get(record_id)
        return view and {key: value for key, value in view.items() if key != "id" and value is not None}

    async def found() -> JSON:
        try:
            page = await records.timeline(caller, APP, entity, record_id, None, 10)
        except Problem as problem:
            if problem.code != "record.not_found":
                raise
            return None
        changes = parse_json(page.events[0].body)["changes"]
        return {key: pair[1] for key, pair in changes.items()}

    return await _same(expected, found, (entity, record_id))


# -- comparing ------------------------------------------------------------------------------------------------------------

_SYSTEM = ("revision", "created_at", "created_by", "updated_at", "updated_by")


def _plain(body: bytes) -> JSON:
    return _visible(parse_json(body))


def _visible(record: JSON) -> JSON:
    return {key: value for key, value in record.items() if key not in _SYSTEM}


async def _same(expected: Callable[[], JSON], found: Callable[[], Any], asked: JSON) -> bool:
    """Compare; tell whether there was more to see than an unknown name."""
    try:
        wanted = expected()
    except Unknown:
        with pytest.raises(Problem) as refused:
            await found()
        assert refused.value.code in ("request.unknown_name", "entity.not_found", "query.invalid"), asked
        return False
    assert await found() == wanted, asked
    return wanted not in (None, [], {}, ([], 0))
