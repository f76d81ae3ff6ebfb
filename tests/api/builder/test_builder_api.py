"""The builder over HTTP: who may, what comes back, what is refused and how."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from builder.api.router import PREFIX
from builder.kernel.canonical import parse_json
from builder.kernel.limits import BODY_DEPTH
from tests.support.service import Service, pointers, problem

pytestmark = pytest.mark.anyio

APP: dict[str, Any] = {
    "app": {"key": "shop", "label": "店"},
    "entities": [
        {
            "key": "customer",
            "label": "客户",
            "title_field": "name",
            "fields": [
                {"key": "name", "type": "text", "label": "名称"},
                {"key": "orders", "type": "children", "label": "订单", "entity": "order", "via": "customer"},
            ],
        },
        {
            "key": "order",
            "label": "订单",
            "fields": [
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer"},
                {"key": "amount", "type": "money", "label": "金额", "minimum": Decimal("0.01")},
            ],
        },
    ],
}
JSON_HEADERS = {"content-type": "application/json"}


@pytest.fixture
async def boss(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client_of("admin") as made:
        made.base_url = made.base_url.join(PREFIX)
        yield made


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


async def create(boss: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await boss.post("/apps", json=_plain({**APP, **changes}))


async def publish(boss: httpx.AsyncClient, **more: Any) -> httpx.Response:
    plan = (await boss.get("/apps/shop/plan")).json()["data"]
    return await boss.post(
        "/apps/shop/publish", json={"base_version": plan["base_version"], "plan_hash": plan["hash"], **more}
    )


async def etag(boss: httpx.AsyncClient, path: str) -> dict[str, str]:
    return {"if-match": (await boss.get(path)).headers["etag"]}


async def test_every_route_is_closed_to_strangers_and_members_CVE_2024_55604_CVE_2026_45716(service: Service):
    paths = service.app.web.openapi()["paths"]
    routes = [(method.upper(), path) for path, item in paths.items() if path.startswith(PREFIX) for method in item]
    assert len(routes) >= 30
    async with service.client() as stranger, service.client_of("member") as member:
        for method, path in routes:
            for client, code in ((stranger, "auth.required"), (member, "access.denied")):
                reply = await client.request(
                    method, path.replace("{", "").replace("}", ""), content=b"{}", headers=JSON_HEADERS
                )
                assert problem(reply, code), (method, path)


async def test_a_builder_may_not_destroy(service: Service, boss: httpx.AsyncClient):
    await create(boss)
    async with service.client_of("builder") as builder:
        builder.base_url = builder.base_url.join(PREFIX)
        assert (await builder.get("/apps/shop")).status_code == 200
        problem(await builder.delete("/apps/shop?confirm=shop"), "access.denied")
        problem(await builder.get("/apps/shop/deletion"), "access.denied")


async def test_documents_are_made_changed_and_taken_out_with_preconditions(boss: httpx.AsyncClient):
    assert (await create(boss)).status_code == 201
    problem(await create(boss), "app.exists")
    made = await boss.post(
        "/apps/shop/entities", json={"label": "门店 Store", "fields": [{"type": "text", "label": "店名"}]}
    )
    assert made.status_code == 201
    key = made.json()["data"]["key"]
    assert (key, made.json()["data"]["fields"][0]["key"]) == ("men_dian_store", "dian_ming")
    path = f"/apps/shop/entities/{key}"

    problem(await boss.put(path, json=made.json()["data"]), "request.precondition_required")
    problem(await boss.put(path, json=made.json()["data"], headers={"if-none-match": "*"}), "definition.exists")
    patched = await boss.patch(path, json={"help": "说明"}, headers={"if-match": made.headers["etag"]})
    assert patched.json()["data"]["help"] == "说明"
    stale = await boss.patch(path, json={"help": None}, headers={"if-match": made.headers["etag"]})
    assert problem(stale, "definition.changed")["revision"] == int(patched.headers["etag"].strip('"'))
    problem(await boss.patch(path, json={"help": None}, headers={"if-match": "x"}), "request.header")

    gone = await boss.delete(path, headers=await etag(boss, path))
    assert gone.status_code == 204
    problem(await boss.get(path), "definition.not_found")
    problem(await boss.get("/apps/shop/entites"), "definition.not_found")
    problem(await boss.get("/apps/shp"), "app.not_found")


async def test_a_rename_rewrites_every_reference(boss: httpx.AsyncClient):
    await create(boss)
    await publish(boss)
    renamed = await boss.post("/apps/shop/entities/customer/rename", json={"key": "client"})
    assert set(renamed.json()["data"]["changed"]) == {"entities/customer", "entities/order"}
    order = (await boss.get("/apps/shop/entities/order")).json()["data"]
    assert order["fields"][0]["entity"] == "client"
    await boss.post("/apps/shop/entities/order/fields/customer/rename", json={"key": "buyer"})
    client = (await boss.get("/apps/shop/entities/client")).json()["data"]
    assert (client["renamed_from"], client["fields"][1]["via"]) == ("customer", "buyer")
    kinds = [step["kind"] for step in (await boss.get("/apps/shop/plan")).json()["data"]["steps"]]
    assert {"rename_entity", "rename_field"} <= set(kinds)
    assert not {"keep_field", "keep_entity", "add_field", "create_entity"} & set(kinds)
    problem(await boss.post("/apps/shop/entities/order/rename", json={"key": "client"}), "definition.exists")
    problem(await boss.post("/apps/shop/entities/order/rename", json={"key": "No"}), "definition.invalid")
    problem(await boss.post("/apps/shop/entities/order/rename", json={"name": "x"}), "request.malformed")


async def test_findings_plan_publish_versions_and_diff(boss: httpx.AsyncClient):
    wrong = copy.deepcopy(APP)
    wrong["entities"][1]["fields"][0]["entity"] = "custmer"
    await create(boss, entities=wrong["entities"])
    findings = (await boss.get("/apps/shop/check", headers={"accept-language": "en"})).json()["data"]
    found = {finding["code"]: finding for finding in findings}
    assert found["reference.entity"]["severity"] == "error"
    assert (found["reference.entity"]["document"], found["reference.entity"]["pointer"]) == (
        "entities/order",
        "/fields/0/entity",
    )
    assert 'did you mean "customer"?' in found["reference.entity"]["message"]
    assert problem(await boss.get("/apps/shop/plan"), "publish.findings")["errors"]

    put = await boss.put("/apps/shop/draft", json=_plain(APP), headers=await etag(boss, "/apps/shop/draft"))
    assert put.status_code == 200, put.text
    assert (await publish(boss, note="eins")).json()["data"]["version"] == 1
    assert problem(await publish(boss, base_version=0), "publish.conflict")["published_version"] == 1
    assert problem(await publish(boss, plan_hash="x"), "publish.plan_changed")["plan_hash"]

    order = (await boss.get("/apps/shop/entities/order")).json()["data"]
    order["fields"][1]["label"] = "价款"
    await boss.put("/apps/shop/entities/order", json=order, headers=await etag(boss, "/apps/shop/entities/order"))
    await publish(boss)
    diff = (await boss.get("/apps/shop/versions/1/diff/2")).json()["data"]
    assert diff == [{"document": "entities/order", "pointer": "/fields/amount/label", "old": "金额", "new": "价款"}]
    assert (await boss.get("/apps/shop/versions/2/diff/draft")).json()["data"] == []
    versions = (await boss.get("/apps/shop/versions")).json()["data"]
    assert [(line["version"], line["note"]) for line in versions] == [(2, None), (1, "eins")]
    problem(await boss.get("/apps/shop/versions/9"), "version.not_found")
    problem(await boss.get("/apps/shop/versions/1/diff/x"), "version.not_found")


async def test_import_of_an_export_is_the_same_app_in_every_form(boss: httpx.AsyncClient):
    await create(boss)
    exported = await boss.get("/apps/shop/export")
    assert parse_json(exported.content) == {**APP, "entities": sorted(APP["entities"], key=lambda e: e["key"])}
    zipped = await boss.get("/apps/shop/export?format=zip")
    assert zipfile.ZipFile(io.BytesIO(zipped.content)).namelist()[0] == "app.json"
    for body, kind in ((exported.content, "application/json"), (zipped.content, "application/zip")):
        answer = await boss.post("/import", content=body, headers={"content-type": kind})
        assert answer.status_code == 200, answer.text
        assert (await boss.get("/apps/shop/export")).content == exported.content
    problem(await boss.post("/import", content=b"PK\x03\x04broken"), "package.invalid")
    problem(await boss.post("/import", content=b"{]", headers=JSON_HEADERS), "package.invalid")


async def test_a_template_is_installed_with_its_sample(service: Service, boss: httpx.AsyncClient):
    lines = (await boss.get("/templates")).json()["data"]
    assert [line["key"] for line in lines] == ["lead", "receivables", "store_sales"]
    installed = await boss.post("/templates/receivables/install")
    assert installed.status_code == 201, installed.text
    assert installed.json()["data"]["sample_count"] > 1000
    async with service.client_of("admin") as admin:
        count = (await admin.get("/api/receivables/records/customer?limit=0&count=exact")).json()["meta"]["count"]
    assert count == 257
    async with service.client_of("member") as member:  # the app has roles, and nobody has given them one
        problem(await member.get("/api/receivables/records/customer"), "app.not_found")
    problem(await boss.post("/templates/receivables/install"), "app.exists")
    problem(await boss.post("/templates/leed/install"), "template.not_found")


async def test_deleting_an_app_says_what_goes_and_needs_its_name(boss: httpx.AsyncClient):
    await create(boss)
    await publish(boss)
    asked = problem(await boss.delete("/apps/shop"), "app.confirmation")
    assert asked["destroys"]["records"] == {"customer": 0, "order": 0}
    assert (await boss.delete("/apps/shop?confirm=shop")).status_code == 200
    problem(await boss.get("/apps/shop"), "app.not_found")
    assert (await create(boss)).status_code == 201
    assert (await publish(boss)).json()["data"]["version"] == 1


async def test_the_catalogue_helps_editors(boss: httpx.AsyncClient):
    await create(boss)
    schema = (await boss.get("/schema")).json()["data"]
    assert schema["$defs"]["Entity"]["properties"]["fields"]
    assert (await boss.get("/schema/entities")).status_code == 200
    types = {line["type"]: line for line in (await boss.get("/field-types")).json()["data"]}
    assert types["money"]["title"] == "金额"
    asked = {"app": "shop", "entity": "customer", "formula": "SUM(orders.amount, amount > 5)"}
    found = (await boss.post("/formulas/check", json=asked)).json()["data"]
    assert (found["ok"], found["type"]["kind"]) == (True, "decimal")
    found = (await boss.post("/formulas/check", json={**asked, "formula": "nme & 1"})).json()["data"]
    assert (found["ok"], found["errors"][0]["kind"], found["errors"][0]["at"]) == (False, "NAME", [0, 3])
    names = {line["name"]: line for line in (await boss.get("/formulas/functions")).json()["data"]}
    assert len(names) >= 205
    assert names["DATEDIF"]["help"]["zh"]
    assert names["DATEDIF"]["examples"]
    assert {line["name"] for line in (await boss.get("/formulas/functions?core=true")).json()["data"]} < names.keys()


async def test_a_formula_is_tried_on_values_and_explains_its_result(boss: httpx.AsyncClient):
    await create(boss)
    asked = {"app": "shop", "entity": "customer", "formula": "1 + SUM(orders.amount) / COUNT(orders)"}
    values = {"orders": [{"amount": "10"}, {"amount": "5"}]}
    found = (await boss.post("/formulas/check", json={**asked, "values": values})).json()["data"]["preview"]
    assert (found["value"], found["error"]) == (8.5, None)
    assert [(step["formula"], step["value"]) for step in found["steps"]] == [
        ("SUM(orders.amount)", 15),
        ("COUNT(orders)", 2),
        ("SUM(orders.amount) / COUNT(orders)", 7.5),
        ("1 + SUM(orders.amount) / COUNT(orders)", 8.5),
    ]
    found = (await boss.post("/formulas/check", json={**asked, "values": {}})).json()["data"]["preview"]
    assert (found["value"], found["error"]["kind"], found["error"]["at"]) == (None, "DIV0", [4, 38])
    wrong = await boss.post("/formulas/check", json={**asked, "values": {"orders": [{"amount": "x"}]}})
    assert problem(wrong, "record.invalid")["errors"][0]["pointer"] == "/values/orders/0/amount"


async def test_a_condition_is_shown_in_every_form(boss: httpx.AsyncClient):
    await create(boss)
    asked = {"app": "shop", "entity": "order"}
    text = 'amount > 5 AND customer.name = "甲"'
    tree = {"_and": [{"amount": {"_gt": 5}}, {"customer": {"name": {"_eq": "甲"}}}]}
    for given in ({"formula": text}, {"filter": tree}, {"filter": {"amount": {"_gt": 5}, "customer.name": "甲"}}):
        found = (await boss.post("/formulas/check", json={**asked, **given})).json()["data"]
        assert (found["ok"], found["formula"], found["filter"]) == (True, text, tree), given
        again = (await boss.post("/formulas/check", json={**asked, "formula": found["shown"]})).json()["data"]
        assert (again["formula"], again["filter"]) == (text, tree)
    mixed: Any = {"_and": [{"_formula": "ROUND(amount * 1.13, 1) > 500"}, {"customer": {"name": {"_eq": "甲"}}}]}
    text = 'ROUND(amount * 1.13, 1) > 500 AND customer.name = "甲"'
    alike: list[Any] = [{"formula": text}, {"filter": mixed}, {"filter": {"_formula": text}}]
    for given in alike:
        found = (await boss.post("/formulas/check", json={**asked, **given})).json()["data"]
        assert (found["ok"], found["formula"], found["filter"]) == (True, text, mixed), given
    number = (await boss.post("/formulas/check", json={**asked, "formula": "amount * 2"})).json()["data"]
    assert (number["formula"], number["filter"]) == ("amount * 2", None)
    wrong = (await boss.post("/formulas/check", json={**asked, "filter": {"_or": [{"amout": 1}]}})).json()["data"]
    assert (wrong["ok"], wrong["errors"][0]["kind"], wrong["errors"][0]["pointer"]) == (False, "NAME", "/_or/0/amout")
    wrong = {"customer": {"orders": {"_some": {"_formula": "amout > this.amount"}}}}
    (wrong,) = (await boss.post("/formulas/check", json={**asked, "filter": wrong})).json()["data"]["errors"]
    assert (wrong["pointer"], wrong["at"]) == ("/customer/orders/_some/_formula", [0, 5])
    problem(await boss.post("/formulas/check", json=asked), "request.malformed")


async def test_no_condition_is_without_a_filter(boss: httpx.AsyncClient):
    await create(boss)

    async def check(**given: Any) -> Any:
        reply = await boss.post("/formulas/check", json={"app": "shop", "entity": "order", **given})
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    deep = "amount > 1"
    for level in range(40):
        deep = f"{'AND' if level % 2 else 'OR'}(amount <> {level}, {deep})"
    for text in (
        "TRUE",
        "BLANK()",
        "NOT(amount > 5)",
        "COUNT(customer.orders) > 1",
        'IF(amount > 5, customer.name, "x") = "x"',
        "1 / amount > 5",
        "created_by = CURRENTUSER() AND created_at > NOW() - TIME(1, 0, 0)",
        "EXISTS(customer.orders, amount * 2 > this.amount)",
        "OR(" + ", ".join(f"amount = {number}" for number in range(120)) + ")",
        deep,
    ):
        found = await check(formula=text)
        assert found["ok"], (text, found["errors"])
        assert found["filter"] is not None, text
        again = await check(filter=found["filter"])
        assert (again["formula"], again["filter"]) == (found["formula"], found["filter"])
    many = {"customer": {"name": {"_in": [f"customer {number}" for number in range(900)]}}}
    found = await check(filter=many)
    assert (found["ok"], found["formula"], found["filter"]) == (True, None, many)  # no text is so long
    several = {"_or": [{"amount": number} for number in range(400)]}
    found = await check(filter=several, values={"amount": "5"})
    assert (found["formula"], found["filter"], found["preview"]["value"]) == (None, several, True)
    found = await check(filter={"_formula": "1 / (amount - 5) > 5"}, values={"amount": "5"})
    assert (found["preview"]["error"]["kind"], found["preview"]["error"]["at"]) == ("DIV0", [0, 16])


HOSTILE = ["\x00", "'; DROP TABLE dougong_app; --", "\u202e", "../../etc/passwd", "a" * 5000, "%00", "😀", ""]


async def test_hostile_names_and_bodies_are_problems_and_change_nothing(service: Service, boss: httpx.AsyncClient):
    await create(boss)
    before = (await boss.get("/apps/shop/export")).content
    deep = "[" * (BODY_DEPTH * 2) + "]" * (BODY_DEPTH * 2)
    for name in HOSTILE:
        quoted = httpx.URL("http://x/" + name.replace("%", "%25")).raw_path.decode() if name.isprintable() else "/%00"
        for method, path in (
            ("GET", f"/apps{quoted}"),
            ("GET", f"/apps/shop/entities{quoted}"),
            ("GET", f"/templates{quoted}/install"),
        ):
            assert (await boss.request(method, path)).status_code in (200, 404, 405), path
        for body in (
            {"key": name, "label": name},
            {"app": {"key": name, "label": "x"}},
            {"app": {"key": "x", "label": name}},
        ):
            reply = await boss.post("/apps", json=body)
            assert reply.status_code in (201, 409, 422), (body, reply.text)
    for text in (
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"1e400",
        b'{"app":1}',
        deep.encode(),
        b'{"entities":' + deep.encode() + b"}",
    ):
        reply = await boss.post("/apps", content=text, headers=JSON_HEADERS)
        assert 400 <= reply.status_code < 500, text[:50]
        assert problem(reply, reply.json()["code"])
    problem(await boss.post("/apps", content=b"{}", headers={"content-type": "text/plain"}), "request.media_type")
    problem(await boss.post("/apps", content=b" " * 9_000_000, headers=JSON_HEADERS), "limit.body")
    reply = await boss.post("/apps", json={"key": "x1", "label": "x", "colour": 1, "time_zone": "Mars/Olympus"})
    assert pointers(problem(reply, "definition.invalid")) == {"/colour": "unknown"}
    assert (await boss.get("/apps/shop/export")).content == before
