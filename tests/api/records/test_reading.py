"""Reading: what is shown of records and of what they point to, filters in all their spellings, bounds, names that do not exist."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builder.kernel.canonical import parse_json
from tests.support.desk import Desk, many, one
from tests.support.prepared import Prepared
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio

SYSTEM = ["id", "revision", "created_at", "created_by", "updated_at", "updated_by"]


@pytest.fixture
async def world(desk: Desk, prepared: Prepared) -> dict[str, Any]:
    """Two regions, three customers of which one is a daughter, contacts and orders."""
    ann = prepared.users["ann"]
    east, west = await desk.create_many("region", [{"name": "华东"}, {"name": "西部"}])
    group = await desk.create(
        "customer", name="集团", level="A", region=east["id"], owner=ann, department=prepared.departments[1]
    )
    contacts = [{"name": "王", "owner": ann}, {"name": "李"}]
    daughter = await desk.create(
        "customer",
        name="子公司",
        level="B",
        region=west["id"],
        parent=group["id"],
        tags=["vip", "cold"],
        contacts=contacts,
    )
    lone = await desk.create("customer", name="散客")
    orders = [
        {"title": "first", "customer": daughter["id"], "amount": 100, "items": [{"product": "p", "qty": 1}]},
        {"title": "second", "customer": group["id"], "amount": "12.5", "state": "open"},
    ]
    made = await desk.create_many("order", orders)
    return {"east": east, "west": west, "group": group, "daughter": daughter, "lone": lone, "orders": made}


async def names(desk: Desk, **params: str | int) -> list[str]:
    return sorted(row["name"] for row in await desk.page("customer", **params))


# --- what is shown ----------------------------------------------------------------------------------------------------


async def test_to_one_relations_are_shown_over_several_steps(desk: Desk, world: dict[str, Any]) -> None:
    order = await desk.get("order", world["orders"][0]["id"], expand="customer.parent.region,customer.region")
    customer = order["customer"]
    assert customer["parent"]["region"] == world["east"]
    assert customer["region"] == world["west"]
    assert customer["parent"]["parent"] is None
    assert {**customer, "parent": world["group"]["id"], "region": world["west"]["id"]} == world["daughter"]
    listed = await desk.page("order", expand="customer.parent.region,customer.region", sort="title")
    assert listed[0] == order
    lone = await desk.get("customer", world["lone"]["id"], expand="parent.region,region")
    assert (lone["parent"], lone["region"]) == (None, None)


async def test_people_and_departments_are_shown_by_name(desk: Desk, world: dict[str, Any], prepared: Prepared) -> None:
    group = await desk.get("customer", world["group"]["id"], expand="owner,department")
    assert group["owner"] == {"id": prepared.users["ann"], "username": "ann", "name": "ann"}
    assert group["department"] == {"id": prepared.departments[1], "key": "east", "name": "华东"}
    some = await desk.get("customer", world["group"]["id"], fields="owner.name,department.key")
    assert some == {
        "id": group["id"],
        "owner": {"id": prepared.users["ann"], "name": "ann"},
        "department": {"id": prepared.departments[1], "key": "east"},
    }
    for name in ("owner.password_hash", "owner.name.x", "department.*.x"):
        reply = await desk.send("GET", "records/customer", params={"fields": name})
        assert pointers(problem(reply, "request.unknown_name")) == {"/fields/0": "unknown"}


async def test_children_within_what_is_shown_are_those_of_the_right_record(desk: Desk, world: dict[str, Any]) -> None:
    order = await desk.get(
        "order", world["orders"][0]["id"], expand="customer.contacts.owner,customer.parent.contacts,customer.owner"
    )
    contacts = {row["name"]: row["owner"] for row in order["customer"]["contacts"]}
    assert (contacts["李"], contacts["王"]["username"]) == (None, "ann")
    assert order["customer"]["parent"]["contacts"] == []
    rows = await desk.page("customer", expand="contacts.customer.region,parent.contacts", sort="name")
    shown = {row["name"]: row for row in rows}
    assert {row["customer"]["region"]["name"] for row in shown["子公司"]["contacts"]} == {"西部"}
    assert shown["子公司"]["parent"]["contacts"] == []
    assert shown["散客"]["contacts"] == []
    deep = await desk.page("region", expand="", fields="name")
    assert len(deep) == 2
    back = await desk.page("contact", expand="customer.contacts.customer", sort="name")
    assert all(len(row["customer"]["contacts"]) == 2 for row in back)


async def test_only_the_wanted_fields_are_shown(desk: Desk, world: dict[str, Any]) -> None:
    record_id = world["daughter"]["id"]
    some = await desk.get("customer", record_id, fields="name,tags")
    assert some == {"id": record_id, "name": "子公司", "tags": ["vip", "cold"]}
    assert list(await desk.get("customer", record_id, fields="*")) == [
        *SYSTEM,
        *("name", "level", "region", "parent", "tags", "owner", "department"),
    ]
    nested = await desk.get("customer", record_id, fields="region.name,parent.region.name,level")
    assert nested == {
        "id": record_id,
        "level": "B",
        "region": {"id": world["west"]["id"], "name": "西部"},
        "parent": {"id": world["group"]["id"], "region": {"id": world["east"]["id"], "name": "华东"}},
    }
    star = await desk.get("customer", record_id, fields="region.*,name")
    assert star == {"id": record_id, "name": "子公司", "region": world["west"]}
    both = await desk.get("customer", record_id, fields="name", expand="region")
    assert both == {"id": record_id, "name": "子公司", "region": world["west"]}
    again = await desk.get("customer", record_id, fields="region,region.name,name,name")
    assert again == {"id": record_id, "name": "子公司", "region": {"id": world["west"]["id"], "name": "西部"}}
    contacts = await desk.get("customer", record_id, fields="contacts.name")
    assert sorted(row["name"] for row in contacts["contacts"]) == ["李", "王"]
    assert list((await desk.get("customer", record_id, fields="*,contacts"))["contacts"][0]) == [
        *SYSTEM,
        *("customer", "name", "owner", "backup"),
    ]


async def test_unknown_names_are_all_told_with_the_nearest(desk: Desk, world: dict[str, Any]) -> None:
    params = {
        "fields": "nmae,region.nmae,tags.x",
        "expand": "regoin,name",
        "sort": "levle,-region.naem,tags",
        "filter": json.dumps({"levl": "A", "region": {"_eqq": 1}, "name": {"_contains": 5}}),
    }
    reply = await desk.send("GET", "records/customer", params=params, headers={"accept-language": "en"})
    document = problem(reply, "request.unknown_name")
    assert pointers(document) == {
        "/fields/0": "unknown",
        "/fields/1": "unknown",
        "/fields/2": "relation",
        "/expand/0": "unknown",
        "/expand/1": "relation",
        "/sort/0": "unknown",
        "/sort/1": "unknown",
        "/sort/2": "query",
        "/filter/levl": "name",
        "/filter/region/_eqq": "name",
        "/filter/name/_contains": "type",
    }
    hints = {error["pointer"]: error["detail"] for error in document["errors"]}
    for pointer, name in [
        ("/fields/0", "name"),
        ("/expand/0", "region"),
        ("/sort/0", "level"),
        ("/filter/levl", "level"),
    ]:
        assert f'did you mean "{name}"?' in hints[pointer], hints[pointer]
    reply = await desk.send("GET", "records/customer", params={"fiter": "{}"}, headers={"accept-language": "en"})
    assert 'did you mean "filter"?' in problem(reply, "query.invalid")["detail"]
    one_record = f"records/customer/{world['lone']['id']}"
    for params in ({"sort": "name"}, {"filter": "{}"}, {"limit": "5"}, {"cursor": "x"}, {"count": "exact"}):
        problem(await desk.send("GET", one_record, params=params), "query.invalid")
    assert "region" in (await desk.send("GET", "records/regoin", headers={"accept-language": "en"})).json()["detail"]


# --- filters in all their spellings -----------------------------------------------------------------------------------


async def test_one_condition_in_every_spelling(desk: Desk, world: dict[str, Any]) -> None:
    tree = {"level": {"_eq": "A"}}
    spellings: list[dict[str, str]] = [
        {"filter": json.dumps(tree)},
        {"filter": json.dumps({"level": "A"})},
        {"filter": 'level = "A"'},
        {"filter[level][_eq]": "A"},
        {"filter[level]": "A"},
        {"filter[_or][0][level]": "A", "filter[_or][1][level]": "C"},
        {"filter[level][_in]": "A,C"},
        {"filter[region][name]": "华东"},
        {"filter[region.name][_eq]": "华东"},
        {"filter": json.dumps({"region": {"name": {"_starts_with": "华"}}})},
    ]
    for params in spellings:
        assert await names(desk, **params) == ["集团"], params
    assert [row["name"] for row in many(await desk.query("customer", filter=tree))] == ["集团"]
    assert [row["name"] for row in many(await desk.query("customer", filter='level = "A"'))] == ["集团"]
    everything: list[Any] = [None, {}]
    for nothing in everything:
        assert len(many(await desk.query("customer", filter=nothing))) == 3


async def test_a_query_string_has_only_text_and_it_is_read_by_the_type(desk: Desk, world: dict[str, Any]) -> None:
    thing = await desk.create(
        "thing", whole=-5, exact="1.250", wide="12345678901234.5678", flag=True, day="2026-11-22", price=9, share="0.5"
    )
    await desk.create("thing", flag=False, whole=7)
    questions = {
        "filter[whole][_lt]": "0",
        "filter[exact][_eq]": "1.25",
        "filter[wide][_gte]": "12345678901234.5678",
        "filter[flag]": "true",
        "filter[day][_between]": "2026-11-01,2026-11-30",
        "filter[price][_in]": "9.00,10",
        "filter[share][_nnull]": "true",
        "filter[exact][_null]": "false",
        "filter[moment][_null]": "true",
        "filter[flag][_ne]": "false",
        "filter[_and][0][whole]": "-5",
    }
    for name, value in questions.items():
        found = [row["id"] for row in await desk.page("thing", **{name: value, "filter[whole][_nnull]": "true"})]
        assert thing["id"] in found, name
        if name != "filter[moment][_null]":
            assert found == [thing["id"]], name
    for name, value in [
        ("filter[whole]", "five"),
        ("filter[flag]", "perhaps"),
        ("filter[day][_gt]", "tomorrow"),
        ("filter[whole][_null]", "maybe"),
        ("filter[whole][_between]", "1"),
        ("filter[level]", "Z"),
    ]:
        assert problem(await desk.send("GET", "records/thing", params={name: value}), "query.invalid")["errors"]


async def test_brackets_that_make_no_tree(desk: Desk) -> None:
    for query in (
        "filter[name=x",
        "filter[]=x",
        "filter[name][]=x",
        "filter[name]x[_eq]=x",
        "filter[name]=a&filter[name]=b",
        "filter[name]=a&filter[name][_eq]=b",
        "filter[name][_eq]=b&filter[name]=a",
        "filter[name]=a&filter={}",
        "filter" + "[a]" * 40 + "=1",
        "sort=name&sort=-name",
        "limit=1&limit=1",
        "fields=name&fields=level",
    ):
        reply = await desk.send("GET", f"records/customer?{query}")
        document = reply.json()
        assert reply.status_code == 400, (query, document)
        problem(reply, document["code"])


async def test_ids_of_any_spelling_mean_the_same_and_others_are_refused(desk: Desk, world: dict[str, Any]) -> None:
    east, group = world["east"]["id"], world["group"]["id"]
    for value in (east, east.upper()):
        assert await names(desk, **{"filter[region]": value}) == ["集团"]
        assert await names(desk, **{"filter[region][_in]": f"{value},{group}"}) == ["集团"]
        assert await names(desk, filter=f'region = "{value}"') == ["集团"]
        assert await names(desk, filter=json.dumps({"region": {"id": value}})) == ["集团"]
        assert await names(desk, **{"filter[id]": value}) == []
    for filter_, pointer in [
        ({"region": "east"}, "/filter/region"),
        ({"_or": [{"name": "x"}, {"region": {"_ne": "east"}}]}, "/filter/_or/1/region/_ne"),
        ({"region": {"_in": [east, "x'--"]}}, "/filter/region/_in/1"),
        ({"owner": {"_eq": "ann"}}, "/filter/owner/_eq"),
        ({"contacts": {"_some": {"owner": "me"}}}, "/filter/contacts/_some/owner"),
        ({"id": "7"}, "/filter/id"),
        ({"contacts": {"_has": "7"}}, "/filter/contacts/_has"),
    ]:
        document = problem(await desk.query("customer", filter=filter_), "query.invalid")
        assert pointers(document) == {pointer: "type"}
    problem(await desk.query("customer", filter='region = "east"'), "query.invalid")


async def test_sets_are_compared_as_sets(desk: Desk, world: dict[str, Any]) -> None:
    for tags in (["vip", "cold"], ["cold", "vip"], ["cold", "vip", "cold"]):
        assert [r["name"] for r in many(await desk.query("customer", filter={"tags": {"_eq": tags}}))] == ["子公司"]
    assert await names(desk, **{"filter[tags][_has_all]": "cold,vip"}) == ["子公司"]
    assert await names(desk, **{"filter[tags][_has_none]": "cold,new"}) == ["散客", "集团"]
    assert [r["name"] for r in many(await desk.query("customer", filter={"tags": {"_eq": []}}, sort=["name"]))] == [
        "散客",
        "集团",
    ]


async def test_conditions_over_relations_of_relations(desk: Desk, world: dict[str, Any]) -> None:
    cases: list[tuple[Any, list[str]]] = [
        ({"parent": {"region": {"name": "华东"}}}, ["子公司"]),
        ({"parent": {"parent": {"name": {"_null": True}}}}, ["子公司", "散客", "集团"]),
        ({"contacts": {"_some": {"name": "王", "owner": {"_nnull": True}}}}, ["子公司"]),
        ({"contacts": {"_none": {}}}, ["散客", "集团"]),
        ({"orders": {"_some": {"items": {"_some": {"qty": {"_gt": 0}}}}}}, ["子公司"]),
        ({"orders": {"_some": {"customer": {"parent": {"level": "A"}}}}}, ["子公司"]),
        ({"orders": {"_all": {"amount": {"_lt": 50}}}}, ["散客", "集团"]),
        ({"contacts": {"_some": {"customer": {"region": {"name": "西部"}}}}, "region": {"name": "西部"}}, ["子公司"]),
    ]
    for tree, expected in cases:
        assert sorted(row["name"] for row in many(await desk.query("customer", filter=tree))) == expected, tree


async def test_the_present_user_and_moment_in_filters(desk: Desk, world: dict[str, Any]) -> None:
    async with desk.service.client_of("ann", "records:read") as client:
        theirs = Desk(desk.service, client)
        assert await names(theirs, **{"filter[owner]": "$CURRENT_USER"}) == ["集团"]
        assert await names(theirs, filter="owner = CURRENTUSER()") == ["集团"]
    assert await names(desk, **{"filter[owner]": "$CURRENT_USER"}) == []
    assert len(await names(desk, **{"filter[created_at][_gte]": "$NOW(-1 hour)"})) == 3
    from datetime import timedelta

    desk.service.clock.advance(timedelta(hours=2))
    assert await names(desk, **{"filter[created_at][_gte]": "$NOW(-1 hour)"}) == []


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_bounds_of_a_list(desk: Desk) -> None:
    await desk.create_many("region", [{"name": f"r{n:03}"} for n in range(60)])
    for limit, count in [(0, 0), (1, 1), (50, 50), (500, 60)]:
        reply = await desk.send("GET", "records/region", params={"limit": limit, "count": "exact"})
        answer = parse_json(reply.content)
        assert (len(answer["data"]), answer["meta"]["count"]) == (count, 60)
        assert (answer["meta"]["next_cursor"] is None) == (count in (0, 60))
    reply = await desk.send("GET", "records/region")
    assert len(many(reply)) == 50
    assert "count" not in reply.json()["meta"]
    for text in ("-1", "501", "1.5", "x", "", "９", "99999999999999999999", "1e2", "+5"):
        problem(await desk.send("GET", "records/region", params={"limit": text}), "query.invalid")
    wrong: list[Any] = [-1, 501, 10**40, "5", True, None, 1.5, []]
    for value in wrong:
        problem(await desk.query("region", limit=value), "query.invalid")
    for text in ("all", "", "EXACT"):
        problem(await desk.send("GET", "records/region", params={"count": text}), "query.invalid")
    filtered = await desk.query("region", filter={"name": {"_lt": "r010"}}, count="exact", limit=3)
    assert filtered.json()["meta"]["count"] == 10


async def test_bounds_of_names(desk: Desk, world: dict[str, Any]) -> None:
    await desk.page("order", expand="customer.parent.parent", fields="customer.parent.parent.name")
    for params in (
        {"expand": "customer.parent.parent.parent"},
        {"fields": "customer.parent.parent.parent.name"},
        {"sort": "customer.parent.parent.parent.name"},
        {"sort": ",".join(["title"] * 9)},
        {"expand": ",".join(["customer"] * 21)},
        {"fields": ",".join(["title"] * 301)},
    ):
        problem(await desk.send("GET", "records/order", params=params), "query.invalid")
    assert many(await desk.query("order", sort=["title", "title", "-title"]))


async def test_more_relations_than_a_database_joins_are_refused(desk: Desk) -> None:
    from tests.support import shop

    document = shop.definition()
    wheel = [shop.field("reference", f"r{n}", entity="wheel", on_delete="set_null") for n in range(60)]
    document["entities"].append({"key": "wheel", "label": "wheel", "fields": wheel})
    desk.publish(document)
    hub = (await desk.create("wheel"))["id"]
    spokes = (await desk.create("wheel", **{f"r{n}": hub for n in range(60)}))["id"]
    paths = [f"r{a}.r{b}.id" for a in range(6) for b in range(6)]  # 6 relations and 36 behind them
    shown = await desk.send("GET", f"records/wheel/{spokes}", params={"fields": ",".join(paths)})
    problem(shown, "query.invalid")
    fewer = await desk.send("GET", f"records/wheel/{spokes}", params={"fields": ",".join(paths[:30])})
    assert one(fewer)["r4"]["r5"] is None
    many_paths = {"_or": [{f"r{a}": {f"r{b}": {"revision": 1}}} for a in range(6) for b in range(6)]}
    assert pointers(problem(await desk.query("wheel", filter=many_paths), "query.invalid")) == {"/filter": "relations"}
    assert (await desk.query("wheel", filter={"_or": many_paths["_or"][:30]})).status_code == 200
