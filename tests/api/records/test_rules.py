"""Rules of records on every door: conditional defaults, required-if, visible-if, validation, unique-if; on both databases."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import plan_draft, publish_draft
from builder.registry.renaming import rename_field
from tests.support.filled import Filled
from tests.support.rules_app import APP
from tests.support.service import Service, pointers, problem, running

pytestmark = pytest.mark.anyio
RECORDS = "/api/desk/records"


async def fill(service: Service) -> None:
    """The app and who uses it, for every test's own copy."""
    for name, role in (("admin", "admin"), ("builder", "builder"), ("member", "member")):
        service.add_user(name, role)
    registry = service.app.services.registry
    create_app(registry, parse_definition(APP), None)
    publish_draft(registry, "desk", base_version=0, plan_hash=None)


@pytest.fixture
async def service(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Service]:
    async with running(filled(fill)[0], files_folder=tmp_path / "files") as made:
        yield made


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client_of("member", "records:read", "records:write") as made:
        yield made


async def create(client: httpx.AsyncClient, entity: str, **values: Any) -> dict[str, Any]:
    reply = await client.post(f"{RECORDS}/{entity}", json=values)
    assert reply.status_code == 201, reply.text
    return dict(parse_json(reply.content)["data"])


def violations(reply: httpx.Response) -> list[tuple[str, str]]:
    return [(item["pointer"], item["code"]) for item in problem(reply, "record.invalid")["errors"]]


async def test_a_default_is_computed_from_what_is_given(client: httpx.AsyncClient):
    assert (await create(client, "customer", name="甲", level="a"))["credit"] == 1000
    assert (await create(client, "customer", name="乙", level="b"))["credit"] == 100
    assert (await create(client, "customer", name="丙", level="a", credit=5))["credit"] == 5
    assert (await create(client, "customer", name="丁", credit=None))["credit"] is None
    order = await create(client, "order", signed_on="2024-02-01")
    assert order["delivered_on"] == "2024-03-02"  # reads what was given
    order = await create(client, "order")
    assert order["signed_on"] is not None
    assert order["delivered_on"] > order["signed_on"]  # reads another default


async def test_a_field_is_required_while_its_condition_holds(client: httpx.AsyncClient):
    reply = await client.post(f"{RECORDS}/order", json={"status": "lost", "amount": "x"})
    assert sorted(violations(reply)) == [("/amount", "type"), ("/reason", "required")]
    order = await create(client, "order", status="open")
    reply = await client.patch(f"{RECORDS}/order/{order['id']}", json={"status": "lost"})
    assert violations(reply) == [("/reason", "required")]
    reply = await client.patch(f"{RECORDS}/order/{order['id']}", json={"status": "lost", "reason": "价格"})
    assert reply.status_code == 200


async def test_a_hidden_field_is_not_required(client: httpx.AsyncClient):
    order = await create(client, "order", discount="0.05")
    assert violations(await client.patch(f"{RECORDS}/order/{order['id']}", json={"discount": "0.2"})) == [
        ("/approver", "required")
    ]
    assert violations(await client.post(f"{RECORDS}/order", json={"discount": "0.2"})) == [("/approver", "required")]
    await create(client, "order", discount="0.2", approver="王总")


async def test_a_rule_over_the_record_joins_the_other_violations(client: httpx.AsyncClient):
    body = {"signed_on": "2024-03-01", "delivered_on": "2024-02-01", "status": "lost"}
    reply = await client.post(f"{RECORDS}/order", json=body, headers={"Accept-Language": "zh"})
    assert sorted(violations(reply)) == [("/delivered_on", "rule"), ("/reason", "required")]
    assert "交付日期不能早于签约日期" in pointers(reply.json()).values() or "交付日期不能早于签约日期" in reply.text
    await create(client, "order", signed_on="2024-03-01", delivered_on=None)  # what is not filled in breaks no rule


