"""What an app's OpenAPI says to people of different roles: what they may not write is marked, what they may not see is not there."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio


async def schemas_of(trading, name):
    reply = await trading[name].send("GET", "openapi.json")
    assert reply.status_code == 200, reply.text
    return reply.json()["components"]["schemas"]


def read_only(schema):
    return {key for key, field in schema["properties"].items() if field.get("readOnly")}


async def test_fields_a_role_may_not_write_are_read_only(trading):
    seller = await schemas_of(trading, "wang")
    assert {"owner", "limit"} <= read_only(seller["CustomerUpdate"])
    assert not {"name", "phone", "level"} & read_only(seller["CustomerUpdate"])
    assert "secret" not in seller["CustomerUpdate"]["properties"]
    assert seller["CustomerCreate"]["required"] == ["name"]
    assert "limit" not in seller["CustomerCreate"]["examples"][0]

    finance = await schemas_of(trading, "money")
    assert read_only(finance["OrderUpdate"]) == finance["OrderUpdate"]["properties"].keys() - {"amount"}
    assert "name" in read_only(finance["CustomerCreate"])
    assert "required" not in finance["CustomerCreate"] or finance["CustomerCreate"]["required"] == []


async def test_what_is_not_marked_can_be_written_and_what_is_cannot(trading):
    seller = await schemas_of(trading, "wang")
    marked = read_only(seller["CustomerUpdate"])
    values = {"name": "x", "phone": "13800009999", "level": "B", "region": "华东", "limit": 5, "owner": None}
    for key, value in values.items():
        reply = await trading["wang"].send("PATCH", f"records/customer/{trading.ids['alpha']}", {key: value})
        assert (reply.status_code == 200) == (key not in marked), (key, reply.text)


async def test_for_an_admin_nothing_is_marked(trading):
    schemas = await schemas_of(trading, "root")
    assert not read_only(schemas["CustomerUpdate"]) & {"name", "owner", "limit", "secret"}


async def test_writing_routes_of_views_take_a_key_as_all_others_do(trading):
    paths = (await trading["root"].send("GET", "openapi.json")).json()["paths"]
    for path, verb in (("views", "post"), ("views/{view}", "patch"), ("views/{view}", "delete")):
        named = {parameter["name"] for parameter in paths[f"/api/trade/{path}"][verb]["parameters"]}
        assert named == {"Idempotency-Key", "dry_run"}
    assert "parameters" not in paths["/api/trade/views"]["get"]
