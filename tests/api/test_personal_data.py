"""Everything about one person as one document, and erasing a person: references hold, the audit stays verifiable. On both databases."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.store import sharing_tables, tables
from builder.store.platform import metadata
from builder.store.process_tables import assignment_decision
from builder.store.types import Identifier
from runtime.identity.audit import SYSTEM_ORIGIN, Search, read_ranges, write_ranges
from runtime.people.traces import TRACES
from tests.api.records.test_imports import finish
from tests.support.rights_app import APP
from tests.support.service import PASSWORD, START, bearer, pointers, problem, running
from tests.support.trading import open_trading

pytestmark = pytest.mark.anyio


@pytest.fixture
async def trading(anyio_backend, filled, tmp_path):
    async with open_trading(filled, tmp_path / "files") as made:
        users = made.service.identity.users
        users.update_user(made.users["wang"], {"email": "wang@example.com", "phone": "13912345678", "name": "王小明"})
        body = {"username": "wang", "password": PASSWORD}
        async with made.service.client(address="203.0.113.7") as client:
            await client.post("/api/auth/login", json=body)
        yield made


async def admin_of(trading):
    return trading.service.client_of("root")


def place(trading, what, name="wang"):
    return f"/api/users/{trading.users[name]}/{what}"


async def erase(trading, name="wang", **params):
    async with trading.service.client_of("root") as admin:
        return await admin.post(place(trading, "erase", name), json={"confirm": name}, params=params)


# --- export -----------------------------------------------------------------------------------------------------------


async def test_an_export_has_everything_but_secrets(trading):
    async with trading.service.client_of("root") as admin:
        reply = await admin.get(place(trading, "personal-data"))

    assert (reply.status_code, "attachment" in reply.headers["content-disposition"]) == (200, True)
    told = reply.json()
    assert {"username": "wang", "email": "wang@example.com", "phone": "13912345678"}.items() <= told["user"].items()
    assert [record["name"] for record in told["records"][f"{APP}/customer/owner"]] == ["alpha"]
    sessions = told["platform"]["dougong_session.user_id"]["rows"]
    assert "203.0.113.7" in [session["address"] for session in sessions]
    kinds = {event["kind"] for event in told["platform"]["dougong_security_event.actor+subject"]["rows"]}
    assert {"user.created", "user.changed", "login"} <= kinds
    assert "argon2" not in reply.text
    assert not {"secret_hash", "password_hash"} & set(str(told["platform"]).split("'"))
    [event] = trading.service.identity.audit.list_events(Search(kind="person.exported"))
    assert event.subject == trading.users["wang"]


async def test_an_export_is_for_oneself_and_admins(trading):
    async with trading.service.client_of("wang") as wang, trading.service.client_of("li") as li:
        assert (await wang.get(place(trading, "personal-data"))).status_code == 200
        problem(await li.get(place(trading, "personal-data")), "access.denied")
    async with trading.service.client_of("root", "admin") as token:
        problem(await token.get(place(trading, "personal-data")), "access.denied")


# --- erasure ----------------------------------------------------------------------------------------------------------


async def test_a_preview_counts_and_does_nothing(trading):
    before = trading.service.identity.users.get_user(trading.users["wang"])
    told = (await erase(trading, dry_run="true")).json()["data"]
    assert told["dry_run"] is True
    assert told["records"] == {f"{APP}/customer/owner": 1}
    assert told["deleted"]["dougong_grant"] == 1
    assert told["deleted"]["dougong_session"] >= 1
    assert trading.service.identity.users.get_user(trading.users["wang"]) == before

    done = (await erase(trading)).json()["data"]

    assert (done["deleted"], done["records"]) == (told["deleted"], told["records"])


async def test_nothing_tells_who_it_was_and_references_hold(trading):
    session = trading.service.session_of("wang")
    ordered = (await trading["boss"].send("POST", "records/customer/export", {})).json()["data"]["job_id"]
    await finish(trading["boss"])
    assert "王小明" in (await trading["boss"].send("GET", f"exports/{ordered}")).text
    _note_decision(trading, trading.users["wang"], "王小明")
    assert (await erase(trading)).status_code == 200

    user = trading.service.identity.users.get_user(trading.users["wang"])
    assert (user.username, user.email, user.phone, user.active) == (f"erased-{user.id}", None, None, False)
    record = await trading["root"].get("customer", trading.ids["alpha"])
    assert record["owner"] == user.id
    async with trading.service.client() as client:
        problem(await client.get("/api/me", headers=bearer(session)), "auth.required")
        problem(await client.post("/api/auth/login", json={"username": "wang", "password": PASSWORD}), "auth.refused")
    with trading.service.app.services.database.snapshot() as connection:
        for table in metadata.sorted_tables:
            rows = str(connection.execute(sa.select(table)).all())
            for told in ("wang@example.com", "13912345678", "王小明", "203.0.113.7"):
                assert told not in rows, (table.name, told)
    problem(await trading["boss"].send("GET", f"exports/{ordered}"), "job.not_found")  # cleared away: to be made again
    assert "'wang'" not in str(trading.service.identity.audit.list_events(Search(limit=500)))


def _note_decision(trading, user_id, name):
    """Keep a decision as an assignment rule leaves it."""
    candidate = {"user_id": user_id, "name": name}
    detail = {"text": {"zh": f"分给{name}", "en": f"goes to {name}"}, "steps": [{"candidates": [candidate]}]}
    values = {
        "id": str(uuid4()),
        "app": APP,
        "rule": "r",
        "entity": "customer",
        "record_id": trading.ids["alpha"],
        "kind": "assigned",
        "user_id": user_id,
        "at": START,
        "version": 1,
        "sequence": 1,
        "detail": dump_json(detail).decode(),
    }
    with trading.service.app.services.database.transaction() as connection:
        connection.execute(sa.insert(assignment_decision).values(**values))


async def test_the_audit_stays_verifiable_and_says_what_was_emptied(trading):
    audit = trading.service.identity.audit
    before = audit.verify()
    await erase(trading)
    after = audit.verify()
    assert (after.broken_at, after.count > before.count) == (None, True)
    [event] = audit.list_events(Search(kind="person.erased"))
    emptied = {each.id for each in audit.list_events(Search(limit=500)) if each.detail == {"redacted": True}}
    assert emptied == read_ranges(event.detail["events"])
    assert emptied


async def test_emptying_an_event_without_an_erasure_is_found(trading):
    audit, database = trading.service.identity.audit, trading.service.app.services.database
    victim = audit.list_events(Search(kind="user.created"))[0]
    with database.transaction() as connection:
        e = tables.security_event
        connection.execute(sa.update(e).where(e.c.id == victim.id).values(detail='{"redacted":true}', address=""))
    assert audit.verify().broken_at == victim.id
    await erase(trading, "li")  # of somebody else
    assert audit.verify().broken_at == victim.id


async def test_an_emptied_event_cannot_be_filled_again(trading):
    await erase(trading)
    audit, database = trading.service.identity.audit, trading.service.app.services.database
    emptied = next(each for each in audit.list_events(Search(limit=500)) if each.detail == {"redacted": True})
    with database.transaction() as connection:
        e = tables.security_event
        connection.execute(sa.update(e).where(e.c.id == emptied.id).values(detail='{"name":"somebody else"}'))
    assert audit.verify().broken_at == emptied.id


async def test_nobody_is_erased_by_a_slip(trading):
    async with trading.service.client_of("root") as admin:
        reply = await admin.post(place(trading, "erase"), json={"confirm": "li"})
        assert pointers(problem(reply, "identity.invalid")) == {"/confirm": "confirm"}
        me = (await admin.get("/api/me")).json()["data"]["id"]
        problem(await admin.post(f"/api/users/{me}/erase", json={"confirm": "root"}), "identity.conflict")
    async with trading.service.client_of("wang") as wang:
        problem(await wang.post(place(trading, "erase"), json={"confirm": "wang"}), "access.denied")


def test_no_table_is_forgotten():
    """Every column that may hold a user's id is in the list: what points to users, and what is commented or called so."""
    known = {(trace.table.name, column) for trace in TRACES for column in trace.columns}
    named = ("_by", "actor", "owner_id", "user_id", "manager_id", "former_id")
    found = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.c
        if column.name.endswith(named)
        or any(key.column.table is tables.user for key in column.foreign_keys)
        or "user id" in (column.comment or "")
    }
    assert found - known == set()
    assert (sharing_tables.share.name, "created_by") in found
    assert all(
        isinstance(trace.table.c[name].type, (Identifier, sa.types.TypeEngine))
        for trace in TRACES
        for name in trace.columns
    )


