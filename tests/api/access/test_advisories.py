"""Advisory classes of our peers, tried on the paths of rights; each case is named by its id (research: architecture, section 11)."""

from __future__ import annotations

from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from tests.support.service import problem
from tests.support.trading import Trading

JSON = Any
pytestmark = pytest.mark.anyio

_EVIL = (
    "name'); DROP TABLE trade__customer; --",
    'name" OR "1"="1',
    "name) UNION SELECT password_hash FROM dougong_user --",
    "{secret}",
    "name::text",
    "name;",
    "../secret",
    "__proto__",
)


@pytest.mark.parametrize("text", _EVIL)
async def test_sql_injection_by_names_CVE_2026_28399_CVE_2024_24813_CVE_2025_30212(trading: Trading, text: str) -> None:
    wang = trading["wang"]
    for params in ({"sort": text}, {"fields": text}, {"expand": text}, {"filter": text}, {"filter": f'{{"{text}":1}}'}):
        reply = await wang.send("GET", "records/customer", params=params)
        assert reply.status_code == 400, (params, reply.text)
    grouped = {"group_by": [text], "measures": {"n": {"count": "*"}}}
    assert (await wang.send("POST", "records/customer/aggregate", grouped)).status_code == 400
    measured = {"measures": {"n": {"sum": text}}, "having": {text: {"_gt": 0}}}
    assert (await wang.send("POST", "records/customer/aggregate", measured)).status_code == 400
    assert len(await trading["root"].page("customer")) == 3


async def test_aliases_of_measures_CVE_2024_34708(trading: Trading) -> None:
    wang = trading["wang"]
    for alias in ("secret", "phone", 'x" FROM dougong_user --'):
        body = {"measures": {alias: {"max": "secret"}}}
        reply = await wang.send("POST", "records/customer/aggregate", body)
        assert reply.status_code == 400
        assert "secret alpha" not in reply.text


async def test_aggregates_are_no_oracle_CVE_2026_35442(trading: Trading) -> None:
    wang = trading["wang"]
    for function in ("min", "max", "count", "count_distinct"):
        reply = await wang.send("POST", "records/customer/aggregate", {"measures": {"v": {function: "secret"}}})
        problem(reply, "request.unknown_name")
    reply = await wang.send("POST", "records/order/aggregate", {"measures": {"v": {"sum": "amount"}}})
    assert parse_json(reply.content)["data"] == [{"v": parse_json(b"10.00")}]  # of the order that is won
    reply = await wang.send("POST", "records/order/aggregate", {"measures": {"v": {"max": "customer.limit"}}})
    assert parse_json(reply.content)["data"][0]["v"] == 100


async def test_search_is_no_oracle_CVE_2025_64748_CVE_2025_30352(trading: Trading) -> None:
    for word in ("secret", "alpha secret", "gamma", "13800001232"):
        assert await trading["wang"].page("customer", search=word) == []


async def test_an_empty_set_lets_nothing_through_CVE_2024_39701(trading: Trading) -> None:
    for condition in ('{"owner":{"_in":[]}}', '{"name":{"_in":[]}}', '{"_or":[{"name":{"_in":[]}}]}'):
        assert await trading["wang"].page("customer", filter=condition) == []


async def test_history_and_grants_of_fields_that_are_gone_CVE_2025_64746_CVE_2026_39943(trading: Trading) -> None:
    from tests.support.rights_app import definition

    document = definition()
    entity = document["entities"][0]
    entity["fields"] = [field for field in entity["fields"] if field["key"] != "secret"]
    for role in document["roles"]:
        for grant in role["grants"]:
            grant.pop("hidden", None)
    trading["root"].publish(document)
    text = str([event["changes"] for event in await trading["wang"].timeline("customer", trading.ids["alpha"])])
    assert "secret" not in text


async def test_the_union_of_roles_is_per_record_GHSA_99vm_5v2h_h6r6(trading: Trading) -> None:
    gamma = await trading["both"].get("customer", trading.ids["gamma"])
    assert (gamma["phone"], gamma["owner"], gamma["region"]) == (None, None, None)


async def test_another_actors_answer_is_never_kept_CVE_2026_61836(trading: Trading) -> None:
    for _ in range(2):
        for person, count in (("wang", 2), ("boss", 3), ("zhao", 2), ("root", 3)):
            assert len(await trading[person].page("customer", sort="name")) == count


