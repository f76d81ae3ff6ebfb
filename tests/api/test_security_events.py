"""The security audit over HTTP on both databases: what is kept, that nobody rewrites it unnoticed, and who may look."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import sqlalchemy as sa

from builder.store.tables import security_event, security_head
from runtime.identity.audit import SYSTEM_ORIGIN, Search
from tests.support.service import PASSWORD, problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def admin(service):
    async with service.client_of("admin") as made:
        yield made


async def kinds(admin, **params):
    reply = await admin.get("/api/security-events", params=params)
    assert reply.status_code == 200, reply.text
    return [event["kind"] for event in reply.json()["data"]]


async def test_what_people_do_with_rights_is_kept_with_who_and_where(service, admin, client):
    boss = service.identity.users.find_by_username("admin")
    await client.post("/api/auth/login", json={"username": "member", "password": "wrong"})
    await client.post("/api/auth/login", json={"username": "nobody", "password": "wrong"})
    login = await client.post("/api/auth/login", json={"username": "member", "password": PASSWORD, "mode": "bearer"})
    member = login.json()["data"]["user"]
    made = (await admin.post("/api/users", json={"username": "dealer", "kind": "external"})).json()["data"]["user"]
    await admin.patch(f"/api/users/{member['id']}", json={"role": "builder", "email": "m@example.com"})

    found = (await admin.get("/api/security-events", params={"limit": 6})).json()["data"]

    assert [event["kind"] for event in found] == [
        "user.changed",
        "link.issued",
        "user.created",
        "login",
        "login.refused",
        "login.refused",
    ]
    changed, _, created, logged_in, unknown, refused = found
    assert (changed["actor"], changed["subject"]) == (boss.id, member["id"])
    assert changed["detail"] == {"email": "changed", "role": ["member", "builder"]}
    assert created["subject"] == made["id"]
    assert (logged_in["actor"], logged_in["address"], logged_in["detail"]) == (
        member["id"],
        "127.0.0.1",
        {"way": "password"},
    )
    assert logged_in["request_id"] == login.headers["x-request-id"]
    assert (unknown["subject"], refused["subject"], refused["actor"]) == (None, member["id"], None)
    assert "m@example.com" not in str(found)


async def test_events_are_searched_by_kind_person_time_and_text(service, admin):
    user = service.identity.users.find_by_username("member")
    service.clock.advance(timedelta(hours=1))
    middle = service.clock.now().isoformat()
    service.clock.advance(timedelta(hours=1))
    await admin.patch(f"/api/users/{user.id}", json={"role": "builder"})
    assert await kinds(admin, kind="user.changed") == ["user.changed"]
    assert await kinds(admin, subject=user.id) == ["user.changed", "user.created"]
    assert await kinds(admin, since=middle) == ["user.changed"]
    assert "user.changed" not in await kinds(admin, until=middle)
    assert await kinds(admin, text='"builder"', subject=user.id) == ["user.changed"]
    first = (await admin.get("/api/security-events?limit=2")).json()["data"]
    rest = (await admin.get(f"/api/security-events?before={first[-1]['id']}")).json()["data"]
    ids = [event["id"] for event in first + rest]
    assert ids == list(range(ids[0], 0, -1))


async def test_a_row_changed_removed_or_added_behind_our_back_is_found(service, admin):
    database = service.app.services.database

    async def verdict():
        return (await admin.get("/api/security-events/verify")).json()["data"]

    whole = await verdict()
    assert whole["is_whole"]
    assert whole["count"] >= 4
    for damage in (
        sa.update(security_event).where(security_event.c.id == 2).values(actor="somebody else"),
        sa.update(security_event).where(security_event.c.id == 2).values(detail="{}"),
        sa.delete(security_event).where(security_event.c.id == 2),
        sa.delete(security_event).where(security_event.c.id == whole["count"]),
    ):
        with database.snapshot() as connection:
            kept = [dict(row._mapping) for row in connection.execute(sa.select(security_event))]
        with database.transaction() as connection:
            connection.execute(damage)
        found = await verdict()
        assert not found["is_whole"], damage
        assert found["broken_at"] in (2, whole["count"])
        with database.transaction() as connection:
            connection.execute(sa.delete(security_event))
            connection.execute(sa.insert(security_event), kept)
        assert (await verdict())["is_whole"]


async def test_old_events_are_cut_off_and_the_chain_goes_on(service):
    audit = service.identity.audit
    service.clock.advance(timedelta(days=400))
    service.identity.users.create_user({"username": "young"})
    assert audit.prune(timedelta(days=365), SYSTEM_ORIGIN) >= 4
    assert [event.kind for event in audit.list_events(Search())] == ["audit.pruned", "user.created"]
    assert audit.verify().broken_at is None
    assert audit.prune(timedelta(days=365), SYSTEM_ORIGIN) == 0
    with service.app.services.database.snapshot() as connection:
        assert connection.execute(sa.select(security_head)).one().anchor_id > 0


async def test_an_export_is_whole_is_an_event_and_is_no_formula_CVE_2022_22121(service, admin):
    service.identity.audit.note_alone("export", SYSTEM_ORIGIN, "=1+1", {"a": "=cmd"})
    lines = (await admin.get("/api/security-events/export")).text.splitlines()
    assert len(lines) == service.identity.audit.verify().count
    reply = await admin.get("/api/security-events/export?form=csv")
    assert reply.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(reply.text.removeprefix("\ufeff"))))
    assert rows[0][:3] == ["id", "at", "kind"]
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert rows[1][2] == "audit.exported"


async def test_only_admins_look(service):
    for name, scopes in (("member", ()), ("builder", ()), ("admin", ("records:read",))):
        async with service.client_of(name, *scopes) as other:
            for path in ("", "/verify", "/export"):
                problem(await other.get(f"/api/security-events{path}"), "access.denied")
