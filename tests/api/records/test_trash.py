"""The trash: what is deleted there is gone for every reader, and comes back whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import pointers, problem, running
from tests.support.shop import field

pytestmark = pytest.mark.anyio


def package() -> dict[str, Any]:
    def entity(key: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"key": key, "label": {"zh": key, "en": key}, "fields": fields, **more}

    customer = [
        field("text", "name", required=True, unique=True),
        field("reference", "boss", entity="customer", on_delete="set_null"),
        field("children", "bills", entity="bill", via="customer"),
        field("rollup", "owed", relation="bills", function="sum", value="amount"),
        field("auto_number", "number", pattern="C-{seq:3}"),
    ]
    bill = [
        field("reference", "customer", entity="customer", required=True, on_delete="cascade"),
        field("money", "amount"),
    ]
    deal = [field("reference", "customer", entity="customer", on_delete="restrict")]
    return {
        "app": {"key": "bin", "label": {"zh": "箱", "en": "Bin"}},
        "entities": [entity("customer", customer, trash=True), entity("bill", bill), entity("deal", deal)],
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
    made = await bin_.create("customer", name="甲")
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