# --- retention --------------------------------------------------------------------------------------------------------


async def test_old_events_are_cut_off_once_a_day_and_the_chain_goes_on(migrated_database_url):
    async with running(migrated_database_url, audit_days=180) as service:
        service.add_user("admin", "admin")
        audit, ticker = service.identity.audit, service.app.services.ticker
        old = audit.verify().count
        await ticker.tick()
        assert audit.verify().count == old
        service.clock.advance(timedelta(days=181))
        service.add_user("later")

        await ticker.tick()
        await ticker.tick()

        verdict = audit.verify()
        assert (verdict.broken_at, verdict.count) == (None, 2)
        pruned, _ = audit.list_events(Search())
        assert (pruned.kind, pruned.detail["count"], pruned.actor) == ("audit.pruned", old, SYSTEM_ORIGIN.actor)
        assert pruned.detail["last_id"] == old


async def test_without_the_setting_everything_is_kept(migrated_database_url):
    async with running(migrated_database_url) as service:
        service.add_user("admin", "admin")
        service.clock.advance(timedelta(days=4_000))
        before = service.identity.audit.verify().count
        await service.app.services.ticker.tick()
        assert service.identity.audit.verify().count == before


def test_ranges_are_read_as_they_are_written():
    for ids in ([], [3], [1, 2, 3], [1, 3, 4, 9, 10, 11]):
        assert read_ranges(write_ranges(ids)) == set(ids)
