"""What a token is for: a reading one changes nothing on any route, one for an app knows no other (CVE-2026-65595 and its kind)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.test_routes import framework_routes
from tests.support.service import bearer, problem
from tests.support.trading import Trading

JSON = Any
pytestmark = pytest.mark.anyio

_WRITING = ("POST", "PUT", "PATCH", "DELETE")
_DOORS = ("/api/auth/", "/api/shared/open", "/forms/", "/hooks/")
"""Where no token is looked at, or only a person in person comes through."""

_RECORD = "records/customer/{alpha}"
_WRITES: list[tuple[str, str, JSON]] = [
    ("POST", "records/customer", {"name": "x"}),
    ("PATCH", _RECORD, {"name": "x"}),
    ("DELETE", _RECORD, None),
    ("POST", "records/customer/batch", {"create": [{"name": "x"}]}),
    ("POST", "batch", {"items": [{"verb": "create", "entity": "customer", "record": {"name": "x"}}]}),
    ("PATCH", 'records/customer?max_affected=9&filter=level = "B"', {"name": "x"}),
    ("DELETE", 'records/customer?max_affected=9&filter=level = "B"', None),
    ("POST", f"{_RECORD}/claim", None),
    ("POST", f"{_RECORD}/release", {"reason": "x"}),
    ("POST", f"{_RECORD}/timers/x/acknowledge", None),
    ("POST", f"{_RECORD}/timers/x/snooze", {"for": "2 h"}),
    ("POST", f"{_RECORD}/transitions/x", {}),
    ("POST", f"{_RECORD}/actions/x", None),
    ("POST", f"{_RECORD}/approvals", {"approval": "x"}),
    ("POST", f"{_RECORD}/merge", {"others": ["{beta}"]}),
    ("POST", f"{_RECORD}/restore", None),
    ("POST", "views", {"entity": "customer", "label": "x"}),
    ("POST", "automations/x/disable", None),
    ("POST", "automations/runs/{alpha}/retry", None),
    ("POST", "shares", {"share": {"entity": "customer", "id": "{alpha}"}, "fields": ["name"]}),
    ("POST", "grants", {"role": "seller", "kind": "everyone"}),
]


def _named(trading: Trading, value: Any) -> Any:
    if isinstance(value, str):
        for name in ("alpha", "beta"):
            value = value.replace("{" + name + "}", trading.ids[name])
        return value
    if isinstance(value, dict):
        return {key: _named(trading, part) for key, part in value.items()}
    return [_named(trading, part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("who", ["root", "wang"])
async def test_a_reading_token_changes_nothing_on_any_route_CVE_2026_65595(trading: Trading, who: str) -> None:
    service, root = trading.service, trading["root"]
    wrong: list[tuple[Any, ...]] = []
    before = root.fingerprint()
    async with service.client(headers=bearer(service.token_of(who, "records:read"))) as client:
        for method, path in framework_routes(service):
            if method in _WRITING and not any(door in path for door in _DOORS):
                place = path.replace("{app}", "trade").replace("{", "").replace("}", "")
                reply = await client.request(method, place, json={} if method != "DELETE" else None)
                wrong += [] if reply.status_code == 403 else [(method, path, reply.status_code)]
        for method, path, body in _WRITES:
            reply = await client.request(method, f"/api/trade/{_named(trading, path)}", json=_named(trading, body))
            wrong += [] if reply.status_code in (403, 404) else [(method, path, reply.status_code, reply.text[:200])]
        reply = await client.post("/api/trade/files", content=b"x", headers={"content-type": "text/plain"})
        wrong += [] if reply.status_code == 403 else [("POST", "files", reply.status_code)]
    assert wrong == []
    assert root.fingerprint() == before


async def test_a_token_for_an_app_is_for_no_other_CVE_2026_82242(trading: Trading) -> None:
    service = trading.service
    everything = ("admin", "builder", "records:read", "records:write")
    grant = {"role": "finance", "kind": "user", "subject": trading.users["wang"]}
    async with service.client(headers=bearer(service.token_of("root", *everything, "app:other"))) as client:
        for method, path, body in (
            ("GET", "/api/trade/records/customer", None),
            ("GET", "/api/trade/grants", None),
            ("POST", "/api/trade/grants", grant),
            ("GET", "/api/trade/roles", None),
            ("GET", "/api/trade/locks", None),
            ("GET", "/api/trade/automations", None),
            ("GET", "/api/trade/shares", None),
            ("GET", "/builder/v1/apps/trade/draft", None),
            ("POST", "/builder/v1/apps/trade/publish", {}),
            ("DELETE", "/builder/v1/apps/trade", None),
            ("POST", "/builder/v1/apps/trade/test", {}),
        ):
            problem(await client.request(method, path, json=body), "app.not_found")
        for path in ("/api/users", "/api/security-events", "/api/connections", "/builder/v1/apps"):
            problem(await client.get(path), "access.denied")  # the installation is not an app
        problem(await client.post("/builder/v1/apps", json={}), "access.denied")
        reply = await client.get("/api/trade/records/customer", headers={"dougong-view-as": trading.users["wang"]})
        problem(reply, "app.not_found")
    async with service.client(headers=bearer(service.token_of("root", *everything, "app:trade"))) as client:
        assert (await client.get("/api/trade/grants")).status_code == 200
        assert (await client.get("/builder/v1/apps/trade/draft")).status_code == 200


async def test_jobs_and_messages_of_other_apps_are_not_there(trading: Trading) -> None:
    service = trading.service
    begun = await trading["boss"].send("POST", "records/customer/export", {})
    job = begun.json()["data"]["job_id"]
    narrowed: list[tuple[tuple[str, ...], bool]] = [(("app:trade",), True), (("app:other",), False), ((), True)]
    for scopes, sees in narrowed:
        token = service.token_of("boss", "records:read", "records:write", *scopes)
        async with service.client(headers=bearer(token)) as client:
            assert ([one["id"] for one in (await client.get("/api/jobs")).json()["data"]] == [job]) is sees
            assert ((await client.get(f"/api/jobs/{job}")).status_code == 200) is sees
            assert ((await client.post(f"/api/jobs/{job}/cancel")).status_code in (200, 409)) is sees
    of_admins = [(("records:read",), False), (("admin",), True), (("admin", "app:trade"), False)]
    for scopes, sees in of_admins:
        async with service.client(headers=bearer(service.token_of("root", *scopes))) as client:
            assert ((await client.get(f"/api/jobs/{job}")).status_code == 200) is sees  # of others: by who oversees all


async def test_an_app_that_is_not_there_has_no_locks_either(trading: Trading) -> None:
    """Hidden answers as absent, also where people close periods."""
    answers = []
    for app in ("trade", "nope"):
        listed = await trading["nobody"].client.get(f"/api/{app}/locks")
        closed = await trading["nobody"].client.put(f"/api/{app}/locks/x", json={"closed_until": None})
        answers.append([problem(reply, "app.not_found")["detail"].replace(app, "APP") for reply in (listed, closed)])
    assert answers[0] == answers[1]
