"""What people see: rows, fields, masks, over every path a question can take."""

from __future__ import annotations

import pytest

from tests.support.service import problem
from tests.support.trading import Trading

pytestmark = pytest.mark.anyio


async def test_a_seller_sees_own_customers_whole_and_important_ones_in_part_CVE_2026_45718(trading: Trading) -> None:
    found = {row["name"]: row for row in await trading["wang"].page("customer")}
    assert sorted(found) == ["alpha", "beta"]
    assert "secret" not in found["alpha"]
    assert (found["alpha"]["phone"], found["alpha"]["limit"]) == ("13800001231", 100)
    assert (found["beta"]["phone"], found["beta"]["limit"], found["beta"]["owner"]) == ("138****1232", None, None)
    assert (await trading["wang"].get("customer", trading.ids["beta"]))["phone"] == "138****1232"
    missing = await trading["wang"].send("GET", f"records/customer/{trading.ids['gamma']}")
    problem(missing, "record.not_found")


async def test_rows_over_a_relation_and_a_field_by_stage(trading: Trading) -> None:
    found = {row["title"]: row["amount"] for row in await trading["wang"].page("order")}
    assert found == {"alpha won": 10, "alpha open": None}
    found = {row["title"]: row["amount"] for row in await trading["eastboss"].page("order")}
    assert found == {"alpha won": 10, "alpha open": 7, "beta won": 20, "beta open": 14}
    assert len(await trading["boss"].page("order")) == 6
    assert len(await trading["money"].page("order")) == 6


async def test_without_a_role_the_app_is_not_there(trading: Trading) -> None:
    hidden = await trading["nobody"].send("GET", "records/customer")
    absent = await trading["nobody"].client.get("/api/elsewhere/records/customer")
    assert problem(hidden, "app.not_found")["detail"] == problem(absent, "app.not_found")["detail"].replace(
        "elsewhere", "trade"
    )


async def test_roles_add_up_per_record_and_field(trading: Trading) -> None:
    found = {row["name"]: row for row in await trading["both"].page("customer")}
    assert sorted(found) == ["alpha", "beta", "gamma"]
    assert found["gamma"]["limit"] == 300
    assert found["gamma"]["phone"] is None  # finance gives the record, only the seller's rows give the phone
    assert found["beta"]["phone"] == "138****1232"


async def test_a_computed_field_is_shown_only_where_it_is_named(trading: Trading) -> None:
    own = (await trading["wang"].page("customer"))[0]
    assert "turnover" not in own  # it tells of orders that a seller does not wholly read
    assert "double" in own  # it reads the record alone
    rich = {row["name"]: row["turnover"] for row in await trading["money"].page("customer")}
    assert rich == {"alpha": 17, "beta": 34, "gamma": 51}
    chief = (await trading["boss"].page("customer"))[0]
    assert "turnover" not in chief


async def test_filters_sorts_groups_and_searches_see_what_is_seen(trading: Trading) -> None:
    wang = trading["wang"]
    assert await wang.page("customer", filter='{"phone":{"_eq":"13800001232"}}') == []
    assert len(await wang.page("customer", filter='{"phone":{"_eq":"138****1232"}}')) == 1
    assert await wang.page("customer", search="13800001232") == []
    assert [row["name"] for row in await wang.page("customer", sort="limit")] == ["beta", "alpha"]  # hidden is blank
    grouped = await wang.send(
        "POST",
        "records/order/aggregate",
        {"group_by": ["customer"], "measures": {"n": {"count": "*"}, "sum": {"sum": "amount"}}, "labels": True},
    )
    assert [(g["n"], g["sum"]) for g in grouped.json()["data"]] == [(2, "10.00")] or grouped.json()["data"][0]["n"] == 2
    counted = await wang.send("GET", "records/order", params={"count": "exact", "limit": "1"})
    assert counted.json()["meta"]["count"] == 2


async def test_hidden_names_are_unknown_names(trading: Trading) -> None:
    wang = trading["wang"]
    for params in (
        {"fields": "{}"},
        {"sort": "{}"},
        {"filter": '{{"{}":{{"_eq":"x"}}}}'},
        {"filter": '{} = "x"'},
        {"expand": "{}"},
    ):
        answers = []
        for name in ("secret", "sacred"):
            asked = {key: value.format(name) for key, value in params.items()}
            reply = await wang.send("GET", "records/customer", params=asked)
            document = reply.json()
            answers.append({**document, "instance": "", "detail": "", "errors": []} | {"text": reply.text.count(name)})
        assert answers[0]["code"] == "request.unknown_name", answers
        assert answers[0] == answers[1]
    reply = await wang.send("GET", "records/customer", params={"fields": "secre"})
    assert "secret" not in reply.text
    reply = await wang.send("GET", "records/note")
    assert problem(reply, "entity.not_found")
    assert "note" not in str(
        (await wang.send("GET", "records/notes")).json()["errors"] if "errors" in reply.json() else ""
    )


async def test_expand_shows_nothing_behind_a_hidden_record(trading: Trading) -> None:
    money = {row["title"]: row for row in await trading["money"].page("order", expand="customer")}
    assert money["gamma won"]["customer"]["name"] == "gamma"
    assert "phone" not in money["gamma won"]["customer"]
    await trading["root"].change("order", trading.ids["alpha won"], owner=trading.users["wang"])
    wang = await trading["wang"].page("customer", expand="orders")
    assert {row["name"]: len(row["orders"]) for row in wang if row["orders"]} == {"alpha": 2}


async def test_history_is_narrowed_too(trading: Trading) -> None:
    wang, root = trading["wang"], trading["root"]
    await root.change("customer", trading.ids["alpha"], secret="other", name="Alpha")
    newest = (await wang.timeline("customer", trading.ids["alpha"]))[0]
    assert newest["changes"] == {"name": ["alpha", "Alpha"]}
    problem(await wang.send("GET", f"records/customer/{trading.ids['gamma']}/timeline"), "record.not_found")
    seen = {event["record_id"] for event in await wang.feed()}
    assert {trading.name_of(one) for one in seen} == {"alpha", "beta", "alpha won", "alpha open"}
    beta = next(e for e in await wang.feed() if e["record_id"] == trading.ids["beta"])
    assert beta["changes"] == {"name": [None, "beta"], "phone": [None, "138****1232"]}
    assert len(await root.feed()) == 10


async def test_openapi_names_only_what_is_seen(trading: Trading) -> None:
    text = (await trading["wang"].send("GET", "openapi.json")).text
    assert '"secret"' not in text
    assert "turnover" not in text
    assert '"note"' not in text
    assert '"secret"' in (await trading["root"].send("GET", "openapi.json")).text