async def test_a_rule_may_look_at_what_was_before(client: httpx.AsyncClient):
    order = await create(client, "order", status="won")
    reply = await client.patch(f"{RECORDS}/order/{order['id']}", json={"status": "open"})
    assert violations(reply) == [("", "rule")]
    assert (await client.patch(f"{RECORDS}/order/{order['id']}", json={"amount": "7"})).status_code == 200


async def test_a_rule_over_relations_is_judged_from_either_side(client: httpx.AsyncClient):
    customer = await create(client, "customer", name="甲", credit=100)
    first = await create(client, "order", customer=customer["id"], amount="60")
    reply = await client.post(f"{RECORDS}/order", json={"customer": customer["id"], "amount": "50"})
    found = problem(reply, "record.invalid")["errors"][0]
    assert (found["code"], found["pointer"]) == ("rule", "")
    assert (found["params"]["entity"], found["params"]["record_id"]) == ("customer", customer["id"])
    lost = await create(client, "order", customer=customer["id"], amount="50", status="lost", reason="价格")
    assert violations(await client.patch(f"{RECORDS}/customer/{customer['id']}", json={"credit": "50"})) == [
        ("/credit", "rule")
    ]
    assert violations(await client.patch(f"{RECORDS}/order/{lost['id']}", json={"status": "open"})) == [("", "rule")]
    assert (await client.get(f"{RECORDS}/order/{lost['id']}")).json()["data"]["status"] == "lost"
    assert (await client.patch(f"{RECORDS}/order/{first['id']}", json={"amount": "10"})).status_code == 200
    assert (await client.patch(f"{RECORDS}/order/{lost['id']}", json={"status": "open"})).status_code == 200


async def test_a_condition_over_a_relation_can_require_a_field(client: httpx.AsyncClient):
    key = await create(client, "customer", name="甲", level="a")
    plain = await create(client, "customer", name="乙", level="b")
    assert violations(await client.post(f"{RECORDS}/order", json={"customer": key["id"]})) == [("/note", "required")]
    order = await create(client, "order", customer=plain["id"])
    reply = await client.patch(f"{RECORDS}/order/{order['id']}", json={"customer": key["id"]})
    assert violations(reply) == [("/note", "required")]


async def test_children_in_a_body_keep_their_rules(client: httpx.AsyncClient):
    body = {"name": "甲", "credit": 5, "orders": [{"status": "lost"}, {"amount": "3"}]}
    assert violations(await client.post(f"{RECORDS}/customer", json=body)) == [("/orders/0/reason", "required")]
    body["orders"] = [{"amount": "3"}, {"amount": "3"}]
    assert violations(await client.post(f"{RECORDS}/customer", json=body)) == [("/credit", "rule")]


async def test_a_value_is_unique_among_the_records_of_a_condition(client: httpx.AsyncClient):
    customer = await create(client, "customer", name="甲")
    await create(client, "contact", name="张", customer=customer["id"], main=True)
    await create(client, "contact", name="李", customer=customer["id"], main=False)
    other = await create(client, "contact", name="王", customer=customer["id"])
    reply = await client.post(
        f"{RECORDS}/contact",
        json={"name": "赵", "customer": customer["id"], "main": True},
        headers={"Accept-Language": "en"},
    )
    assert violations(reply) == [("/customer", "unique")]
    assert "A customer has one main contact" in reply.text
    reply = await client.patch(f"{RECORDS}/contact/{other['id']}", json={"main": True})
    assert violations(reply) == [("/customer", "unique")]


LATE = {"signed_on": "2024-03-01", "delivered_on": "2024-02-01"}