async def test_dotted_links_ask_at_every_hop_CVE_2026_66003(trading: Trading) -> None:
    eastboss = trading["eastboss"]
    root = trading["root"]
    await root.change("order", trading.ids["alpha won"], customer=trading.ids["alpha"])
    found = await trading["money"].send("GET", "records/order", params={"fields": "title,customer.secret"})
    problem(found, "request.unknown_name")
    found = await trading["money"].send("GET", "records/order", params={"sort": "customer.phone"})
    problem(found, "request.unknown_name")
    rows = await eastboss.page("order", fields="title,customer.name")
    assert {row["customer"]["name"] for row in rows} == {"alpha", "beta"}


async def test_mass_assignment_CVE_2026_62315(trading: Trading) -> None:
    wang, alpha = trading["wang"], trading.ids["alpha"]
    for body in (
        {"created_by": trading.users["li"]},
        {"revision": 99},
        {"id": trading.ids["gamma"]},
        {"limit": 10**6},
        {"secret": "x"},
        {"turnover": 1},
        {"owner": trading.users["li"]},
        {"roles": ["finance"]},
    ):
        before = await trading["root"].get("customer", alpha)
        reply = await wang.patch("customer", alpha, body)
        assert reply.status_code in (400, 403, 422), (body, reply.text)
        assert await trading["root"].get("customer", alpha) == before


async def test_nested_paths_are_no_way_around_CVE_2026_47381_CVE_2026_28361(trading: Trading) -> None:
    wang, ids = trading["wang"], trading.ids
    for path in (
        f"records/customer/{ids['gamma']}",
        f"records/order/{ids['gamma won']}",
        f"records/order/{ids['gamma']}",
        f"records/customer/{ids['gamma']}/timeline",
        f"records/customer/{ids['gamma']}/phone/qr.svg",
        f"records/note/{ids['gamma']}",
    ):
        reply = await wang.send("GET", path)
        assert reply.status_code == 404, path
    stolen = {"orders": [{"id": ids["gamma won"], "title": "mine"}]}
    reply = await wang.patch("customer", ids["alpha"], stolen)
    assert reply.status_code in (403, 404, 422), reply.text
    assert (await trading["root"].get("order", ids["gamma won"]))["customer"] == ids["gamma"]


async def test_a_role_that_is_taken_counts_at_once_CVE_2026_46424(trading: Trading) -> None:
    wang, grants = trading["wang"], trading.service.identity.grants
    assert await wang.page("customer")
    mine = next(g for g in grants.list_grants("trade") if g.subject == trading.users["wang"])
    grants.take("trade", mine.id)
    problem(await wang.send("GET", "records/customer"), "app.not_found")
    grants.give("trade", "finance", "user", trading.users["wang"])
    assert len(await wang.page("customer")) == 3


async def test_only_admins_give_roles_and_explain_GHSA_6xp4_cf37_ppjh(trading: Trading) -> None:
    body = {"role": "finance", "kind": "user", "subject": trading.users["wang"]}
    for person in ("wang", "boss", "nobody"):
        problem(await trading[person].send("POST", "grants", body), "access.denied")
        problem(await trading[person].send("GET", "grants"), "access.denied")
        problem(await trading[person].send("GET", "roles"), "access.denied")
        path = f"records/customer/{trading.ids['alpha']}/explain"
        problem(await trading[person].send("GET", path, params={"actor": trading.users["li"]}), "access.denied")
        seen = await trading[person].send("GET", "records/customer", headers={"dougong-view-as": trading.users["li"]})
        problem(seen, "access.denied")
    assert (await trading["root"].send("POST", "grants", body)).status_code == 201


async def test_a_shared_view_tells_no_hidden_name(trading: Trading) -> None:
    root = trading["root"]
    view = {"entity": "customer", "label": "geheim", "shared": True, "filter": {"secret": {"_null": False}}}
    made = (await root.send("POST", "views", view)).json()["data"]
    wang = trading["wang"]
    assert "geheim" not in (await wang.send("GET", "views")).text
    problem(await wang.send("GET", f"views/{made['id']}"), "view.not_found")
    problem(await wang.send("GET", "records/customer", params={"view": made["id"]}), "view.not_found")
