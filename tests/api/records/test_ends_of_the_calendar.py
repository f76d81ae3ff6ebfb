"""The first and the last moment there are, where the clock of the app's zone is already beyond the years 1 to 9999: no write fails on them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import publish_definition
from tests.support.query_app import field
from tests.support.service import running

JSON = Any
pytestmark = pytest.mark.anyio
_MOMENTS = ("9999-12-31T20:00:00Z", "0001-01-01T00:00:00Z")
_DAYS = ("0001-01-01", "9999-12-31")
_TELL = {"type": "notify", "to": [{"field": "owner"}], "subject": "{{at}} {{on}}"}
_LOCK = {"key": "l", "label": "l", "entity": "deal"}


def _made(*actions: JSON) -> JSON:
    """An automation of every new deal."""
    return {
        "automations": [
            {"key": "a", "label": "a", "entity": "deal", "trigger": {"type": "created"}, "actions": list(actions)}
        ]
    }


def _set(key: str, formula: str) -> JSON:
    return {"type": "set_fields", "set": [{"field": key, "formula": formula}]}


@pytest.mark.parametrize(
    "zone, parts, kept_by",
    [
        ("Asia/Shanghai", _made(_TELL), None),
        ("Asia/Shanghai", _made(_set("day", "at")), None),
        ("Asia/Shanghai", _made(_set("moment", "on")), None),
        ("America/New_York", _made(_set("day", "at"), _TELL), None),
        ("Asia/Shanghai", {"locks": [{**_LOCK, "after": {"field": "at", "days": 2}, "fields": ["name"]}]}, "at"),
        ("Asia/Shanghai", {"locks": [{**_LOCK, "after": {"field": "on", "days": 2}, "fields": ["name"]}]}, "on"),
        ("America/New_York", {"locks": [{**_LOCK, "period": {"field": "at"}}]}, "at"),
    ],
)
async def test_they_are_written(
    migrated_database_url: str, tmp_path: Any, zone: str, parts: JSON, kept_by: str | None
) -> None:
    deal = [field("name", "text"), field("owner", "user"), field("at", "datetime"), field("on", "date")]
    deal += [field("day", "date"), field("moment", "datetime")]
    document = {
        "app": {"key": "shop", "label": "shop", "time_zone": zone},
        "entities": [{"key": "deal", "label": "deal", "fields": deal}],
        **parts,
    }
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        publish_definition(service.app.services.registry, document)
        service.add_user("root", "admin")
        ann = service.add_user("ann")
        async with service.client_of("root") as root:
            if "locks" in parts:
                await root.put("/api/shop/locks/l", json={"closed_until": "2026-01-01"})
            for at, on in ((at, on) for at in _MOMENTS for on in _DAYS):
                body = {"name": "x", "owner": ann.id, "at": at, "on": on}
                is_kept = kept_by is not None and body[kept_by] < "0002"
                made = await root.post("/api/shop/records/deal", json=body)
                if is_kept and made.status_code == 422:  # the period is closed
                    continue
                assert made.status_code == 201, made.text
                path = f"/api/shop/records/deal/{made.json()['data']['id']}"
                changed = await root.patch(path, json={"name": "y"})
                assert changed.status_code == (422 if is_kept else 200), changed.text
