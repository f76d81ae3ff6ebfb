"""Advisory classes of our peers, tried on the paths of rights; each case is named by its id (research: architecture, section 11)."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from tests.support.rights_app import definition
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
async def test_sql_injection_by_names_CVE_2026_28399_CVE_2024_24813_CVE_2026_34825_CVE_2026_72851_GHSA_h8cj_hpmg_636v(
    trading: Trading, text: str
) -> None:
    """Also CVE-2025-30212; CVE-2019-7164: the order of SQLAlchemy."""
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


async def test_aggregates_are_no_oracle_CVE_2026_35442_CVE_2026_72909_CVE_2025_10655(trading: Trading) -> None:
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


async def test_dotted_links_ask_at_every_hop_CVE_2026_66003_CVE_2023_37263(trading: Trading) -> None:
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


async def test_nested_paths_are_no_way_around_CVE_2026_47381_CVE_2026_28361_GHSA_g2hc_wmw2_32jr(
    trading: Trading,
) -> None:
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


_ODD_PATHS = (
    "/api/trade/records/note/%2e%2e/customer/{gamma}",
    "/api/trade/records/customer/%2e%2e%2f{gamma}",
    "/api//trade/records/customer/{gamma}",
    "/api/trade/records//customer/{gamma}",
    "//api/trade/records/customer/{gamma}",
    "/api/trade/records/customer;x=1/{gamma}",
    "/API/trade/records/customer/{gamma}",
    "/api/TRADE/records/customer/{gamma}",
    "/api/trade%2frecords/customer/{gamma}",
    "/api/trade/records/customer/{gamma}/",
    "/api/trade/records/customer/{gamma}%2ftimeline",
    "/api/trade/records/customer/{gamma}.json",
    "/builder/v1/apps/trade/%2e%2e/%2e%2e/apps",
)


@pytest.mark.parametrize("path", _ODD_PATHS)
async def test_no_spelling_of_a_path_leads_around_the_gate_CVE_2026_48147(trading: Trading, path: str) -> None:
    reply = await trading["wang"].client.get(path.replace("{gamma}", trading.ids["gamma"]))
    assert reply.status_code in (403, 404), reply.text
    assert "gamma" not in reply.text


async def test_what_a_proxy_might_believe_is_not_believed(trading: Trading) -> None:
    """Other methods, addresses and hosts in headers change nothing; links are made of the settings alone."""
    wang, alpha = trading["wang"], trading.ids["alpha"]
    for name in ("x-http-method-override", "x-http-method", "x-method-override"):
        reply = await wang.send("POST", f"records/customer/{alpha}", {"name": "x"}, headers={name: "DELETE"})
        problem(reply, "request.method")
    problem(await wang.send("GET", f"records/customer/{alpha}?_method=DELETE"), "query.invalid")
    lies = {"x-original-url": "/api/users", "x-rewrite-url": "/api/users", "x-forwarded-prefix": "/x"}
    lies |= {"host": "evil.test", "x-forwarded-host": "evil.test", "x-forwarded-proto": "gopher"}
    told = await wang.send("GET", "records/customer", headers=lies)
    assert told.status_code == 200
    assert "evil" not in told.text + str(told.headers)
    made = await wang.send("POST", "records/customer", {"name": "new"}, headers=lies)
    assert made.headers["location"].startswith("/api/trade/records/customer/")


async def test_a_parameter_counts_once_and_a_body_is_what_it_says_CVE_2026_21858(trading: Trading) -> None:
    wang, alpha = trading["wang"], trading.ids["alpha"]
    for query in ("sort=name&sort=secret", "fields=name&fields=secret", "filter={}&filter={}", "limit=1&limit=500"):
        problem(await wang.send("GET", f"records/customer?{query}"), "query.invalid")
    before = trading["root"].fingerprint()
    kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx")
    for kind in (*kinds, "application/json; charset=utf-16", "text/json", ""):
        odd = {"content-type": kind}
        reply = await wang.send("PATCH", f"records/customer/{alpha}", content=b'{"name":"x"}', headers=odd)
        problem(reply, "request.media_type")
    assert trading["root"].fingerprint() == before


async def test_names_of_prototypes_are_names_like_others_CVE_2026_33696_CVE_2026_24766(trading: Trading) -> None:
    for body in ({"__proto__": {"role": "admin"}}, {"constructor": {"prototype": 1}}, {"__class__": "x"}):
        reply = await trading["wang"].patch("customer", trading.ids["alpha"], body)
        problem(reply, "request.unknown_name")


@pytest.mark.parametrize(
    "text",
    [
        "{{''.__class__.__mro__}}",
        "{{[].append}}",
        "{{self}}",
        "{{config}}",
        "{{secret|attr('x')}}",
        "{{().__class__}}",
        "{{lipsum.__globals__}}",
    ],
)
async def test_texts_of_automations_hold_formulas_and_no_templates_CVE_2025_68929(trading: Trading, text: str) -> None:
    document = definition()
    tell = {"type": "notify", "to": [{"field": "owner"}], "subject": text}
    changed = {"type": "changed", "changes": [{"field": "region"}]}
    document["automations"] = [{"key": "a0", "label": "a", "entity": "customer", "trigger": changed, "actions": [tell]}]
    with pytest.raises(Problem):
        trading["root"].publish(document)


async def test_strangers_learn_no_release_CVE_2025_53887_CVE_2026_35413(trading: Trading) -> None:
    release = version("dougong")
    async with trading.service.client() as stranger:
        for path in ("/openapi.json", "/docs", "/healthz", "/readyz", "/api/auth/ways", "/nowhere"):
            reply = await stranger.get(path)
            assert release not in reply.text + str(reply.headers), path
            assert "server" not in reply.headers
            assert reply.headers["cross-origin-opener-policy"] == "same-origin"  # CVE-2026-35408


async def test_a_shared_view_tells_no_hidden_name(trading: Trading) -> None:
    root = trading["root"]
    view = {"entity": "customer", "label": "geheim", "shared": True, "filter": {"secret": {"_null": False}}}
    made = (await root.send("POST", "views", view)).json()["data"]
    wang = trading["wang"]
    assert "geheim" not in (await wang.send("GET", "views")).text
    problem(await wang.send("GET", f"views/{made['id']}"), "view.not_found")
    problem(await wang.send("GET", "records/customer", params={"view": made["id"]}), "view.not_found")
