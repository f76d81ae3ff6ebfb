"""Creating and changing single records: rules, defaults, system fields, preconditions, answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from tests.support.desk import Desk, counts, many, one
from tests.support.service import START, pointers, problem

pytestmark = pytest.mark.anyio

ID = "0193f7a0-1b2c-7d3e-8f40-112233445566"
NOWHERE = "0193f7a0-0000-7000-8000-000000000000"


@pytest.fixture
async def customer(desk: Desk) -> str:
    return str((await desk.create("customer", name="华东客户"))["id"])


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_a_record_is_created_read_changed_and_deleted(desk: Desk) -> None:
    reply = await desk.try_create("customer", {"name": " 张三 ", "level": "A 级", "tags": ["new", "重要"]})
    made = one(reply)
    place = f"/api/shop/records/customer/{made['id']}"
    assert (reply.status_code, reply.headers["location"], reply.headers["etag"]) == (201, place, '"1"')
    assert (made["name"], made["level"], made["tags"]) == ("张三", "A", ["vip", "new"])
    assert made["created_at"] == made["updated_at"] == "2026-11-22T08:00:00.000Z"
    assert made["created_by"] == made["updated_by"]
    assert list(made)[:6] == ["id", "revision", "created_at", "created_by", "updated_at", "updated_by"]
    read = await desk.send("GET", f"records/customer/{made['id']}")
    assert read.headers["etag"] == '"1"'
    assert read.content == reply.content

    changed = await desk.patch("customer", made["id"], {"level": None, "name": "李四"})
    assert changed.headers["etag"] == '"2"'
    assert one(changed) == {**made, "level": None, "name": "李四", "revision": 2}
    assert (await desk.send("GET", f"records/customer/{made['id']}")).content == changed.content

    gone = await desk.delete("customer", made["id"])
    assert (gone.status_code, gone.content) == (204, b"")
    problem(await desk.send("GET", f"records/customer/{made['id']}"), "record.not_found")
    problem(await desk.patch("customer", made["id"], {}), "record.not_found")
    problem(await desk.delete("customer", made["id"]), "record.not_found")


async def test_a_caller_may_want_nothing_back(desk: Desk) -> None:
    minimal = {"prefer": "respond-async, return=minimal"}
    made = await desk.try_create("region", {"name": "华东", "id": ID}, headers=minimal)
    assert (made.status_code, made.content, made.headers["etag"]) == (201, b"", '"1"')
    assert made.headers["location"] == f"/api/shop/records/region/{ID}"
    assert made.headers["preference-applied"] == "return=minimal"
    changed = await desk.patch("region", ID, {"name": "华南"}, prefer="return=minimal")
    assert (changed.status_code, changed.content, changed.headers["etag"]) == (204, b"", '"2"')
    batch = await desk.send("POST", "records/region/batch", {"create": [{"name": "a"}, {"name": "b"}]}, headers=minimal)
    assert (batch.status_code, batch.json()) == (201, {"data": [], "meta": counts(created=2)})
    assert (await desk.get("region", ID))["name"] == "华南"


async def test_a_change_of_nothing_writes_nothing(desk: Desk, customer: str) -> None:
    bodies: list[dict[str, Any]] = [
        *({}, {"name": "华东客户"}, {"name": " 华东客户 "}),
        *({"level": None}, {"tags": []}),
    ]
    for body in bodies:
        reply = await desk.patch("customer", customer, body)
        assert (reply.status_code, reply.headers["etag"]) == (200, '"1"')
    assert len(await desk.timeline("customer", customer)) == 1


# --- rules ------------------------------------------------------------------------------------------------------------

BROKEN = [
    ({}, {"/title": "required", "/customer": "required"}),
    ({"title": "", "customer": None}, {"/title": "required", "/customer": "required"}),
    ({"title": "x", "state": None}, {"/title": "min_length", "/customer": "required", "/state": "required"}),
    (
        {"title": "x" * 21, "code": "ab-1", "amount": -1, "serial": Decimal("1.5"), "state": "drft", "customer": 5},
        {
            "/title": "max_length",
            "/code": "pattern",
            "/amount": "minimum",
            "/serial": "integer",
            "/state": "option",
            "/customer": "type",
        },
    ),
    (
        {"title": True, "customer": [], "amount": "1000000.01"},
        {"/title": "type", "/customer": "type", "/amount": "maximum"},
    ),
    ({"title": "ok", "customer": NOWHERE}, {"/customer": "reference"}),
    ({"title": "x", "customer": NOWHERE}, {"/title": "min_length", "/customer": "reference"}),
    ({"title": "ok", "number": "O-1", "customer": NOWHERE}, {"/number": "assigned", "/customer": "reference"}),
    ({"title": "ok", "id": "5", "customer": NOWHERE}, {"/id": "type", "/customer": "reference"}),
    ({"title": "ok", "id": 5, "revision": 3}, {"/id": "type", "/revision": "read_only", "/customer": "required"}),
    (
        {"title": "ok", "created_at": "2020-01-01T00:00:00Z", "updated_by": "me"},
        {"/created_at": "read_only", "/updated_by": "read_only", "/customer": "required"},
    ),
]


@pytest.mark.parametrize("body, expected", BROKEN)
async def test_every_broken_rule_is_told_at_once(desk: Desk, body: dict[str, object], expected: dict[str, str]) -> None:
    before = desk.fingerprint()
    for language in ("zh", "en"):
        reply = await desk.try_create("order", body, headers={"accept-language": language})
        document = problem(reply, "record.invalid")
        assert pointers(document) == expected
        has_chinese = any("\u4e00" <= letter <= "\u9fff" for letter in document["detail"])
        assert has_chinese == (language == "zh")
    assert desk.fingerprint() == before


async def test_unknown_names_are_refused_with_the_nearest_one(desk: Desk) -> None:
    body = {"titel": "x", "customer": NOWHERE, "a/b~c": 1}
    document = problem(await desk.try_create("order", body, headers={"accept-language": "en"}), "request.unknown_name")
    assert pointers(document) == {
        "/titel": "unknown",
        "/a~1b~0c": "unknown",
        "/title": "required",
        "/customer": "reference",
    }
    assert 'did you mean "title"?' in next(e["detail"] for e in document["errors"] if e["pointer"] == "/titel")
    problem(await desk.try_create("ordr", {}), "entity.not_found")


async def test_unique_and_composite_unique_rules_name_the_other_record(desk: Desk, customer: str) -> None:
    order = {"title": "ok", "customer": customer}
    first = await desk.create("order", **order, code="AB-1", branch="北京", serial=7)
    second = await desk.create("order", **order, branch="北京", serial=8)
    clashes: list[tuple[dict[str, Any], list[str]]] = [
        ({"code": "AB-1"}, ["code"]),
        ({"branch": "北京", "serial": 7}, ["branch", "serial"]),
    ]
    for body, keys in clashes:
        document = problem(await desk.try_create("order", {**order, **body}), "record.invalid")
        assert pointers(document) == {f"/{keys[-1]}": "unique"}
        assert document["errors"][0]["params"] == {"fields": keys, "record_id": first["id"]}
    document = problem(await desk.patch("order", second["id"], {"serial": 7, "code": "AB-1"}), "record.invalid")
    assert pointers(document) == {"/code": "unique", "/serial": "unique"}
    # a blank anywhere in the set does not count, and a record does not meet itself
    await desk.create("order", **order, branch="北京")
    await desk.create("order", **order, branch="北京")
    assert (await desk.change("order", first["id"], code="AB-1", serial=7, title="new"))["revision"] == 2
    both = [{**order, "code": "ZZ-1"}, {**order, "code": "ZZ-1"}]
    document = problem(await desk.send("POST", "records/order/batch", {"create": both}), "record.invalid")
    assert pointers(document) == {"/create/1/code": "unique"}


async def test_a_client_may_choose_the_id_once(desk: Desk) -> None:
    made = await desk.create("region", name="a", id=ID.upper())
    assert made["id"] == ID
    assert (await desk.send("GET", f"records/region/{ID.upper()}")).status_code == 200
    await desk.create("region", name="z")
    before = desk.fingerprint()
    document = problem(await desk.try_create("region", {"name": "b", "id": ID}), "record.exists")
    assert pointers(document) == {"/id": "exists"}
    document = problem(await desk.try_create("region", {"name": "z", "id": ID}), "record.invalid")
    assert pointers(document) == {"/id": "exists", "/name": "unique"}
    twice = {"create": [{"name": "c", "id": NOWHERE}, {"name": "d", "id": NOWHERE}]}
    document = problem(await desk.send("POST", "records/region/batch", twice), "record.exists")
    assert pointers(document) == {"/create/1/id": "exists"}
    assert desk.fingerprint() == before
    assert (await desk.create("customer", name="another entity", id=ID))["id"] == ID


async def test_defaults_count_where_nothing_is_given(desk: Desk, customer: str) -> None:
    assert (await desk.create("order", title="ok", customer=customer))["state"] == "draft"
    assert (await desk.create("order", title="ok", customer=customer, state="open"))["state"] == "open"
    assert (await desk.create("thing", flag=None))["flag"] is None


async def test_system_fields_may_come_back_as_they_were_read(desk: Desk, customer: str) -> None:
    read = await desk.get("customer", customer)
    assert (await desk.change("customer", customer, **read))["revision"] == 1
    assert (await desk.change("customer", customer, **{**read, "name": "neu"}))["revision"] == 2
    stale = await desk.patch("customer", customer, {**read, "name": "noch neuer"})
    assert pointers(problem(stale, "record.invalid")) == {"/revision": "read_only"}
    for key, value in [("id", ID), ("revision", True), ("created_at", None), ("updated_by", "x"), ("revision", "2")]:
        reply = await desk.patch("customer", customer, {key: value})
        assert pointers(problem(reply, "record.invalid")) == {f"/{key}": "read_only"}


async def test_assigned_values_may_come_back_as_they_were_read(desk: Desk, customer: str) -> None:
    order = await desk.create("order", title="ok", customer=customer, number=None)
    assert order["number"] == "O-202611-0001"
    assert (await desk.change("order", order["id"], **order))["revision"] == 1
    for value in (None, "O-202611-0002", 5):
        reply = await desk.patch("order", order["id"], {"number": value, "title": "x"})
        assert pointers(problem(reply, "record.invalid")) == {"/number": "assigned", "/title": "min_length"}


# --- preconditions ----------------------------------------------------------------------------------------------------


async def test_if_match_guards_changes_and_deletions(desk: Desk, customer: str) -> None:
    assert (await desk.patch("customer", customer, {"name": "b"}, if_match='"1"')).status_code == 200
    document = problem(await desk.delete("customer", customer, if_match='"1"'), "record.changed")
    assert document["revision"] == 2
    document = problem(await desk.patch("customer", customer, {"name": "c"}, if_match='"1"'), "record.changed")
    assert document["revision"] == 2
    before = desk.fingerprint()
    for header in ('"x"', "1 2", '"2", "3"', "W/", '"-1"', '"2', '2"', '"99999999999999999999"', ""):
        reply = await desk.patch("customer", customer, {"name": "d"}, if_match=header)
        problem(reply, "request.header")
    assert desk.fingerprint() == before
    for header in ('"2"', 'W/"3"', "4", "*", ' "6" '):
        assert (await desk.patch("customer", customer, {"name": f"by {header}"}, if_match=header)).status_code == 200
    assert (await desk.delete("customer", customer, if_match="*")).status_code == 204


async def test_a_precondition_is_looked_at_before_the_rules(desk: Desk, customer: str) -> None:
    problem(await desk.patch("customer", customer, {"nmae": 5}, if_match='"7"'), "record.changed")
    problem(await desk.patch("customer", ID, {"name": None}, if_match='"7"'), "record.not_found")


# --- batches ----------------------------------------------------------------------------------------------------------


async def test_a_batch_is_taken_whole_or_not_at_all(desk: Desk, customer: str) -> None:
    rows = [{"title": f"order {n}", "customer": customer} for n in range(5)]
    made = await desk.create_many("order", rows)
    assert [row["title"] for row in made] == [f"order {n}" for n in range(5)]
    assert [row["number"] for row in made] == [f"O-202611-000{n}" for n in range(1, 6)]
    assert made[2] == await desk.get("order", made[2]["id"])

    before = desk.fingerprint()
    rows[1]["title"] = "x"
    rows[3] = {"title": "ok", "customer": NOWHERE, "colour": "red"}
    rows[4] = "no object"  # type: ignore[call-overload]
    document = problem(await desk.send("POST", "records/order/batch", {"create": rows}), "request.unknown_name")
    assert pointers(document) == {
        "/create/1/title": "min_length",
        "/create/3/colour": "unknown",
        "/create/3/customer": "reference",
        "/create/4": "type",
    }
    assert desk.fingerprint() == before
    nothing = await desk.send("POST", "records/order/batch", {"create": []})
    assert (nothing.status_code, nothing.json()) == (200, {"data": [], "meta": counts()})
    malformed: list[Any] = [[], {}, {"create": {}}, {"create": [], "updates": []}, None, "x"]
    for body in malformed:
        content = b"null" if body is None else None
        problem(await desk.send("POST", "records/order/batch", body, content=content), "request.malformed")
    problem(await desk.send("POST", "records/region/batch", {"create": [{}] * 10_001}), "limit.batch")
    assert desk.fingerprint() == before


async def test_records_of_a_batch_may_point_to_each_other(desk: Desk) -> None:
    ids = [f"0193f7a0-0000-7000-8000-00000000000{n}" for n in range(4)]
    chain = [{"id": ids[n], "name": str(n), "next": ids[n + 1] if n < 3 else ids[3]} for n in range(4)]
    made = await desk.create_many("node", chain)
    assert [row["id"] for row in made] == ids
    circle = [{"name": "a", "id": ID, "next": NOWHERE}, {"name": "b", "id": NOWHERE, "next": ID}]
    before = desk.fingerprint()
    document = problem(await desk.send("POST", "records/node/batch", {"create": circle}), "record.invalid")
    assert pointers(document) == {"/create/0": "reference", "/create/1": "reference"}
    assert desk.fingerprint() == before


async def test_a_large_batch_with_many_faults_is_answered_soon_and_briefly(desk: Desk) -> None:
    rows = [{"name": f"r{n}", f"wrong{n}": 1, f"worse{n}": 2} for n in range(3_000)]
    document = problem(await desk.send("POST", "records/region/batch", {"create": rows}), "request.unknown_name")
    assert (len(document["errors"]), document["errors_total"]) == (100, 6_000)
    rows = [{"name": f"c{n}", "region": NOWHERE} for n in range(1_500)]
    document = problem(await desk.send("POST", "records/customer/batch", {"create": rows}), "record.invalid")
    assert (len(document["errors"]), document["errors_total"]) == (100, 1_500)


# --- rules that came later --------------------------------------------------------------------------------------------


async def test_a_record_that_broke_a_new_rule_stays_as_it_is_until_next_changed(desk: Desk, customer: str) -> None:
    from tests.support import shop

    order = await desk.create("order", title="short", customer=customer, amount=5)
    document = shop.definition()
    shop.field_of(document, "order", "title")["min_length"] = 6
    shop.field_of(document, "order", "amount")["required"] = True
    shop.field_of(document, "order", "note")["required"] = True
    desk.publish(document)

    assert await desk.get("order", order["id"]) == order
    assert (await desk.change("order", order["id"]))["revision"] == 1
    reply = await desk.patch("order", order["id"], {"amount": 6}, accept_language="en")
    refused = problem(reply, "record.invalid")
    assert pointers(refused) == {"/title": "min_length", "/note": "required"}
    assert "The value there breaks a rule" in refused["errors"][1]["detail"]
    whole = await desk.change("order", order["id"], title="long enough", note="n")
    assert (whole["revision"], whole["title"]) == (2, "long enough")
    # lists go on behind such a record, and others may be deleted with it
    await desk.create("order", title="another", customer=customer, amount=1, note="n")
    assert len(await desk.every("order", sort=["title"], limit=1)) == 2


async def test_a_list_pages_over_values_that_rules_would_refuse_today(desk: Desk) -> None:
    from tests.support import shop

    for name in ("a", "bb", "ccc", "dddd"):
        await desk.create("customer", name=name, level="A", tags=["vip"])
    document = shop.definition()
    shop.field_of(document, "customer", "name").update(min_length=10, pattern="[A-Z]+", indexed=True)
    shop.field_of(document, "customer", "level")["options"] = [{"key": "Z", "label": "Z"}]
    desk.publish(document)
    assert [row["name"] for row in await desk.every("customer", sort=["name"], limit=1)] == ["a", "bb", "ccc", "dddd"]
    assert len(await desk.every("customer", sort=["-level", "name"], limit=1)) == 4


async def test_who_and_when_are_those_of_the_write(desk: Desk, customer: str) -> None:
    from datetime import timedelta

    desk.service.clock.advance(timedelta(hours=1))
    async with desk.service.client_of("ann", "records:read", "records:write") as client:
        theirs = Desk(desk.service, client)
        changed = await theirs.change("customer", customer, name="hers")
    assert changed["created_at"] == START.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert changed["updated_at"] == "2026-11-22T09:00:00.000Z"
    assert changed["updated_by"] != changed["created_by"]
    assert many(await desk.query("customer", filter={"updated_by": changed["updated_by"]}))[0]["id"] == customer
    assert parse_json(b"1") == 1
