"""What a publish adds can be used by the very next request, also by one that the version before would have refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from builder.definition.parse import parse_definition
from builder.registry.apps import put_draft
from builder.registry.publishing import publish_draft
from tests.support.service import problem
from tests.support.visits import APP, RECORDS, publish_visits

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(service):
    publish_visits(service)
    async with service.client_of("member", "records:read", "records:write") as made:
        assert (await made.get(RECORDS)).status_code == 200  # the first version is pinned
        yield made


def publish(service, changed: dict[str, Any]) -> None:
    registry = service.app.services.registry
    put_draft(registry, parse_definition(changed), None)
    publish_draft(registry, "field", base_version=1, plan_hash=None)


async def test_a_new_entity(service, client):
    problem(await client.get("/api/field/records/area"), "entity.not_found")
    publish(service, {**APP, "entities": [*APP["entities"], {"key": "area", "label": "区域", "fields": []}]})
    assert (await client.get("/api/field/records/area")).status_code == 200


@pytest.mark.parametrize("request_", ["filter", "sort", "fields", "create", "looser"])
async def test_a_new_field_or_a_looser_rule(service, client, request_):
    changed = copy.deepcopy(APP)
    fields = changed["entities"][0]["fields"]
    fields.append({"key": "size", "type": "integer", "label": "规模"})
    next(field for field in fields if field["key"] == "stars")["maximum"] = 10
    publish(service, changed)
    match request_:
        case "filter":
            reply = await client.get(RECORDS, params={"filter": '{"size":{"_gt":1}}'})
        case "sort" | "fields":
            reply = await client.get(RECORDS, params={request_: "size"})
        case "create":
            reply = await client.post(RECORDS, json={"size": 3})
        case _:
            reply = await client.post(RECORDS, json={"stars": 9})
    assert reply.status_code in (200, 201), reply.text


async def test_what_no_version_knows_stays_refused(client):
    problem(await client.get(RECORDS, params={"sort": "nothing"}), "request.unknown_name")
    problem(await client.post(RECORDS, json={"stars": 11}), "record.invalid")