async def test_many_at_once_keep_every_rule(client: httpx.AsyncClient):
    """Defaults, required-if over a relation, a rule over the record and one over what was before, unique-if: on the doors for many."""
    key = await create(client, "customer", name="甲", level="a")
    won = await create(client, "order", number="W", status="won")
    rows = [{"status": "lost"}, {"customer": key["id"]}, LATE, {"signed_on": "2024-02-01"}]
    wrong = [("reason", "required"), ("note", "required"), ("delivered_on", "rule")]

    reply = await client.post(f"{RECORDS}/order/batch", json={"create": rows})
    assert violations(reply) == [(f"/create/{place}/{field}", code) for place, (field, code) in enumerate(wrong)]
    upsert = {"by": ["number"], "records": [{"number": f"N{n}", **row} for n, row in enumerate(rows)]}
    reply = await client.post(f"{RECORDS}/order/batch", json={"upsert": upsert, "mode": "partial"})
    results = parse_json(reply.content)["data"]
    assert [item.get("deed") for item in results] == ["refused", "refused", "refused", "created"], results
    assert [item["problem"]["errors"][0]["pointer"].rpartition("/")[2] for item in results[:3]] == [f for f, _ in wrong]
    found = parse_json((await client.get(f'{RECORDS}/order?filter=number = "N3"')).content)["data"]
    assert [row["delivered_on"] for row in found] == ["2024-03-02"]  # a default that reads what was given

    upsert = {"by": ["number"], "records": [{"number": "W", "status": "open"}, {"number": "N3", "status": "lost"}]}
    codes = [code for _, code in violations(await client.post(f"{RECORDS}/order/batch", json={"upsert": upsert}))]
    assert codes == ["rule", "required"]
    changed = [{"id": won["id"], "status": "open"}, {"id": found[0]["id"], **LATE}]
    assert [code for _, code in violations(await client.post(f"{RECORDS}/order/batch", json={"update": changed}))] == [
        "rule",
        "rule",
    ]
    contacts = [{"name": name, "customer": key["id"], "main": True} for name in "张李"]
    reply = await client.post(f"{RECORDS}/contact/batch", json={"create": contacts})
    assert [code for _, code in violations(reply)] == ["unique"]
    assert (await client.get(f"{RECORDS}/contact?count=exact")).json()["meta"]["count"] == 0


async def test_a_plan_counts_the_records_that_break_a_new_rule(service: Service, client: httpx.AsyncClient):
    for amount in ("10", "20", None):
        await create(client, "order", amount=amount, discount="0.5", approver="王总")
    customer = await create(client, "customer", name="甲", credit=50)
    await create(client, "order", customer=customer["id"], amount="30")
    changed: dict[str, Any] = copy.deepcopy(APP)
    order = changed["entities"][2]
    order["rules"].append({"key": "big", "formula": "{金额} > 15", "message": "太小"})
    order["rules"].append({"key": "coded", "formula": 'TEXT({金额}, "0") <> "20"', "message": "不是 20"})
    order["fields"][5] |= {"required_if": "{折扣} > 0.4", "visible_if": None, "required": False}
    changed["entities"][0]["rules"].append({"key": "few", "formula": "COUNT(orders) = 0", "message": "多"})
    registry = service.app.services.registry
    put_draft(registry, parse_definition(changed), None)
    steps = [step for step in plan_draft(registry, "desk").to_json("en")["steps"] if step["kind"] == "judge_records"]
    found = {(step["entity"], step["summary"].split(" ")[1]): step for step in steps}
    assert found["order", "big"]["affected_count"] == 1
    assert found["order", "big"]["note"].startswith("1 of 4 records break the new rule")
    assert found["order", "coded"]["affected_count"] == 1
    assert found["customer", "few"]["affected_count"] == 1
    assert len(steps) == 4
    publish_draft(registry, "desk", base_version=1, plan_hash=None)
    page = (await client.get(f"{RECORDS}/order?filter=amount = 10")).json()["data"][0]
    reply = await client.patch(f"{RECORDS}/order/{page['id']}", json={"note": "x"})
    assert violations(reply) == [("", "rule")]  # a record that is changed keeps the rules of today


