"""Assignment rules: who gets a record, why, under many writers at once; the pool; what nobody works on comes back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from builder.kernel.clock import instant_text
from tests.support import shop
from tests.support.desk import Desk, publish_definition
from tests.support.service import Service, bearer, problem, running

JSON = Any
pytestmark = pytest.mark.anyio
NAMES = ("ann", "bob", "cai")


class Team(Desk):
    """A desk with three sellers and a rule for customers."""

    def __init__(self, service: Service, client: httpx.AsyncClient) -> None:
        super().__init__(service, client)
        self.ids: dict[str, str] = {}
        self.document: JSON = {}

    def rule(self, *steps: JSON, **members: JSON) -> None:
        """Publish the rule ``r`` for customers, and an automation that asks it for every new one."""
        document = shop.definition()
        document["assignments"] = [
            {"key": "r", "label": "分配", "entity": "customer", "person": "owner", "steps": list(steps), **members}
        ]
        document["automations"] = [
            {
                "key": "a",
                "label": "分配",
                "entity": "customer",
                "trigger": {"type": "created"},
                "actions": [{"type": "assign", "rule": "r"}],
                "on_error": "refuse",
            }
        ]
        self.document = document
        publish_definition(self.registry, document)

    async def owners(self, count: int, **values: JSON) -> list[str | None]:
        """Create customers one after the other; return who got each."""
        names = {v: k for k, v in self.ids.items()}
        made = [await self.create("customer", name=f"客户{n}", **values) for n in range(count)]
        return [names.get(customer["owner"]) for customer in made]

    async def why(self, record_id: str) -> list[JSON]:
        """The decisions about a customer."""
        reply = await self.send("GET", f"records/customer/{record_id}/assignments")
        assert reply.status_code == 200, reply.text
        found: list[JSON] = reply.json()["data"]
        return found


@pytest.fixture
async def team(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Team]:
    async with running(migrated_database_url) as service:
        publish_definition(service.app.services.registry, shop.definition())
        service.add_user("admin", "admin")
        client = service.client(headers=bearer(service.session_of("admin")))
        async with client:
            made = Team(service, client)
            for name in NAMES:
                made.ids[name] = service.add_user(name, name=name.title(), areas=["east"] if name != "cai" else []).id
            yield made


ALL = [{"user": name} for name in NAMES]


async def test_in_turn_and_who_is_away_or_full_is_passed_over_with_the_reason(team: Team):
    team.rule({"people": ALL, "picker": {"type": "round_robin"}, "at_most": 2}, open_if='level <> "C"')
    assert sorted(str(o) for o in await team.owners(3)) == sorted(NAMES)
    now = team.service.clock.now()
    body = {"user_id": team.ids["ann"], "kind": "travel", "begins_at": instant_text(now)}
    body["ends_at"] = instant_text(now + timedelta(hours=5))
    assert (await team.client.post("/api/absences", json=body)).status_code == 201
    assert sorted(str(o) for o in await team.owners(2, level="A")) == ["bob", "cai"]
    last = await team.create("customer", name="没人")
    assert last["owner"] is None
    (told,) = await team.why(last["id"])
    assert (told["kind"], told["user"]) == ("left", None)
    assert "无人有空" in told["text"]
    assert "Ann 出差至 11-22 21:00" in told["text"]
    assert "Bob 已有" in told["text"]
    people = {c["name"]: c for c in told["steps"][0]["candidates"]}
    assert people["Bob"]["passed_over"].endswith("上限 2")
    team.service.clock.advance(timedelta(hours=6))
    assert await team.owners(1) == ["ann"]


async def test_steps_are_tried_in_order_and_a_picker_decides(team: Team):
    score = {
        "type": "score",
        "measures": [{"weight": 10, "of": "area", "field": "region.name"}, {"weight": -3, "of": "open"}],
    }
    team.rule(
        {"label": "大客户", "when": 'level = "A"', "people": [{"user": "cai"}]},
        {"label": "夜里", "hours": {"begins": "22:00", "ends": "06:00"}, "people": [{"user": "bob"}]},
        {
            "label": "老客户",
            "when": "NOT(ISBLANK(parent))",
            "people": ALL,
            "picker": {"type": "sticky", "person": "parent.owner"},
        },
        {"label": "其他", "people": ALL, "picker": score},
    )
    big = await team.create("customer", name="大", level="A")
    assert big["owner"] == team.ids["cai"]
    child = await team.create("customer", name="子", parent=big["id"])
    assert child["owner"] == team.ids["cai"]
    region = await team.create("region", name="east")
    assert await team.owners(4, region=region["id"]) == [*sorted(("ann", "bob"), key=team.ids.get)] * 2  # type: ignore[arg-type]
    (told,) = await team.why(child["id"])
    assert [step["label"] for step in told["steps"]] == ["大客户", "夜里", "老客户"]
    assert [step["why"] for step in told["steps"][:2]] == ["条件不满足", "不在时间段内"]
    team.service.clock.advance(timedelta(hours=7))  # 16:00 -> 23:00
    assert await team.owners(1) == ["bob"]


async def test_many_at_once_are_shared_fairly_and_no_cap_is_passed(team: Team):
    team.rule({"people": ALL, "picker": {"type": "round_robin"}, "at_most": 5})
    bodies = [{"name": f"客户{n}"} for n in range(18)]
    replies = await asyncio.gather(*(team.try_create("customer", body) for body in bodies))
    assert {reply.status_code for reply in replies} == {201}
    counts = Counter(customer["owner"] for customer in await team.every("customer"))
    expected: dict[str | None, int] = dict.fromkeys(team.ids.values(), 5)
    assert counts == {**expected, None: 3}


async def test_fairness_holds_after_every_decision(team: Team):
    team.rule({"people": ALL, "picker": {"type": "round_robin"}})
    for batch in (4, 5, 7):
        await asyncio.gather(*(team.try_create("customer", {"name": f"客户{n}"}) for n in range(batch)))
        counts = Counter(customer["owner"] for customer in await team.every("customer"))
        assert max(counts.values()) - min(counts.values()) <= 1


async def test_the_pool_is_claimed_within_quota_released_and_reclaimed(team: Team):
    pool = {"at_most": 2, "per_day": 2, "reclaim_hours": 24, "kept_if": "NOT(ISBLANK(level))", "again_hours": 48}
    team.rule({"when": 'level = "A"', "people": ALL}, otherwise="pool", pool=pool)
    customers = [await team.create("customer", name=f"公海{n}") for n in range(3)]
    assert [c["owner"] for c in customers] == [None] * 3
    listed = (await team.send("GET", "pools/r")).json()["data"]
    assert {row["record_id"] for row in listed} == {c["id"] for c in customers}
    assert (await team.why(customers[0]["id"]))[0]["kind"] == "pooled"
    async with team.service.client_of("ann") as ann, team.service.client_of("bob") as bob:
        own = {"origin": "http://dougong.test"}
        path = f"/api/shop/records/customer/{customers[0]['id']}"
        replies = await asyncio.gather(ann.post(f"{path}/claim", headers=own), bob.post(f"{path}/claim", headers=own))
        assert sorted(reply.status_code for reply in replies) == [204, 409]
        winner, loser = (ann, bob) if replies[0].status_code == 204 else (bob, ann)
        problem(next(r for r in replies if r.status_code == 409), "pool.taken")
        second = f"/api/shop/records/customer/{customers[1]['id']}"
        third = f"/api/shop/records/customer/{customers[2]['id']}"
        assert (await winner.post(f"{second}/claim", headers=own)).status_code == 204
        problem(await winner.post(f"{third}/claim", headers=own), "pool.refused")
        problem(await loser.post(f"{path}/release", json={"reason": "x"}, headers=own), "pool.refused")
        tried = await winner.post(f"{path}/release?dry_run=true", json={"reason": "不对口"}, headers=own)
        assert (tried.status_code, tried.json()["meta"]["status"]) == (200, 204)
        once = {**own, "idempotency-key": "r1"}
        given = [await winner.post(f"{path}/release", json={"reason": "不对口"}, headers=once) for _ in range(2)]
        assert [reply.status_code for reply in given] == [204, 204]
        assert given[1].headers["idempotency-replayed"] == "true"
        problem(await winner.post(f"{path}/claim", headers=own), "pool.refused")  # not again so soon
        assert (await loser.post(f"{path}/claim", headers=own)).status_code == 204
    await team.change("customer", customers[0]["id"], level="B")  # somebody works on this one
    held = (await team.get("customer", customers[1]["id"]))["owner"]
    team.service.clock.advance(timedelta(hours=25))
    assignments = team.service.app.services.assignments
    assert await assignments.reclaim_due() == 1
    assert await assignments.reclaim_due() == 0
    assert (await team.get("customer", customers[1]["id"]))["owner"] is None
    assert (await team.get("customer", customers[0]["id"]))["owner"] is not None
    who = {team.ids["ann"]: "ann", team.ids["bob"]: "bob"}[held]
    async with team.service.client_of(who) as holder:
        (notice,) = (await holder.get("/api/inbox")).json()["data"]
    assert (notice["subject"], notice["record_id"]) == ("customer表“公海1”已收回公海", customers[1]["id"])
    assert "24 小时内未跟进" in notice["text"]
    kinds = [told["kind"] for told in await team.why(customers[1]["id"])]
    assert kinds == ["reclaimed", "claimed", "pooled"]


async def test_the_pool_keeps_step_with_whoever_writes_the_person(team: Team):
    """Given by hand it can be claimed by nobody; blanked by hand it lies in the pool; closed it does not; gone it is forgotten."""
    pool = {"reclaim_hours": 24, "kept_if": 'level = "A"', "again_hours": 12}
    team.rule({"when": 'name = "x"', "people": ALL}, otherwise="pool", open_if='level <> "C"', pool=pool)
    first, second, closed = [await team.create("customer", name=f"公海{n}", level="B") for n in range(3)]

    async def in_pool() -> set[str]:
        return {row["record_id"] for row in (await team.send("GET", "pools/r")).json()["data"]}

    await team.change("customer", first["id"], owner=team.ids["ann"])
    await team.change("customer", closed["id"], owner=team.ids["bob"], level="C")
    assert await in_pool() == {second["id"]}
    path = f"/api/shop/records/customer/{first['id']}/claim"
    own = {"origin": "http://dougong.test"}
    async with team.service.client_of("cai") as cai, team.service.client_of("ann") as ann:
        problem(await cai.post(path, headers=own), "pool.taken")
        problem(await ann.post(path, headers=own), "pool.refused")  # it is hers
        assert (await team.why(first["id"]))[0]["kind"] == "given"
        await team.change("customer", first["id"], owner=None)
        await team.change("customer", closed["id"], owner=None)
        assert await in_pool() == {first["id"], second["id"]}
        told = (await team.why(first["id"]))[0]
        assert (told["kind"], told["former"], "进入公海" in told["text"]) == ("released", "Ann", True)
        problem(await ann.post(path, headers=own), "pool.refused")  # not again so soon
        assert (await cai.post(path, headers=own)).status_code == 204
    await team.change("customer", second["id"], owner=team.ids["bob"])
    assert (await team.delete("customer", second["id"])).status_code == 204
    team.service.clock.advance(timedelta(hours=25))
    assert await team.service.app.services.assignments.reclaim_due() == 1
    assert await in_pool() == {first["id"]}


async def test_a_record_that_cannot_go_back_waits_a_day_and_stands_in_no_others_way(team: Team):
    pool = {"reclaim_hours": 24, "kept_if": 'level = "A"'}
    team.rule({"people": ALL}, pool=pool)
    team.service.add_user("chief", "admin")
    given = [await team.create("customer", name=name) for name in ("钉子", "甲", "乙")]
    document = team.document
    for entity in document["entities"]:
        if entity["key"] == "customer":
            held = {"key": "held", "formula": 'NOT(name = "钉子" AND ISBLANK(owner))', "message": "须有负责人"}
            entity["rules"] = [*entity.get("rules", ()), held]
    publish_definition(team.registry, document)
    team.service.clock.advance(timedelta(hours=25))
    assignments = team.service.app.services.assignments
    assert (await assignments.reclaim_due(), await assignments.reclaim_due()) == (2, 0)
    owners = [(await team.get("customer", customer["id"]))["owner"] for customer in given]
    assert (owners[0] is not None, owners[1:]) == (True, [None, None])
    kept, first = await team.why(given[0]["id"])
    assert (kept["kind"], kept["user_id"], first["kind"]) == ("kept", given[0]["owner"], "assigned")
    assert "须有负责人" in kept["text"]
    async with team.service.client_of("chief") as chief:
        (told,) = (await chief.get("/api/inbox")).json()["data"]
    assert (told["subject"], told["record_id"]) == ("有customer表收不回公海", given[0]["id"])
    document["entities"] = shop.definition()["entities"]
    publish_definition(team.registry, document)
    team.service.clock.advance(timedelta(hours=25))
    assert await assignments.reclaim_due() == 1
    assert (await team.get("customer", given[0]["id"]))["owner"] is None


async def test_steps_counts_and_the_pool_ask_the_directory(team: Team):
    identity = team.service.identity
    east, west = (identity.departments.create_department(key, key, None).id for key in ("east", "west"))
    for name, department in (("ann", east), ("bob", west), ("cai", west)):
        identity.users.update_user(team.ids[name], {"department_id": department, "manager_id": None})
    identity.users.update_user(team.ids["bob"], {"manager_id": team.ids["cai"]})
    in_east = 'DEPTPATH(USERDEPT(owner)) = "east"'
    team.rule(
        {"when": f'WITHINDEPT(department, "{east}")', "people": [{"user": "ann"}]},
        {"when": "NOT(ISBLANK(MANAGER(parent.owner)))", "people": [{"user": "cai"}]},
        {"when": 'name <> "nobody"', "people": ALL, "at_most": 1},
        otherwise="pool",
        open_if=in_east,  # records in the west count for nobody
        pool={"reclaim_hours": 24, "kept_if": in_east},
    )
    assert await team.owners(2, department=east) == ["ann", "ann"]
    of_bob = await team.create("customer", name="b", owner=team.ids["bob"])
    assert await team.owners(1, parent=of_bob["id"]) == ["cai"]
    assert set(await team.owners(3)) == {"bob", "cai"}  # ann has two in the east already
    pooled = [await team.create("customer", name="nobody") for _ in range(2)]
    for name, customer in zip(("ann", "bob"), pooled, strict=True):
        async with team.service.client_of(name) as client:
            path = f"/api/shop/records/customer/{customer['id']}/claim"
            assert (await client.post(path, headers={"origin": "http://dougong.test"})).status_code == 204
    team.service.clock.advance(timedelta(hours=25))
    assert await team.service.app.services.assignments.reclaim_due() >= 1
    found = [(await team.get("customer", customer["id"]))["owner"] for customer in pooled]
    assert found == [team.ids["ann"], None]  # bob is not in the east


async def test_absences_are_ones_own_or_an_admins_business(team: Team):
    now = team.service.clock.now()
    body = {"kind": "leave", "begins_at": instant_text(now), "ends_at": instant_text(now + timedelta(days=1))}
    async with team.service.client_of("ann") as ann:
        own = {"origin": "http://dougong.test"}
        made = (await ann.post("/api/absences", json=body, headers=own)).json()["data"]
        assert made["user_id"] == team.ids["ann"]
        problem(
            await ann.post("/api/absences", json={**body, "user_id": team.ids["bob"]}, headers=own), "access.denied"
        )
        wrong = await ann.post("/api/absences", json={**body, "kind": "nap", "ends_at": body["begins_at"]}, headers=own)
        assert {e["pointer"] for e in problem(wrong, "identity.invalid")["errors"]} == {"/kind", "/ends_at"}
        assert len((await ann.get("/api/absences")).json()["data"]) == 1
        assert (await ann.delete(f"/api/absences/{made['id']}", headers=own)).status_code == 204
        problem(await ann.delete(f"/api/absences/{made['id']}", headers=own), "identity.not_found")
