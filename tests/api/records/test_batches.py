"""Batches: all or none, each by itself, of several entities, by filter; only tried; once for a key."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from tests.support.desk import Desk, counts, many, one
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio
NOWHERE = "00000000-0000-7000-8000-000000000000"


async def batch(desk: Desk, entity: str, **members: Any) -> Any:
    reply = await desk.send("POST", f"records/{entity}/batch", members)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()


def deeds(answer: Any) -> list[str]:
    return [row["deed"] for row in answer["data"]]


# --- one entity -------------------------------------------------------------------------------------------------------


async def test_four_verbs_in_one_batch(desk: Desk) -> None:
    a, b, c = await desk.create_many("region", [{"name": n} for n in "abc"])
    answer = await batch(
        desk,
        "region",
        create=[{"name": "d"}],
        update=[{"id": a["id"], "name": "a2", "if_match": 1}, {"id": b["id"], "name": "b"}],
        upsert={"by": ["name"], "records": [{"name": "d"}, {"name": "e"}, {"name": "e"}]},
        delete=[c["id"]],
    )
    assert deeds(answer) == ["created", "updated", "unchanged", "unchanged", "created", "unchanged", "deleted"]
    assert answer["meta"] == counts(created=2, updated=1, unchanged=3, deleted=1)
    assert answer["data"][3]["id"] == answer["data"][0]["id"]
    assert [row["name"] for row in await desk.page("region", sort="name")] == ["a2", "b", "d", "e"]
    assert answer["data"][1]["record"] == await desk.get("region", a["id"])


async def test_all_or_none_says_all_that_is_wrong(desk: Desk) -> None:
    made = await desk.create_many("region", [{"name": n} for n in "ab"])
    before = desk.fingerprint()
    body = {
        "create": [{"name": "new"}, {"name": "a"}, {"name": None}],
        "update": [{"id": made[0]["id"], "name": "b"}, {"id": made[1]["id"], "name": "z", "if_match": 7}],
        "delete": [NOWHERE],
    }
    document = problem(await desk.send("POST", "records/region/batch", body), "record.invalid")
    assert pointers(document) == {
        "/create/1/name": "unique",
        "/create/2/name": "required",
        "/update/0/name": "unique",
        "/update/1": "record.changed",
        "/delete/0": "record.not_found",
    }
    assert desk.fingerprint() == before


async def test_partial_takes_what_it_can(desk: Desk) -> None:
    made = await desk.create_many("region", [{"name": n} for n in "ab"])
    customer = await desk.create("customer", name="x", region=made[0]["id"])
    answer = await batch(
        desk,
        "region",
        mode="partial",
        create=[{"name": "new"}, {"name": "a"}, {"name": "new"}, {"name": 5}],
        update=[{"id": made[1]["id"], "name": "b2"}, {"id": NOWHERE, "name": "q"}],
        delete=[made[0]["id"], made[1]["id"]],
    )
    assert deeds(answer) == ["created", "refused", "refused", "refused", "updated", "refused", "refused", "deleted"]
    codes = [row["problem"]["code"] for row in answer["data"] if row["deed"] == "refused"]
    met = [answer["data"][place]["problem"]["errors"][0]["params"] for place in (1, 2)]
    # of one of the same request its place is told: it had no id when the database refused the other
    assert met == [{"fields": ["name"], "record_id": made[0]["id"]}, {"fields": ["name"], "same_as": "/create/0"}]
    assert codes == ["record.invalid", "record.invalid", "record.invalid", "record.not_found", "record.referenced"]
    assert [row["name"] for row in await desk.page("region", sort="name")] == ["a", "new"]
    assert (await desk.get("customer", customer["id"]))["region"] == made[0]["id"]


async def test_a_batch_is_what_the_same_single_writes_are(desk: Desk) -> None:
    """Random orders: carried out partly they leave what single requests leave, and are answered alike."""
    chance = random.Random(7)
    for _ in range(4):
        names = [f"n{chance.randrange(8)}" for _ in range(14)]
        await _clear(desk)
        single = []
        for name in names:
            reply = await desk.try_create("region", {"name": name})
            single.append("created" if reply.status_code == 201 else "refused")
        alone = sorted(row["name"] for row in await desk.page("region"))
        await _clear(desk)
        answer = await batch(desk, "region", mode="partial", create=[{"name": name} for name in names])
        assert deeds(answer) == single
        assert sorted(row["name"] for row in await desk.page("region")) == alone


async def _clear(desk: Desk) -> None:
    reply = await desk.send("DELETE", "records/region", params={"filter": 'name != ""', "max_affected": 100})
    assert reply.status_code == 200, reply.text


async def test_ten_thousand_rows_of_which_some_are_wrong(desk: Desk) -> None:
    rows: list[dict[str, Any]] = [{"name": f"r{n}"} for n in range(10_000)]
    rows[17], rows[9_000], rows[9_999] = {"name": "r3"}, {"name": None}, {"name": "r4"}
    answer = await batch(desk, "region", mode="partial", create=rows)
    assert answer["meta"] == counts(created=9_997, refused=3)
    assert [row["place"] for row in answer["data"] if row["deed"] == "refused"] == [17, 9_000, 9_999]


@pytest.mark.parametrize(
    "body, code",
    [
        ({"upsert": {"by": ["level"], "records": []}}, None),
        ({"upsert": {"by": ["level"], "records": [{}]}}, "query.invalid"),
        ({"upsert": {"by": [], "records": [{}]}}, "request.malformed"),
        ({"update": [{"name": "x"}]}, "request.malformed"),
        ({"delete": [1]}, "request.malformed"),
        ({"mode": "some", "create": []}, "request.malformed"),
    ],
)
async def test_bodies_that_are_no_batch(desk: Desk, body: Any, code: str | None) -> None:
    reply = await desk.send("POST", "records/customer/batch", body)
    if code is None:
        assert reply.status_code == 200
    else:
        problem(reply, code)


# --- several entities -------------------------------------------------------------------------------------------------


async def test_items_refer_to_each_other(desk: Desk) -> None:
    items: list[dict[str, Any]] = [
        {"verb": "upsert", "entity": "region", "name": "east", "by": ["name"], "record": {"name": "华东"}},
        {
            "verb": "create",
            "entity": "customer",
            "name": "c",
            "record": {"name": "客户", "region": {"$ref": "east"}, "contacts": [{"name": "张三"}]},
        },
        {"verb": "create", "entity": "order", "name": "o", "record": {"title": "订单", "customer": {"$ref": "c"}}},
        {"verb": "update", "entity": "order", "id": {"$ref": "o"}, "record": {"serial": 5}},
    ]
    reply = await desk.send("POST", "batch", {"items": items})
    assert reply.status_code == 200, reply.text
    rows = many(reply)
    assert [row["deed"] for row in rows] == ["created", "created", "created", "updated"]
    order = await desk.get("order", rows[2]["id"], fields="serial,customer.name,customer.region.name")
    assert order["serial"] == 5
    assert order["customer"]["region"]["name"] == "华东"
    before = desk.fingerprint()
    items[2]["record"]["customer"] = {"$ref": "nobody"}
    document = problem(await desk.send("POST", "batch", {"items": items}), "record.invalid")
    assert pointers(document)["/items/2/record/customer"] == "reference"
    assert desk.fingerprint() == before


async def test_money_is_moved_and_never_made(desk: Desk) -> None:
    """Concurrent atomic batches between accounts, each with its If-Match: the sum stays."""
    customer = await desk.create("customer", name="bank")
    rows = [{"title": f"acc {n}", "customer": customer["id"], "serial": 100} for n in range(4)]
    ids = [row["id"] for row in await desk.create_many("order", rows)]
    done = 0

    async def transfers(seed: int) -> None:
        nonlocal done
        chance = random.Random(seed)
        for _ in range(5):
            giver, taker = chance.sample(ids, 2)
            a, b = await desk.get("order", giver), await desk.get("order", taker)
            items = [
                _move(giver, a, a["serial"] - 10),
                _move(taker, b, b["serial"] + 10),
            ]
            reply = await desk.send("POST", "batch", {"items": items})
            assert reply.status_code in (200, 412), reply.text
            done += reply.status_code == 200

    await asyncio.gather(*(transfers(seed) for seed in range(6)))
    assert done > 0
    assert sum([(await desk.get("order", one_id))["serial"] for one_id in ids]) == 400


def _move(order_id: str, seen: dict[str, Any], serial: int) -> dict[str, Any]:
    body = {"serial": serial}
    return {"verb": "update", "entity": "order", "id": order_id, "record": body, "if_match": seen["revision"]}


# --- by filter --------------------------------------------------------------------------------------------------------


async def test_writes_by_filter(desk: Desk) -> None:
    await desk.create_many("customer", [{"name": f"c{n}", "level": "AB"[n % 2]} for n in range(6)])
    before = desk.fingerprint()
    asked = {"filter": 'level = "A"', "max_affected": "2"}
    document = problem(await desk.send("PATCH", "records/customer", {"level": "C"}, params=asked), "limit.affected")
    assert document["maximum"] == 2
    for params in (
        {"filter": 'level = "A"'},
        {"max_affected": "5"},
        {**asked, "limit": "1"},
        {**asked, "sort": "name"},
    ):
        problem(await desk.send("DELETE", "records/customer", params=params), "query.invalid")
    document = problem(
        await desk.send("PATCH", "records/customer", {"name": None}, params={**asked, "max_affected": "3"}),
        "record.invalid",
    )
    assert desk.fingerprint() == before
    changed = await desk.send("PATCH", "records/customer", {"level": "C"}, params={**asked, "max_affected": "3"})
    assert changed.json()["meta"] == counts(updated=3)
    gone = await desk.send("DELETE", "records/customer", params={"filter": 'level = "C"', "max_affected": "9"})
    assert gone.json()["meta"] == counts(deleted=3)
    assert [row["name"] for row in await desk.page("customer", sort="name")] == ["c1", "c3", "c5"]


# --- only tried -------------------------------------------------------------------------------------------------------


async def test_what_is_only_tried_changes_nothing(desk: Desk) -> None:
    customer = await desk.create("customer", name="甲", contacts=[{"name": "张三"}])
    order = await desk.create("order", title="订单", customer=customer["id"], items=[{"product": "p", "qty": 1}])
    before, tried = desk.fingerprint(), {"dry_run": "true"}
    new = {"title": "新单", "customer": customer["id"]}
    made = await desk.try_create("order", new, params=tried)
    assert (made.status_code, made.json()["meta"]["status"]) == (200, 201)
    assert "location" not in made.headers
    assert one(made)["number"] == "O-202611-0002"
    gone = await desk.send("DELETE", f"records/order/{order['id']}", params=tried)
    effects = {(e["entity"], e["kind"]): e["count"] for e in gone.json()["meta"]["effects"]}
    assert effects == {("item", "deleted"): 1, ("order", "deleted"): 1}
    problem(await desk.send("DELETE", f"records/customer/{customer['id']}", params=tried), "record.referenced")
    changed = await desk.send("PATCH", f"records/order/{order['id']}", {"title": "改"}, params=tried)
    problem(changed, "record.invalid")
    many_ = await desk.send("POST", "records/order/batch", {"create": [new, new]}, params=tried)
    assert many_.json()["meta"]["created_count"] == 2
    assert many_.json()["meta"]["dry_run"] is True
    where = {"filter": 'title = "订单"', "max_affected": "5", **tried}
    assert (await desk.send("PATCH", "records/order", {"serial": 9}, params=where)).json()["meta"]["updated_count"] == 1
    assert desk.fingerprint() == before
    assert one(await desk.try_create("order", new))["number"] == "O-202611-0002"
    problem(await desk.try_create("order", new, params={"dry_run": "yes"}), "query.invalid")


# --- once for a key ---------------------------------------------------------------------------------------------------


async def test_a_key_is_carried_out_once(desk: Desk) -> None:
    key = {"idempotency-key": "k-1"}
    first = await desk.try_create("customer", {"name": "甲"}, headers=key)
    again = await desk.try_create("customer", {"name": "甲"}, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert {n: again.headers[n] for n in ("etag", "location")} == {n: first.headers[n] for n in ("etag", "location")}
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    problem(await desk.try_create("customer", {"name": "乙"}, headers=key), "request.key_reused")
    record = f"records/customer/{one(first)['id']}"
    problem(await desk.send("PATCH", record, {"name": "甲"}, headers=key), "request.key_reused")
    gone = [await desk.send("DELETE", record, headers={"idempotency-key": "k-2"}) for _ in range(2)]
    assert [reply.status_code for reply in gone] == [204, 204]
    assert await desk.page("customer") == []
    problem(await desk.try_create("customer", {}, headers={"idempotency-key": "k-3"}), "record.invalid")
    assert (await desk.try_create("customer", {"name": "丙"}, headers={"idempotency-key": "k-3"})).status_code == 201
    problem(await desk.try_create("customer", {"name": "丁"}, headers={"idempotency-key": "a b"}), "request.header")


async def test_a_key_belongs_to_one_person_and_expires(desk: Desk) -> None:
    key = {"idempotency-key": "same"}
    await desk.try_create("customer", {"name": "甲"}, headers=key)
    desk.service.add_user("other")
    token = desk.service.token_of("other", "records:read", "records:write")
    other = {**key, "authorization": f"Bearer {token}"}
    assert (await desk.try_create("customer", {"name": "乙"}, headers=other)).status_code == 201
    desk.service.clock.advance(timedelta(hours=25))
    assert (await desk.try_create("customer", {"name": "丙"}, headers=key)).status_code == 201
    assert sorted(row["name"] for row in await desk.page("customer")) == ["丙", "乙", "甲"]


async def test_the_same_key_at_the_same_time(desk: Desk) -> None:
    body = {"create": [{"name": f"c{n}"} for n in range(3)]}
    sent = [
        desk.send("POST", "records/customer/batch", body, headers={"idempotency-key": f"k{n % 2}"}) for n in range(12)
    ]
    replies = await asyncio.gather(*sent)
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.content for reply in replies}) == 2
    assert len(await desk.page("customer")) == 6
    with desk.registry.database.snapshot() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM dougong_idempotency WHERE status IS NULL")) == 0


async def test_what_is_tried_takes_no_key(desk: Desk) -> None:
    key = {"idempotency-key": "k"}
    await desk.try_create("customer", {"name": "甲"}, headers=key, params={"dry_run": "true"})
    made = await desk.send("POST", "records/customer", content=dump_json({"name": "甲"}), headers=key)
    assert (made.status_code, "idempotency-replayed" in made.headers) == (201, False)