async def test_records_that_share_a_value_block_a_new_conditional_unique(service: Service, client: httpx.AsyncClient):
    for level in ("a", "a", "b", "b"):
        await create(client, "customer", name="同名" if level == "a" else "别名", level=level)
    changed: dict[str, Any] = copy.deepcopy(APP)
    changed["entities"][0]["unique_if"] = [{"key": "named", "fields": ["name"], "when": '{等级} = "a"'}]
    registry = service.app.services.registry
    put_draft(registry, parse_definition(changed), None)
    step = next(s for s in plan_draft(registry, "desk").to_json("en")["steps"] if s["kind"] == "add_index")
    assert (step["risk"], step["affected_count"], step["total_count"]) == ("blocked", 2, 4)
    changed["entities"][0]["unique_if"][0]["when"] = (
        '{等级} = "a" AND credit > 5000 AND NOT(ISBLANK(name)) AND IN(level, "a", "b") AND name <> "its: 5%"'
    )
    put_draft(registry, parse_definition(changed), None)
    publish_draft(registry, "desk", base_version=1, plan_hash=None)
    await create(client, "customer", name="同名", level="a", credit=6000)
    reply = await client.post(f"{RECORDS}/customer", json={"name": "同名", "level": "a", "credit": 7000})
    assert violations(reply) == [("/name", "unique")]


async def test_a_rename_is_followed_by_every_rule(service: Service, client: httpx.AsyncClient):
    registry = service.app.services.registry
    rename_field(registry, "desk", "order", "status", "state", None)
    rename_field(registry, "desk", "contact", "main", "is_main", None)
    rename_field(registry, "desk", "customer", "level", "grade", None)
    publish_draft(registry, "desk", base_version=1, plan_hash=None)
    assert violations(await client.post(f"{RECORDS}/order", json={"state": "lost"})) == [("/reason", "required")]
    customer = await create(client, "customer", name="甲", grade="a")
    assert customer["credit"] == 1000
    await create(client, "contact", name="张", customer=customer["id"], is_main=True)
    reply = await client.post(f"{RECORDS}/contact", json={"name": "李", "customer": customer["id"], "is_main": True})
    assert violations(reply) == [("/customer", "unique")]


async def test_a_front_end_is_told(client: httpx.AsyncClient):
    schemas = (await client.get("/api/desk/openapi.json")).json()["components"]["schemas"]
    order = schemas["OrderCreate"]
    assert order["properties"]["approver"]["x-visible-if"] == "{折扣} > 0.1"
    assert order["properties"]["reason"]["x-required-if"] == '{状态} = "lost"'
    assert schemas["CustomerCreate"]["properties"]["credit"]["x-default-formula"] == 'IF({等级} = "a", 1000, 100)'
    assert "approver" not in order.get("required", [])
    assert [rule["key"] for rule in order["x-rules"]] == ["delivery_after_signature", "won_stays_won"]


WRONG: list[tuple[str, Any, str, str]] = [
    ("rules", [{"key": "x", "formula": "{没有}", "message": "m"}], "formula.name", "/rules/0/formula"),
    ("rules", [{"key": "x", "formula": "1", "message": "m"}], "formula.type", "/rules/0/formula"),
    (
        "rules",
        [{"key": "x", "formula": 'ISNEW() OR customer.level = "a"', "message": "m"}],
        "formula.type",
        "/rules/0/formula",
    ),
    ("rules", [{"key": "x", "formula": "TRUE", "message": "m"}] * 2, "key.duplicate", "/rules/1/key"),
    (
        "unique_if",
        [{"key": "x", "fields": ["note"], "when": 'CONTAINS(note, "a")'}],
        "formula.type",
        "/unique_if/0/when",
    ),
    (
        "unique_if",
        [{"key": "x", "fields": ["note"], "when": 'customer.level = "a"'}],
        "formula.name",
        "/unique_if/0/when",
    ),
    ("unique_if", [{"key": "x", "fields": ["nothing"], "when": "TRUE"}], "reference.field", "/unique_if/0/fields/0"),
]
WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"default_formula": '"x"'}, "formula.type", "default_formula"),
    ({"default_formula": "customer.nothing"}, "formula.name", "default_formula"),
    ({"default_formula": "1", "default": 1}, "field.default", "default_formula"),
    ({"default_formula": "amount + 1"}, "formula.name", ""),
    ({"visible_if": 'customer.level = "a"'}, "formula.type", "visible_if"),
    ({"required_if": "amuont > 1"}, "formula.name", "required_if"),
]


