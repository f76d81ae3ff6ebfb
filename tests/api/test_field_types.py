"""The further field types as a front end sees them: written, read, filtered, sorted, expanded, on both databases."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from tests.support.service import pointers, problem
from tests.support.visits import RECORDS, publish_visits

pytestmark = pytest.mark.anyio
WHOLE: dict[str, Any] = {
    "name": "首访",
    "stars": 4,
    "at": "09:30",
    "took": 5400,
    "tags": ["VIP", "老客户"],
    "notes": "<p>好<script>x</script></p>",
    "place": {"lat": 31.2304, "lng": 121.4737},
    "address": {"region": "320583", "street": "前进路1号"},
    "promise": {"on": "2026-12-01", "text": "付款"},
    "code": "https://example.com/1",
    "credit": "91350100m000100y43",
}
SHOWN = {
    **WHOLE,
    "at": "09:30:00",
    "notes": "<p>好</p>",
    "address": {"region": "320583", "name": "江苏省苏州市昆山市", "street": "前进路1号"},
    "credit": "91350100M000100Y43",
    "photos": [],
}


@pytest.fixture
async def client(service):
    publish_visits(service)
    async with service.client_of("member", "records:read", "records:write") as made:
        yield made


async def create(client, **values):
    reply = await client.post(RECORDS, json=values)
    assert reply.status_code == 201, reply.text
    return reply.json()["data"]


async def found(client, condition, sort="-created_at"):
    reply = await client.get(RECORDS, params={"filter": json.dumps(condition), "sort": sort})
    assert reply.status_code == 200, reply.text
    return [record["name"] for record in reply.json()["data"]]


async def test_what_is_written_is_read_back_in_its_one_form(service, client):
    made = await create(client, **WHOLE)
    read = (await client.get(f"{RECORDS}/{made['id']}")).json()["data"]
    assert {key: read[key] for key in SHOWN} == SHOWN
    assert read == made
    assert read["made_at"] == read["created_at"]
    assert read["made_by"] == read["created_by"] == service.identity.users.find_by_username("member").id


async def test_every_wrong_value_is_told_at_once(client):
    wrong = {
        "stars": 6,
        "at": "25:00",
        "took": -1,
        "tags": "x",
        "place": {"lat": 91, "lng": 0},
        "address": {"region": "999999"},
        "promise": {"text": "x"},
        "credit": "91350100M000100Y44",
        "made_at": "2026-01-01T00:00:00Z",
        "team": [str(uuid4())],
        "photos": [str(uuid4())],
    }
    document = problem(await client.post(RECORDS, json=wrong), "record.invalid")
    assert pointers(document) == {
        "/stars": "maximum",
        "/at": "time",
        "/took": "minimum",
        "/tags": "type",
        "/place": "range",
        "/address": "region",
        "/promise/on": "required",
        "/credit": "social_credit_code",
        "/made_at": "read_only",
        "/team": "reference",
        "/photos": "reference",
    }


async def test_a_part_that_is_wrong_and_a_length_in_the_wrong_unit_are_named(client):
    for promise, pointer in (
        ({"on": "2026-02-30"}, "/promise/on"),
        ({"on": "2026-02-03", "text": 5}, "/promise/text"),
        ("x", "/promise"),
    ):
        document = problem(await client.post(RECORDS, json={"name": "x", "promise": promise}), "record.invalid")
        assert list(pointers(document)) == [pointer]
    unknown = await client.post(RECORDS, json={"promise": {"on": "2026-02-03", "a/b": 5}})
    assert pointers(problem(unknown, "request.unknown_name")) == {"/promise/a~1b": "unknown"}
    for took in ("1h", -1):
        reply = await client.post(RECORDS, json={"name": "x", "took": took}, headers={"accept-language": "en"})
        assert "seconds" in problem(reply, "record.invalid")["errors"][0]["detail"]


async def test_people_in_a_set_must_exist_and_can_be_shown(service, client):
    users = [service.identity.users.find_by_username(name).id for name in ("member", "admin")]
    nobody = str(uuid4())
    refused = await client.post(RECORDS, json={"name": "x", "team": [*users, nobody]})
    assert pointers(problem(refused, "record.invalid")) == {"/team": "reference"}

    made = await create(client, name="同行", team=users)
    refused = await client.patch(f"{RECORDS}/{made['id']}", json={"team": [nobody]})
    assert pointers(problem(refused, "record.invalid")) == {"/team": "reference"}

    shown = (await client.get(f"{RECORDS}/{made['id']}?expand=team,photos")).json()["data"]
    assert [user["username"] for user in shown["team"]] == ["member", "admin"]
    assert shown["photos"] == []
    assert await found(client, {"team": {"_has": users[1]}}) == ["同行"]
    assert await found(client, {"team": {"_has": nobody}}) == []


async def test_filters_and_sorts_reach_the_new_types(service, client):
    await create(client, **WHOLE)
    service.clock.advance(timedelta(hours=1))
    await create(client, name="复访", stars=2, at="14:00", took=60, tags=["新"], address={"region": "110105"})
    for condition, names in [
        ({"stars": {"_gte": 3}}, ["首访"]),
        ({"at": {"_gt": "10:00"}}, ["复访"]),
        ({"took": {"_between": [0, 60]}}, ["复访"]),
        ({"tags": {"_has": "VIP"}}, ["首访"]),
        ({"tags": {"_has_any": ["新", "旧"]}}, ["复访"]),
        ({"address": {"_starts_with": "32"}}, ["首访"]),
        ({"address": {"_contains": "朝阳"}}, ["复访"]),
        ({"place": {"_null": True}}, ["复访"]),
        ({"promise": {"_nnull": True}}, ["首访"]),
        ({"made_at": {"_gt": "2026-11-22T08:30:00Z"}}, ["复访"]),
        ({"made_by": {"_eq": "$CURRENT_USER"}}, ["复访", "首访"]),
    ]:
        assert await found(client, condition) == names, condition
    for sort, names in [("at", ["首访", "复访"]), ("-took", ["首访", "复访"]), ("-made_at", ["复访", "首访"])]:
        assert await found(client, {}, sort) == names, sort


async def test_pages_go_on_behind_a_field_that_shows_a_system_field(service, client):
    for name in "abc":
        await create(client, name=name)
        service.clock.advance(timedelta(minutes=1))
    names, cursor = [], None
    while True:
        params = {"sort": "-made_at", "limit": 1, "fields": "name,made_at"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(RECORDS, params=params)).json()
        names += [record["name"] for record in page["data"]]
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
    assert names == ["c", "b", "a"]


async def test_a_record_may_come_back_whole(service, client):
    made = await create(client, **WHOLE)
    made.pop("hours")
    service.clock.advance(timedelta(minutes=5))
    reply = await client.patch(f"{RECORDS}/{made['id']}", json=made)
    assert reply.status_code == 200, reply.text
    assert reply.json()["data"]["revision"] == 1

    changed = (await client.patch(f"{RECORDS}/{made['id']}", json={**made, "stars": 5})).json()["data"]
    assert (changed["changed_at"], changed["stars"]) == (changed["updated_at"], 5)
    assert changed["changed_at"] != changed["made_at"]
    wrong = await client.patch(f"{RECORDS}/{made['id']}", json={"made_by": "somebody"})
    assert pointers(problem(wrong, "record.invalid")) == {"/made_by": "read_only"}


async def test_the_apps_document_names_them(client):
    document = (await client.get("/api/field/openapi.json")).json()
    schemas = document["components"]["schemas"]
    assert schemas["Visit"]["properties"]["team"]["type"] == "array"
    assert "made_at" in schemas["Visit"]["properties"]
    assert "made_at" not in schemas["VisitCreate"]["properties"]
    assert {"/api/field/files", "/api/field/files/{id}"} <= document["paths"].keys()
    made = (await client.post("/api/field/files", content=b"plain")).json()["data"]
    jsonschema.Draft202012Validator(schemas["File"]).validate(made)
