"""Every kind of action does what its model says, inside the transaction of what occasioned it, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from builder.checks.run import run_checks
from builder.definition.actions import ALL
from builder.definition.parse import parse_definition
from builder.kernel.problems import Problem
from runtime.automations.actions import BY_MODEL, KINDS
from runtime.automations.actions.base import ActionFailed
from tests.support.acting import CALLER, Acting, Shop, open_shop
from tests.support.desk import publish_definition
from tests.support.shop import APP, definition

JSON = Any
pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(migrated_database_url) as opened:
        yield opened


def test_every_model_has_its_kind_and_every_kind_its_model():
    assert [kind.model for kind in KINDS] == list(ALL)
    assert set(BY_MODEL) == set(ALL)


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_every_model_says_when_it_acts_and_is_named_as_its_file(model):
    name = model.model_fields["type"].default
    assert model.__module__ == f"builder.definition.actions.{name}"
    assert model.effect in ("inside", "after")
    assert model.__doc__


async def an_order(shop: Shop, actions: list[JSON], **values: JSON) -> Acting:
    customer = await shop.create("customer", name="华东医疗", level="A", owner=values.pop("owner", None))
    given = {"title": "首单", "customer": customer["id"], "amount": Decimal("1200.50")}
    return await shop.after(actions, **{**given, **values})


async def test_set_fields_takes_constants_formulas_and_values_across_relations(shop: Shop):
    acting = await an_order(
        shop,
        [
            {
                "type": "set_fields",
                "set": [
                    {"field": "state", "value": "open"},
                    {"field": "amount", "formula": "amount * 2 / 3"},
                    {"field": "note", "formula": 'customer.name & " " & customer.level'},
                    {"field": "branch"},
                ],
            },
            {"type": "set_fields", "set": [{"field": "serial", "formula": 'IF(state = "open", 7, 0)'}]},
        ],
        branch="北",
    )
    order = (await shop.every("order"))[0]
    assert (order["state"], order["amount"]) == ("open", Decimal("800.33"))
    assert (order["note"], order["branch"], order["serial"]) == ("华东医疗 A", None, 7)
    assert [outcome.state for outcome in acting.outcomes] == ["done", "done"]


async def test_an_action_whose_condition_is_not_met_is_passed_over(shop: Shop):
    actions = [
        {"type": "set_fields", "condition": "amount > 5000", "set": [{"field": "note", "value": "big"}]},
        {
            "type": "set_fields",
            "condition": {"customer": {"level": {"_eq": "A"}}},
            "set": [{"field": "serial", "value": 1}],
        },
    ]
    acting = await an_order(shop, actions)
    order = (await shop.every("order"))[0]
    assert (order["note"], order["serial"]) == (None, 1)
    assert [outcome.state for outcome in acting.outcomes] == ["passed", "done"]


async def test_what_breaks_a_rule_takes_the_write_with_it(shop: Shop):
    with pytest.raises(Problem) as refused:
        await an_order(shop, [{"type": "set_fields", "set": [{"field": "amount", "value": -1}]}])
    assert [v.pointer for v in refused.value.violations] == ["/amount"]
    assert await shop.every("order") == []
    with pytest.raises(ActionFailed, match="amount"):
        await an_order(
            shop, [{"type": "set_fields", "set": [{"field": "amount", "formula": "1 / (serial - 5)"}]}], serial=5
        )
    assert await shop.every("order") == []


async def test_create_record_makes_one_for_each_related_record_or_member(shop: Shop):
    values: list[JSON] = [
        {"field": "name", "item": "product"},
        {"field": "rank", "formula": "serial"},
        {"field": "thing", "value": None},
    ]
    thing = await shop.create("thing", name="x")
    values[2]["value"] = thing["id"]
    each = {"relation": "items", "entity": "item", "where": "qty > 1"}
    acting = await an_order(
        shop,
        [
            {"type": "create_record", "entity": "bit", "values": values, "each": each},
            {"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]},
        ],
        serial=3,
        items=[{"product": p, "qty": q} for p, q in (("a", 1), ("b", 2), ("c", 3))],
    )
    assert {(bit["name"], bit["rank"], bit["thing"]) for bit in await shop.every("bit")} == {
        ("b", 3, thing["id"]),
        ("c", 3, thing["id"]),
    }
    assert [region["name"] for region in await shop.every("region")] == ["首单"]
    assert [len(outcome.records) for outcome in acting.outcomes] == [2, 1]
    each = {"list": "tags"}
    made = [{"type": "create_record", "entity": "region", "values": [{"field": "name", "item": "value"}], "each": each}]
    await shop.after(made, "customer", name="乙", tags=["vip", "new"])
    assert {region["name"] for region in await shop.every("region")} == {"首单", "vip", "new"}


async def test_update_records_finds_by_equal_values_and_a_condition(shop: Shop):
    acting = await an_order(
        shop,
        [
            {
                "type": "update_records",
                "entity": "item",
                "match": [{"field": "order", "formula": "id"}],
                "where": "qty >= 2",
                "set": [
                    {"field": "qty", "own": "qty * 10"},
                    {"field": "price", "formula": "amount"},
                    {"field": "sku", "own": 'product & "!"'},
                ],
            },
            {
                "type": "update_records",
                "entity": "item",
                "match": [{"field": "sku", "formula": "code"}],
                "set": [{"field": "qty", "value": 1}],
            },
        ],
        items=[{"product": p, "qty": q} for p, q in (("a", 1), ("b", 2))],
    )
    items = await shop.every("item")
    assert {(i["product"], i["qty"], i["price"], i["sku"]) for i in items} == {
        ("a", 1, None, None),
        ("b", 20, Decimal("1200.50"), "b!"),
    }
    assert len(acting.outcomes[1].records) == 0  # a blank matches nothing


async def test_update_records_reaches_the_record_that_is_pointed_to(shop: Shop):
    up = {"type": "update_records", "entity": "customer", "match": [{"field": "id", "formula": "customer"}]}
    await shop.create("customer", name="旁人")
    acting = await an_order(
        shop, [{**up, "set": [{"field": "level", "value": "B"}, {"field": "name", "own": 'name & "!"'}]}]
    )
    assert {(c["name"], c["level"]) for c in await shop.every("customer")} == {("旁人", None), ("华东医疗!", "B")}
    assert len(acting.outcomes[0].records) == 1
    with pytest.raises(ActionFailed):
        await an_order(
            shop, [{**up, "match": [{"field": "id", "value": "x"}], "set": [{"field": "level", "value": "B"}]}]
        )
    document = {
        **definition(),
        "automations": [{"key": "a", "label": "a", "entity": "order", "trigger": {"type": "created"}}],
    }
    for field, codes in (("id", []), ("ids", ["reference.path"])):
        action = {**up, "match": [{"field": field, "formula": "customer"}], "set": [{"field": "level", "value": "B"}]}
        document["automations"][0]["actions"] = [action]
        assert [f.code for f in run_checks(parse_definition(document)) if f.severity == "error"] == codes


async def test_create_task_keeps_what_was_known_and_makes_it_once(shop: Shop):
    task = {
        "type": "create_task",
        "entity": "thing",
        "values": [{"field": "name", "formula": '"支持 " & title'}],
        "snapshot_field": "extra",
        "snapshot": ["title", "amount", "customer.name"],
    }
    await an_order(shop, [task])
    thing = (await shop.every("thing"))[0]
    assert thing["name"] == "支持 首单"
    order = (await shop.every("order"))[0]
    assert thing["extra"]["values"] == {"title": "首单", "amount": Decimal("1200.5"), "customer.name": "华东医疗"}
    assert (thing["extra"]["entity"], thing["extra"]["id"], thing["extra"]["revision"]) == ("order", order["id"], 1)
    assert thing["extra"]["labels"]["customer.name"] == {"zh": "customer栏 / name栏", "en": "customer / name"}


async def test_a_copy_keeps_names_as_they_were_beside_ids(shop: Shop):
    people = shop.service.identity.users
    owner = shop.service.add_user("owner", name="张伟")
    paths = ["customer", "customer.owner", "customer.level", "customer.tags", "created_by", "state", "note"]
    task = {
        "type": "create_task",
        "entity": "thing",
        "values": [{"field": "name", "value": "支持"}],
        "snapshot_field": "extra",
        "snapshot": paths,
        "once": False,
    }
    customer = await shop.create("customer", name="华东医疗", level="A", owner=owner.id, tags=["vip", "new"])
    await shop.after([task], title="首单", customer=customer["id"])
    people.update_user(owner.id, {"name": "张伟强"})
    await shop.records().update(CALLER, APP, "customer", customer["id"], {"name": "华东医疗集团"}, None)
    (thing,) = await shop.every("thing")
    kept = thing["extra"]
    assert (kept["values"]["customer"], kept["values"]["customer.owner"]) == (customer["id"], owner.id)
    assert {path: name["zh"] for path, name in kept["names"].items()} == {
        "customer": "华东医疗",
        "customer.owner": "张伟",
        "customer.level": "A 级",
        "customer.tags": "重要、新",
        "created_by": "系统",
        "state": "Draft",
    }


READS = ["read", "create", "update"]


@pytest.mark.parametrize(
    "grants, expected",
    [
        ([{"entity": "customer", "may": READS, "rows": "owner = CURRENTUSER()"}], "华东医疗"),
        ([{"entity": "customer", "may": ["read"], "hidden": ["name"]}], None),
        ([{"entity": "customer", "may": ["read"], "masks": [{"field": "name", "start": 1}]}], None),
        ([], None),
    ],
    ids=["reads titles", "hidden", "masked", "reads none"],
)
async def test_a_copy_tells_no_title_that_a_reader_of_it_may_not_read(
    shop: Shop, grants: list[JSON], expected: str | None
):
    helper = {"key": "helper", "label": "支持", "grants": [{"entity": "thing", "may": READS}, *grants]}
    document = {**definition(), "roles": [helper]}
    task = {
        "type": "create_task",
        "entity": "thing",
        "snapshot_field": "extra",
        "snapshot": ["customer"],
        "once": False,
    }
    task["values"] = [{"field": "name", "value": "x"}]
    made = {"key": "auto", "label": "auto", "entity": "order", "trigger": {"type": "created"}, "actions": [task]}
    found = run_checks(parse_definition({**document, "automations": [made]}))
    nameless = [one.pointer for one in found if one.code == "action.nameless"]
    assert nameless == ([] if expected else ["/actions/0/snapshot/0"])
    publish_definition(shop.service.app.services.registry, document)
    await an_order(shop, [task])
    (thing,) = await shop.every("thing")
    assert thing["extra"]["names"].get("customer", {}).get("zh") == expected
    assert thing["extra"]["values"]["customer"] is not None


async def test_create_task_once_goes_by_link_and_constants(shop: Shop):
    task = {
        "type": "create_task",
        "entity": "thing",
        "link_field": "other",
        "once": True,
        "values": [{"field": "name", "value": "复核"}],
        "snapshot_field": "extra",
        "snapshot": ["name"],
    }
    acting = await shop.after(
        [task, task, {**task, "values": [{"field": "name", "value": "盘点"}]}], "thing", name="原"
    )
    things = {thing["name"]: thing for thing in await shop.every("thing")}
    assert set(things) == {"原", "复核", "盘点"}
    assert things["复核"]["other"] == things["盘点"]["other"] == things["原"]["id"]
    assert [len(outcome.records) for outcome in acting.outcomes] == [1, 0, 1]


async def test_notify_finds_people_and_fills_texts_for_people(shop: Shop):
    boss = shop.service.add_user("boss", name="王总")
    chief = shop.service.add_user("chief", name="李经理", manager_id=boss.id)
    owner = shop.service.add_user("owner", name="张伟", manager_id=chief.id)
    notify = {
        "type": "notify",
        "to": [
            {"field": "customer.owner"},
            {"manager_of": "customer.owner"},
            {"manager_of": "customer.owner", "levels": 5},
            {"user": "nobody"},
        ],
        "subject": {"zh": "{{customer}} 的订单 {{title}}", "en": "Order {{title}} of {{customer}}"},
        "text": "状态 {{state}},负责人 {{customer.owner}},金额 {{amount}},时间 {{created_at}},{{{title栏}}}",
    }
    await an_order(shop, [notify, {**notify, "to": [{"role": "admin"}]}], owner=owner.id)
    (letter,) = shop.noted.letters
    assert letter.user_ids == (owner.id, chief.id, boss.id)
    assert letter.subject == ("华东医疗 的订单 首单", "Order 首单 of 华东医疗")
    assert letter.text.zh == "状态 Draft,负责人 张伟,金额 1200.5,时间 2026-11-22 16:00,首单"
    assert letter.key == "run:0"


async def test_webhooks_and_connectors_put_down_what_they_send(shop: Shop):
    await an_order(
        shop,
        [
            {
                "type": "send_webhook",
                "connection": "erp",
                "body": [
                    {"name": "order.no", "formula": "title"},
                    {"name": "order.amount", "formula": "amount"},
                    {"name": "kind", "value": "sale"},
                ],
            },
            {"type": "send_webhook", "connection": "erp"},
            {
                "type": "call_connector",
                "connection": "crm",
                "method": "GET",
                "path": "/companies/{{customer.name}}/x",
                "query": [{"name": "level", "formula": "customer.level"}],
                "answer": [{"field": "note", "at": "/data/0/name"}],
            },
        ],
    )
    first, whole, call = shop.noted.calls
    assert first.body["record"] == {"order": {"no": "首单", "amount": Decimal("1200.50")}, "kind": "sale"}
    assert whole.body["record"]["title"] == "首单"
    assert (whole.key, whole.method, whole.connection) == ("run:1", "POST", "erp")
    assert (call.method, call.path) == ("GET", "/companies/%E5%8D%8E%E4%B8%9C%E5%8C%BB%E7%96%97/x")
    assert (call.query, call.body, call.answer) == ({"level": "A"}, None, (("/data/0/name", "note"),))


async def test_other_rooms_are_asked_through_their_ports(shop: Shop):
    acting = await an_order(
        shop,
        [
            {"type": "assign", "rule": "east"},
            {"type": "set_fields", "set": [{"field": "branch", "formula": "note"}]},
            {"type": "move_stage", "transition": "submit", "reason": "金额 {{amount}}"},
            {"type": "start_approval", "approval": "big"},
        ],
    )
    order = (await shop.every("order"))[0]
    assert order["branch"] == "assigned by east"  # the next action sees what the one before has written
    assert [(m[1], m[2] and m[2].zh) for m in shop.noted.moves] == [("submit", "金额 1200.5")]
    assert shop.noted.approvals == [(order["id"], "big")]
    assert [outcome.state for outcome in acting.outcomes] == ["done"] * 4


async def test_what_is_to_run_after_the_commit_waits_with_all_behind_it(shop: Shop):
    fields = [{"field": "note", "value": "x"}]
    acting = await an_order(
        shop,
        [
            {"type": "set_fields", "set": [{"field": "serial", "value": 1}]},
            {"type": "set_fields", "run": "after", "set": fields},
            {"type": "set_fields", "set": fields},
        ],
    )
    assert acting.waiting_from == 1
    assert [(o["serial"], o["note"]) for o in await shop.every("order")] == [(1, None)]


async def test_a_default_names_an_option_by_its_key(shop: Shop):
    """A made record gets it as any other; a key that is none is refused beside the field."""
    document = definition()
    fields = next(entity for entity in document["entities"] if entity["key"] == "region")["fields"]
    options = [{"key": key, "label": key} for key in ("urgent", "normal")]
    urgency = {"key": "urgency", "type": "select", "label": "急", "options": options}
    urgency["default_formula"] = 'IFS(LEN(name) > 3, "urgent", name = "无", "none", TRUE, "normal")'
    fields.append(urgency)
    publish_definition(shop.service.app.services.registry, document)
    made = [{"type": "create_record", "entity": "region", "values": [{"field": "name", "formula": "title"}]}]
    for title in ("首单", "很长的标题"):
        await an_order(shop, made, title=title)
    assert {r["name"]: r["urgency"] for r in await shop.every("region")} == {"首单": "normal", "很长的标题": "urgent"}
    with pytest.raises(Problem) as refused:
        await shop.create("region", name="无")
    assert [violation.pointer for violation in refused.value.violations] == ["/urgency"]
