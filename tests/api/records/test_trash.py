"""The trash: what is deleted there is gone for every reader, and comes back whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import pointers, problem, running
from tests.support.shop import field

pytestmark = pytest.mark.anyio


LIKENESS = [{"field": "name", "match": "similar", "threshold": 80}, {"field": "phone"}]


def package() -> dict[str, Any]:
    def entity(key: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"key": key, "label": {"zh": key, "en": key}, "fields": fields, **more}

    customer = [
        field("text", "name", required=True, unique=True),
        field("reference", "boss", entity="customer", on_delete="set_null"),
        field("children", "bills", entity="bill", via="customer"),
        field("rollup", "owed", relation="bills", function="sum", value="amount"),
        field("text", "phone"),
        field("auto_number", "number", pattern="C-{seq:3}"),
    ]
    bill = [
        field("reference", "customer", entity="customer", required=True, on_delete="cascade"),
        field("money", "amount"),
    ]
    deal = [field("reference", "customer", entity="customer", on_delete="restrict")]
    return {
        "app": {"key": "bin", "label": {"zh": "箱", "en": "Bin"}},
        "entities": [
            entity("customer", customer, trash=True, duplicates=LIKENESS),
            entity("bill", bill),
            entity("deal", deal),
        ],
    }


@pytest.fixture
async def bin_(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Desk]:
    async with running(migrated_database_url) as service:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, package())
        async with service.client_of("admin", "records:read", "records:write") as client:
            yield Desk(service, client, "bin")


async def test_what_is_deleted_comes_back_whole(bin_: Desk) -> None:
    boss = await bin_.create("customer", name="老板", bills=[{"amount": 5}, {"amount": 7}])
    below = await bin_.create("customer", name="下属", boss=boss["id"])
    before = await bin_.get("customer", boss["id"], expand="bills")
    assert (await bin_.delete("customer", boss["id"])).status_code == 204
    assert [row["name"] for row in await bin_.page("customer")] == ["下属"]
    assert await bin_.page("bill") == []
    assert (await bin_.get("customer", below["id"]))["boss"] is None
    problem(await bin_.send("GET", f"records/customer/{boss['id']}"), "record.not_found")

    listed = many(await bin_.send("GET", "records/customer/trash"))
    assert [(row["record_id"], row["title"], row["count"]) for row in listed] == [(boss["id"], "老板", 3)]
    tried = await bin_.send("POST", f"records/customer/{boss['id']}/restore", params={"dry_run": "true"})
    assert tried.json()["meta"]["status"] == 200
    back = await bin_.send("POST", f"records/customer/{boss['id']}/restore")
    assert back.status_code == 200, back.text
    after = await bin_.get("customer", boss["id"], expand="bills")
    assert after == one(back) | {"bills": after["bills"]}
    changing = {"revision": after["revision"], "bills": after["bills"]}
    assert before | changing == after
    assert [(b["id"], b["amount"]) for b in after["bills"]] == [(b["id"], b["amount"]) for b in before["bills"]]
    assert after["owed"] == 12
    assert (await bin_.get("customer", below["id"]))["boss"] == boss["id"]
    assert many(await bin_.send("GET", "records/customer/trash")) == []
    problem(await bin_.send("POST", f"records/customer/{boss['id']}/restore"), "trash.not_found")
    kinds = [event["kind"] for event in await bin_.feed()]
    assert kinds.count("restored") == 3


async def test_what_is_in_the_way_is_said(bin_: Desk) -> None:
    made = await bin_.create("customer", name="甲", bills=[{"amount": 1}, {"amount": 2}])
    await bin_.delete("customer", made["id"])
    other = await bin_.create("customer", name="甲")  # the trash takes no name
    before = bin_.fingerprint()
    refused = problem(await bin_.send("POST", f"records/customer/{made['id']}/restore"), "trash.conflict")
    assert pointers(refused) == {"/name": "unique"}
    assert bin_.fingerprint() == before
    await bin_.change("customer", other["id"], name="乙")
    assert (await bin_.send("POST", f"records/customer/{made['id']}/restore")).status_code == 200


async def test_what_is_purged_is_gone(bin_: Desk) -> None:
    made = await bin_.create("customer", name="甲", bills=[{"amount": 1}])
    reply = await bin_.send("POST", "records/customer/batch", {"delete": [made["id"]]})
    assert reply.json()["meta"]["deleted_count"] == 1
    assert (await bin_.send("DELETE", f"records/customer/trash/{made['id']}")).status_code == 204
    problem(await bin_.send("POST", f"records/customer/{made['id']}/restore"), "trash.not_found")
    problem(await bin_.send("DELETE", f"records/customer/trash/{made['id']}"), "trash.not_found")


async def test_the_rules_of_references_hold_for_the_trash_too(bin_: Desk) -> None:
    made = await bin_.create("customer", name="甲")
    await bin_.create("deal", customer=made["id"])
    problem(await bin_.delete("customer", made["id"]), "record.referenced")
    bill = await bin_.create("bill", customer=made["id"], amount=3)
    await bin_.delete("bill", bill["id"])  # an entity without a trash forgets
    problem(await bin_.send("POST", f"records/bill/{bill['id']}/restore"), "trash.not_found")


async def test_what_is_kept_follows_the_names_of_today(bin_: Desk) -> None:
    boss = await bin_.create("customer", name="老板", phone="1", bills=[{"amount": 5}])
    below = await bin_.create("customer", name="下属", boss=boss["id"])
    await bin_.delete("customer", boss["id"])
    stays, other = await bin_.create("customer", name="甲"), await bin_.create("customer", name="乙", phone="9")
    deal = await bin_.create("deal", customer=other["id"])
    merged = await bin_.send("POST", f"records/customer/{stays['id']}/merge", {"others": [other["id"]]})
    assert merged.status_code == 200, merged.text

    document = package()
    client, bill, sale = document["entities"]
    client |= {"key": "client", "renamed_from": "customer"}
    bill |= {"key": "invoice", "renamed_from": "bill"}
    sale |= {"key": "sale", "renamed_from": "deal"}
    for field_, new in ((client["fields"][1], "chief"), (client["fields"][4], "mobile"), (sale["fields"][0], "buyer")):
        field_ |= {"renamed_from": field_["key"], "key": new}
    client["duplicates"] = []
    for entity in document["entities"]:
        for field_ in entity["fields"]:
            field_ |= {"entity": "client"} if field_.get("entity") == "customer" else {}
            field_ |= {"entity": "invoice"} if field_.get("entity") == "bill" else {}
    bin_.publish(document)

    listed = many(await bin_.send("GET", "records/client/trash"))
    assert [(row["record_id"], row["count"]) for row in listed] == [(boss["id"], 2)]
    back = await bin_.send("POST", f"records/client/{boss['id']}/restore")
    assert back.status_code == 200, back.text
    found = await bin_.get("client", boss["id"], expand="bills")
    assert (found["mobile"], [b["amount"] for b in found["bills"]]) == ("1", [5])
    assert (await bin_.get("client", below["id"]))["chief"] == boss["id"]

    assert (await bin_.get("sale", deal["id"]))["buyer"] == stays["id"]
    merge_id = many(await bin_.send("GET", f"records/client/{stays['id']}/merges"))[0]["id"]
    undone = await bin_.send("POST", f"records/client/{stays['id']}/merges/{merge_id}/undo")
    assert undone.status_code == 200, undone.text
    assert (await bin_.get("sale", deal["id"]))["buyer"] == other["id"]
    assert (await bin_.get("client", stays["id"]))["mobile"] is None
    assert (await bin_.get("client", other["id"]))["mobile"] == "9"


async def test_what_is_kept_goes_after_its_days(bin_: Desk) -> None:
    services, clock = bin_.service.app.services, bin_.service.clock
    old = await bin_.create("customer", name="旧", bills=[{"amount": 1}])
    await bin_.delete("customer", old["id"])
    a, b = await bin_.create("customer", name="甲"), await bin_.create("customer", name="乙")
    await bin_.send("POST", f"records/customer/{a['id']}/merge", {"others": [b["id"]]})
    await services.ticker.until_quiet()
    clock.advance(timedelta(days=20))
    young = await bin_.create("customer", name="新")
    await bin_.delete("customer", young["id"])
    await services.ticker.until_quiet()
    assert len(many(await bin_.send("GET", "records/customer/trash"))) == 2
    clock.advance(timedelta(days=10, hours=1))
    await services.ticker.until_quiet()
    assert [row["title"] for row in many(await bin_.send("GET", "records/customer/trash"))] == ["新"]
    problem(await bin_.send("POST", f"records/customer/{old['id']}/restore"), "trash.not_found")
    assert many(await bin_.send("GET", f"records/customer/{a['id']}/merges")) == []
    ran = [job for job in services.jobs.list_jobs() if job.kind == "upkeep.trash"]
    assert {job.state for job in ran} == {"done"}
    assert {"record_count": 3, "merge_count": 1} in [job.result for job in ran]


# --- merges -----------------------------------------------------------------------------------------------------------


async def everything(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    """All records without what any write changes."""
    passing = {"revision", "updated_at", "updated_by"}
    found = {}
    for key in ("customer", "bill", "deal"):
        rows = await desk.every(key)
        found[key] = sorted(({k: v for k, v in r.items() if k not in passing} for r in rows), key=lambda r: r["id"])
    return found


async def test_a_merge_moves_what_points_and_its_undoing_is_as_before(bin_: Desk) -> None:
    stays = await bin_.create("customer", name="甲公司", bills=[{"amount": 1}])
    other = await bin_.create("customer", name="甲", bills=[{"amount": 2}, {"amount": 3}], boss=None)
    third = await bin_.create("customer", name="甲有限", boss=other["id"])
    below = await bin_.create("customer", name="下属", boss=third["id"])
    deal = await bin_.create("deal", customer=other["id"])
    before = await everything(bin_)
    body = {"others": [other["id"], third["id"]], "fields": {"name": other["id"]}}
    path = f"records/customer/{stays['id']}"
    tried = await bin_.send("POST", f"{path}/merge", body, params={"dry_run": "true"})
    assert tried.status_code == 200, tried.text
    assert await everything(bin_) == before
    reply = await bin_.send("POST", f"{path}/merge", body)
    assert reply.status_code == 200, reply.text
    merged = await bin_.get("customer", stays["id"], expand="bills")
    assert (merged["name"], merged["owed"], len(merged["bills"])) == ("甲", 6, 3)
    assert (await bin_.get("customer", below["id"]))["boss"] == stays["id"]
    assert (await bin_.get("deal", deal["id"]))["customer"] == stays["id"]
    assert sorted(row["name"] for row in await bin_.page("customer")) == ["下属", "甲"]
    assert many(await bin_.send("GET", "records/customer/trash")) == []

    listed = many(await bin_.send("GET", f"{path}/merges"))
    assert [(row["others"], row["undone_at"]) for row in listed] == [(body["others"], None)]
    undo = f"{path}/merges/{reply.json()['meta']['merge']}/undo"
    undone = await bin_.send("POST", undo)
    assert undone.status_code == 200, undone.text
    assert await everything(bin_) == before
    problem(await bin_.send("POST", undo), "merge.conflict")
    kinds = [event["kind"] for event in await bin_.feed()]
    assert (kinds.count("merged"), kinds.count("unmerged")) == (1, 1)
    event = (await bin_.send("GET", "openapi.json")).json()["components"]["schemas"]["Event"]
    assert set(kinds) <= set(event["properties"]["kind"]["enum"])


async def test_what_changed_since_stops_the_undoing_and_is_named(bin_: Desk) -> None:
    stays, other = await bin_.create("customer", name="甲"), await bin_.create("customer", name="乙")
    deal = await bin_.create("deal", customer=other["id"])
    path = f"records/customer/{stays['id']}"
    body = {"others": [other["id"]], "fields": {"name": other["id"]}}
    merge = (await bin_.send("POST", f"{path}/merge", body)).json()["meta"]["merge"]
    await bin_.change("customer", stays["id"], name="丙")
    await bin_.change("deal", deal["id"], customer=None)
    before = bin_.fingerprint()
    document = problem(await bin_.send("POST", f"{path}/merges/{merge}/undo"), "merge.conflict")
    named = {(v["params"]["entity"], v["params"]["record_id"], v["params"]["field"]) for v in document["errors"]}
    assert named == {("customer", stays["id"], "name"), ("deal", deal["id"], "customer")}
    assert bin_.fingerprint() == before
    await bin_.change("customer", stays["id"], name="乙")
    await bin_.change("deal", deal["id"], customer=stays["id"])
    bin_.service.clock.advance(timedelta(days=31))
    problem(await bin_.send("POST", f"{path}/merges/{merge}/undo"), "merge.conflict")


async def test_merges_that_are_none(bin_: Desk) -> None:
    made = await bin_.create("customer", name="甲")
    path = f"records/customer/{made['id']}/merge"
    problem(await bin_.send("POST", path, {"others": [made["id"]]}), "merge.refused")
    problem(await bin_.send("POST", path, {"others": []}), "request.malformed")
    problem(await bin_.send("POST", path, {"others": ["x"]}), "record.not_found")
    problem(await bin_.send("POST", path, {"others": [made["id"]] * 21}), "limit.batch")


async def test_what_may_be_the_same_is_said(bin_: Desk) -> None:
    first = await bin_.create("customer", name="上海宏图贸易有限公司", phone="021 555")
    await bin_.create("customer", name="北京四方")
    body = {"name": "上海鸿图贸易有限公司", "phone": "021555"}  # another character, the same sound
    reply = await bin_.try_create("customer", body)
    assert reply.status_code == 201
    found = reply.json()["meta"]["duplicates"]
    assert [(one["id"], one["fields"], one["score"]) for one in found] == [(first["id"], ["name", "phone"], 100)]
    again = many(await bin_.send("GET", f"records/customer/{first['id']}/duplicates"))
    assert [one["id"] for one in again] == [one_id(reply)]
    alone = await bin_.try_create("customer", {"name": "广州"})
    assert "meta" not in alone.json()


def one_id(reply: Any) -> str:
    return str(one(reply)["id"])
