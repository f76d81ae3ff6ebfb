"""Who may press a button and claim from a pool, where neither says who: people who may change the record, and not whoever sees it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import publish_definition
from tests.support.query_app import field
from tests.support.service import problem, running

JSON = Any
pytestmark = pytest.mark.anyio
_PRESSED = {"type": "set_fields", "set": [{"field": "note", "value": "pressed"}]}
_NEVER = {"when": 'name = "never"', "people": [{"field": "owner"}]}
_POOL = {"key": "pool", "label": "pool", "entity": "lead", "person": "owner", "otherwise": "pool", "pool": {}}


def _document() -> JSON:
    lead = [field("name", "text"), field("note", "text"), field("owner", "user")]
    own = {"entity": "lead", "rows": "owner = CURRENTUSER()", "may": ["read", "update"]}
    grants = {
        "reader": [{"entity": "lead"}],
        "seller": [own, {"entity": "lead", "rows": "ISBLANK(owner)"}],
        "other": [{"entity": "lead"}, {"entity": "lead", "rows": 'name = "x"', "may": ["update"]}],
    }
    button = {"type": "button", "label": "b"}
    made = {"entity": "lead", "trigger": {"type": "created"}, "actions": [{"type": "assign", "rule": "pool"}]}
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [{"key": "lead", "label": "lead", "fields": lead}],
        "roles": [{"key": key, "label": key, "grants": listed} for key, listed in grants.items()],
        "assignments": [{**_POOL, "steps": [_NEVER]}],
        "automations": [
            {"key": "push", "label": "push", "entity": "lead", "trigger": button, "actions": [_PRESSED]},
            {"key": "made", "label": "made", **made},
        ],
    }


@pytest.mark.parametrize(
    "role, presses, claims, presses_then",
    [("reader", False, False, False), ("seller", False, True, True), ("other", True, True, True)],
)
async def test_who_only_sees_a_record_neither_presses_nor_claims(
    migrated_database_url: str, tmp_path: Any, role: str, presses: bool, claims: bool, presses_then: bool
) -> None:
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        publish_definition(service.app.services.registry, _document())
        service.add_user("root", "admin")
        ann = service.add_user("ann")
        service.identity.grants.give("shop", role, "user", ann.id)
        async with service.client_of("root") as root, service.client_of("ann") as client:
            lead = (await root.post("/api/shop/records/lead", json={"name": "x"})).json()["data"]["id"]
            path = f"/api/shop/records/lead/{lead}"

            async def press() -> bool:
                (button,) = (await client.get(f"{path}/actions")).json()["data"]
                reply = await client.post(f"{path}/actions/push", json={})
                if reply.status_code != 200:
                    problem(reply, "access.denied")
                assert button["possible"] is (reply.status_code == 200)
                return reply.status_code == 200

            assert await press() is presses
            claimed = await client.post(f"{path}/claim", json={})
            if not claims:
                problem(claimed, "access.denied")
            assert (await root.get(path)).json()["data"]["owner"] == (ann.id if claims else None)
            assert await press() is presses_then