@pytest.mark.parametrize("member, value, code, pointer", WRONG)
async def test_what_cannot_be_judged_is_found(member: str, value: Any, code: str, pointer: str):
    changed: dict[str, Any] = copy.deepcopy(APP)
    changed["entities"][2][member] = value
    found = [(finding.code, finding.pointer) for finding in run_checks(parse_definition(changed))]
    assert (code, pointer) in found


@pytest.mark.parametrize("options, code, member", WRONG_FIELDS)
async def test_conditions_of_fields_that_make_no_sense_are_found(options: dict[str, Any], code: str, member: str):
    changed: dict[str, Any] = copy.deepcopy(APP)
    changed["entities"][2]["fields"][2] |= options
    found = [(finding.code, finding.pointer) for finding in run_checks(parse_definition(changed))]
    assert (code, f"/fields/2/{member}" if member else "/fields") in found


async def test_a_formula_is_tried_on_a_published_record(service: Service, client: httpx.AsyncClient):
    customer = await create(client, "customer", name="甲", level="a", credit=100)
    order = await create(client, "order", customer=customer["id"], amount="60", note="x")
    asked = {"app": "desk", "entity": "order", "formula": "SUM(customer.orders.amount) / customer.credit"}
    async with service.client_of("admin", "builder", "admin") as boss:
        reply = await boss.post("/builder/v1/formulas/check", json={**asked, "record": order["id"]})
        assert reply.json()["data"]["preview"]["value"] == 0.6
        problem(await boss.post("/builder/v1/formulas/check", json={**asked, "record": "x"}), "record.not_found")
    async with service.client_of("builder", "builder") as author:
        problem(await author.post("/builder/v1/formulas/check", json={**asked, "record": order["id"]}), "access.denied")


async def test_rules_hold_for_sheets_too(service: Service, client: httpx.AsyncClient):
    customers = [await create(client, "customer", name=name, level=level) for name, level in (("甲", "a"), ("乙", "b"))]
    lines = {
        "order": (
            "customer,amount,status,reason,note,delivered_on,signed_on",
            "乙,60,open,,,,",
            "乙,10,lost,,,,",  # why it was lost is missing
            "甲,10,open,,,,",  # an important customer needs a note
            "乙,50,open,,,,",  # together beyond the credit
            "乙,1,open,,,2026-01-01,2026-02-01",
            "乙,1,lost,太贵,,,",
        ),
        "contact": ("name,customer,main", "张,甲,是", "李,甲,是", "王,乙,是"),
    }
    found: dict[str, dict[int, set[str]]] = {}
    runner = service.app.services.job_runner
    for entity, rows in lines.items():
        headers = {"content-type": "application/octet-stream"}
        reply = await client.post(f"{RECORDS}/{entity}/import", content="\n".join(rows).encode(), headers=headers)
        assert reply.status_code == 202, reply.text
        while await runner.run_due(service.clock.now()):
            await runner.settle()
        told = await client.get(f"/api/desk/imports/{reply.json()['data']['job_id']}/refused")
        found[entity] = {row["line"]: {error["code"] for error in row["errors"]} for row in told.json()["data"]}
    assert found["order"] == {3: {"required"}, 4: {"required"}, 5: {"rule"}, 6: {"rule"}}
    assert found["contact"] == {3: {"unique"}}
    orders = (await client.get(f"{RECORDS}/order")).json()["data"]
    assert [order["customer"] for order in orders] == [customers[1]["id"]] * 2
    assert {order["signed_on"] for order in orders} == {service.clock.now().date().isoformat()}  # the computed default
