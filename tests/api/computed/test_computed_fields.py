"""Computed fields as a front end sees them: values, filters, sorts, moments, and what a publish does to them."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from builder.kernel.canonical import parse_json
from builder.registry.apps import create_app, put_draft
from builder.registry.publishing import plan_draft, publish_draft, roll_back
from tests.support.computed_app import APP, publish_shop
from tests.support.service import Service, pointers, problem

pytestmark = pytest.mark.anyio
RECORDS = "/api/shop/records"


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    publish_shop(service)
    async with service.client_of("member", "records:read", "records:write") as made:
        yield made


async def create(client: httpx.AsyncClient, entity: str, **values: Any) -> dict[str, Any]:
    reply = await client.post(f"{RECORDS}/{entity}", json=values)
    assert reply.status_code == 201, reply.text
    return dict(parse_json(reply.content)["data"])


async def read(client: httpx.AsyncClient, entity: str, record_id: str) -> dict[str, Any]:
    return dict(parse_json((await client.get(f"{RECORDS}/{entity}/{record_id}")).content)["data"])


async def test_errors_are_values_of_one_cell(service: Service):
    changed: dict[str, Any] = copy.deepcopy(APP)
    payment = changed["entities"][2]["fields"]
    payment += [
        {"key": "each", "type": "formula", "label": "单价", "formula": "amount / rate"},
        {"key": "root", "type": "formula", "label": "根", "formula": "IF(done, SQRT(rate - 1), each)"},
        {"key": "part", "type": "formula", "label": "份额", "formula": "amount / customer.paid"},
        {"key": "late_share", "type": "formula", "label": "逾期比", "formula": "DAYS(TODAY(), due_on) / rate"},
    ]
    create_app(service.app.services.registry, parse_definition(changed), None)
    publish_draft(service.app.services.registry, "shop", base_version=0, plan_hash=None)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await create(client, "customer", name="甲", level="A")
        fine = await create(
            client, "payment", customer=customer["id"], amount="10", rate="2", done=False, due_on="2020-01-01"
        )
        bad = await create(
            client, "payment", customer=customer["id"], amount="10", rate="0", done=False, due_on="2020-01-01"
        )
        worse = await create(client, "payment", amount="10", rate="0.5", done=True)
        assert (bad["each"], bad["root"], bad["part"]) == (None, None, None)  # written, not refused
        reply = await client.get(f"{RECORDS}/payment?fields=amount,_errors&sort=each,id")
        found = {row["id"]: row["_errors"] for row in reply.json()["data"]}
        # root reads the kept value of each: an error that is kept is a blank for what reads it
        assert found == {
            fine["id"]: {"part": "DIV0"},
            bad["id"]: {"each": "DIV0", "part": "DIV0", "late_share": "DIV0"},
            worse["id"]: {"root": "NUM"},
        }
        one = (await client.get(f"{RECORDS}/payment/{bad['id']}?fields=*,_errors")).json()["data"]
        assert one["_errors"]["each"] == "DIV0"
        assert len((await client.get(f"{RECORDS}/payment?filter=each > 1")).json()["data"]) == 2
        assert len((await client.get(f"{RECORDS}/payment?filter=ISERROR(amount / rate)")).json()["data"]) == 1


async def test_an_empty_text_that_is_computed_is_a_blank(service: Service):
    changed: dict[str, Any] = copy.deepcopy(APP)
    changed["entities"][2]["fields"] += [
        {"key": "mark", "type": "formula", "label": "标记", "formula": 'IF(amount > 5, "大", "")'},
        {"key": "mark_of", "type": "formula", "label": "客户标记", "formula": 'IF(customer.level = "A", "重点", "")'},
        {"key": "mark_now", "type": "formula", "label": "今日标记", "formula": 'IF(due_on < TODAY(), "过", "")'},
    ]
    create_app(service.app.services.registry, parse_definition(changed), None)
    publish_draft(service.app.services.registry, "shop", base_version=0, plan_hash=None)
    async with service.client_of("member", "records:read", "records:write") as client:
        customer = await create(client, "customer", name="甲", level="B")
        small = await create(client, "payment", customer=customer["id"], amount="1", due_on="2030-01-01")
        assert [small[key] for key in ("mark", "mark_of", "mark_now")] == [None, None, None]
        for condition in (
            'mark = ""',
            "ISBLANK(mark_of)",
            'mark_now = ""',
            '{"mark": {"_null": true}}',
            'NOT(mark <> "")',
        ):
            found = await client.get(f"{RECORDS}/payment", params={"filter": condition})
            assert [row["id"] for row in found.json()["data"]] == [small["id"]], condition
        await client.patch(f"{RECORDS}/customer/{customer['id']}", json={"level": "A"})
        assert (await read(client, "payment", small["id"]))["mark_of"] == "重点"
        await client.patch(f"{RECORDS}/customer/{customer['id']}", json={"level": "B"})
        assert (await read(client, "payment", small["id"]))["mark_of"] is None


async def test_values_follow_what_is_written_over_two_relations(client: httpx.AsyncClient):
    east = await create(client, "region", name="华东")
    clinic = await create(client, "customer", name="甲医院", level="A", region=east["id"])
    assert (clinic["paid"], clinic["count"], clinic["mean"], clinic["title"]) == (0, 0, None, "甲医院(A)")
    first = await create(client, "payment", customer=clinic["id"], amount="100.10", rate="0.13", done=True)
    assert (first["tax"], first["gross"], first["level"], first["share"]) == (
        Decimal("13.01"),
        Decimal("113.11"),
        "A",
        1,
    )

    second = await create(client, "payment", customer=clinic["id"], amount="200", done=False)
    await client.patch(f"{RECORDS}/payment/{second['id']}", json={"done": True})

    clinic = await read(client, "customer", clinic["id"])
    assert (clinic["paid"], clinic["count"], clinic["mean"]) == (Decimal("300.10"), 2, Decimal("150.05"))
    east = await read(client, "region", east["id"])
    assert (east["revenue"], east["best"]) == (Decimal("300.10"), Decimal("300.10"))
    assert (await read(client, "payment", first["id"]))["share"] == Decimal("0.333555")


async def test_a_moved_child_counts_for_its_new_parent_only(client: httpx.AsyncClient):
    one, two = [await create(client, "customer", name=name) for name in "甲乙"]
    payment = await create(client, "payment", customer=one["id"], amount=5, done=True)
    await client.patch(f"{RECORDS}/payment/{payment['id']}", json={"customer": two["id"]})
    assert [(await read(client, "customer", c["id"]))["paid"] for c in (one, two)] == [0, 5]
    await client.delete(f"{RECORDS}/payment/{payment['id']}")
    assert (await read(client, "customer", two["id"]))["count"] == 0


async def test_volatile_values_move_with_the_clock_and_can_be_filtered_and_sorted(
    service: Service, client: httpx.AsyncClient
):
    late = await create(client, "payment", due_on="2026-11-20", done=False)
    soon = await create(client, "payment", due_on="2026-11-24", done=False)
    assert (late["overdue"], late["is_late"]) == (2, True)
    question = {"filter": '{"is_late":true}', "fields": "overdue", "sort": "-overdue"}
    assert [r["id"] for r in (await client.get(f"{RECORDS}/payment", params=question)).json()["data"]] == [late["id"]]

    service.clock.advance(timedelta(days=5))

    rows = (await client.get(f"{RECORDS}/payment", params=question)).json()["data"]
    assert [(row["id"], row["overdue"]) for row in rows] == [(late["id"], 7), (soon["id"], 3)]


async def test_a_computed_value_cannot_be_written_and_is_no_part_of_history(client: httpx.AsyncClient):
    reply = await client.post(f"{RECORDS}/payment", json={"amount": 1, "tax": 5})
    assert pointers(problem(reply, "record.invalid")) == {"/tax": "assigned"}
    payment = await create(client, "payment", amount=1, rate=1)
    events = (await client.get(f"{RECORDS}/payment/{payment['id']}/timeline")).json()["data"]
    assert events[0]["changes"].keys() == {"amount", "rate"}


async def test_a_changed_formula_is_computed_anew_and_comes_back(service: Service, client: httpx.AsyncClient):
    clinic = await create(client, "customer", name="甲", level="A")
    await create(client, "payment", customer=clinic["id"], amount=10, done=True)
    await create(client, "payment", customer=clinic["id"], amount=7, done=False)
    registry = service.app.services.registry
    changed = copy.deepcopy(APP)
    fields = {field["key"]: field for field in changed["entities"][1]["fields"]}
    fields["paid"]["condition"] = "NOT(done)"
    fields["title"]["formula"] = 'PINYIN(name) & "/" & level'
    put_draft(registry, parse_definition(changed), None)

    plan = plan_draft(registry, "shop")
    assert plan.risk == "backfill"
    computed = [(step.entity, step.field) for step in plan.steps if step.kind == "compute_field"]
    assert ("customer", "paid") in computed
    assert computed.index(("customer", "paid")) < computed.index(("region", "revenue"))
    publish_draft(registry, "shop", base_version=1, plan_hash=plan.hash)

    found = await read(client, "customer", clinic["id"])
    assert (found["paid"], found["mean"], found["title"]) == (7, Decimal("3.5"), "jia/A")
    roll_back(registry, "shop", 1)
    found = await read(client, "customer", clinic["id"])
    assert (found["paid"], found["title"]) == (10, "甲(A)")


@pytest.mark.parametrize(
    "entity, field, formula, code",
    [
        (1, "count", "COUNT(paymnts)", "formula.name"),
        (1, "mean", "paid / name", "formula.type"),
        (1, "title", "name &", "formula.parse"),
        (1, "title", "TODAYY()", "formula.name"),
        (1, "count", "mean + 1", "formula.name"),
        (2, "tax", "customer.count", "formula.name"),
    ],
)
def test_wrong_formulas_are_found_before_a_publish(entity: int, field: str, formula: str, code: str):
    wrong = copy.deepcopy(APP)
    if (entity, field) == (2, "tax"):
        # a circle over a relation: the customer's count reads a payment's tax, which reads the count
        next(f for f in wrong["entities"][1]["fields"] if f["key"] == "count")["formula"] = "SUM(payments.tax)"
    next(f for f in wrong["entities"][entity]["fields"] if f["key"] == field)["formula"] = formula
    found = [finding for finding in run_checks(parse_definition(wrong)) if finding.severity == "error"]
    assert code in {finding.code for finding in found}
    assert all(finding.message.zh and finding.message.en for finding in found)


@pytest.mark.parametrize(
    "given, code, pointer, message",
    [
        ({"relation": "paymnts"}, "reference.field", "relation", 'The entity "customer" has no field "paymnts"'),
        ({"value": "amuont"}, "formula.name", "value", 'no field "amuont"; did you mean "amount"? (from character 1)'),
        ({"value": "level"}, "formula.type", "value", "SUM does not apply to text"),
        ({"condition": "done AND dune"}, "formula.name", "condition", 'did you mean "done"? (from character 10)'),
        (
            {"condition": "amount"},
            "formula.type",
            "condition",
            "the condition must be true or false (from character 1)",
        ),
    ],
)
def test_what_is_wrong_with_a_rollup_is_found_once_and_where_it_was_written(
    given: dict[str, str], code: str, pointer: str, message: str
):
    wrong = copy.deepcopy(APP)
    fields = wrong["entities"][1]["fields"]
    place = next(index for index, field in enumerate(fields) if field["key"] == "paid")
    fields[place] |= given
    found = [
        finding for finding in run_checks(parse_definition(wrong)) if finding.pointer.startswith(f"/fields/{place}")
    ]
    assert [(finding.code, finding.pointer) for finding in found] == [(code, f"/fields/{place}/{pointer}")]
    assert message in found[0].message.en
    assert message.endswith(")") or "from character" not in found[0].message.en
