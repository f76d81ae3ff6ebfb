"""From an SQLite file to PostgreSQL while all kinds of work wait: nothing is lost, nothing is done twice, and every value is what it was."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.limits import IMPORT_ROWS
from builder.kernel.problems import Problem
from builder.registry.doctor import examine
from builder.registry.moving import move_database
from builder.store import tables
from builder.store.database import Database, open_database
from builder.store.delivery_tables import cron_slot, outbox
from tests.faults.test_fleet import definition
from tests.faults.ticking import audit_later, begin, open_later, tick_until_quiet
from tests.support import every_field
from tests.support.desk import Desk, publish_definition
from tests.support.office import Office
from tests.support.postgres import Databases
from tests.support.receiver import http_receiver
from tests.support.service import Service, bearer, running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("dialect", ["sqlite"]),  # it leads from there to the other
]
WATCHED, BROUGHT = 20, IMPORT_ROWS + 20


@pytest.fixture
def empty(postgres_databases: Databases) -> Any:
    """An empty database of PostgreSQL."""
    url = postgres_databases.create()
    yield url
    postgres_databases.drop(url)


def move(source: str, target: str) -> None:
    databases: list[Database] = [open_database(source), open_database(target)]
    try:
        move_database(*databases)
    finally:
        for database in databases:
            database.close()


async def test_what_waits_goes_on_where_the_file_stopped(office: Office, empty: str) -> None:
    async with http_receiver() as receiver:
        await _begin_work(office, receiver.url)
        with begin(office.url, 0.01, "import.part:1") as process:
            assert await asyncio.to_thread(process.wait, 60) == -signal.SIGKILL
        with office.services.database.snapshot() as connection:
            under_way = set(connection.scalars(sa.select(outbox.c.key).where(outbox.c.state == "sending")))
        await asyncio.to_thread(move, office.url, empty)
        await tick_until_quiet(open_later(empty, 1))
        told = Counter(request.headers["dougong-id"] for request in receiver.requests)
    database = open_database(empty)
    firing = tables.timer_firing
    with database.snapshot() as connection:
        titles = Counter(connection.scalars(sa.text("SELECT title FROM shop__order")))
        copies = Counter(connection.scalars(sa.text("SELECT name FROM shop__node")))
        serials = Counter(connection.scalars(sa.text("SELECT serial FROM shop__order WHERE note = 'watched'")))
        fired = Counter(connection.scalars(sa.select(firing.c.record_id)))
        keys = set(connection.scalars(sa.select(outbox.c.key)))
        states = set(connection.scalars(sa.select(outbox.c.state)))
        slots = Counter(connection.scalars(sa.select(cron_slot.c.schedule)))
        job = connection.execute(sa.text("SELECT state, done_count FROM dougong_job WHERE kind = 'import'")).one()
    database.close()
    wanted = [f"旧 {n}" for n in range(WATCHED)] + [f"表 {n}" for n in range(BROUGHT)]
    sevens = Counter(title for title in wanted if title.endswith("7"))
    assert titles == Counter(wanted)
    assert copies == sevens
    assert serials == {1: WATCHED}
    assert (len(fired), set(fired.values())) == (WATCHED, {2})
    assert len(keys) == len(sevens) + 2 * WATCHED
    assert told.keys() == keys
    assert states == {"done"}
    assert {key for key, times in told.items() if times > 1} <= under_way  # of these nobody knows whether they arrived
    assert set(slots.values()) == {1}
    assert tuple(job) == ("done", BROUGHT)
    assert await asyncio.to_thread(audit_later, empty) == []


async def _begin_work(office: Office, address: str) -> None:
    """Timers run, a schedule is followed, messages wait, a sheet is to be brought in."""
    office.service.add_user("chief", "admin")
    async with office.service.client_of("chief") as admin:
        body = {"key": "hook", "kind": "webhook", "options": {"url": address}, "secrets": {"secret": "s"}}
        assert (await admin.post("/api/connections", json=body)).status_code == 201
    publish_definition(office.registry, definition())
    customer = (await office.create("customer", name="甲"))["id"]
    bodies = [
        {"title": f"旧 {n}", "customer": customer, "serial": 0, "branch": f"b{n}", "note": "watched"}
        for n in range(WATCHED)
    ]
    await office.create_many("order", bodies)
    await office.services.schedules.run_due()
    rows = [f"表 {n},甲,表{n},0" for n in range(BROUGHT)]
    sheet = "\n".join(["title,customer,branch,serial", *rows]).encode()
    headers = {"content-type": "application/octet-stream"}
    assert (await office.send("POST", "records/order/import", content=sheet, headers=headers)).status_code == 202


async def test_every_value_is_what_it_was(anyio_backend: str, migrated_database_url: str, empty: str) -> None:
    async with running(migrated_database_url) as service:
        kept = await _fill(service)
        before = await _read_all(service, kept)
    await asyncio.to_thread(move, migrated_database_url, empty)
    with pytest.raises(Problem, match="new, empty database"):
        await asyncio.to_thread(move, migrated_database_url, empty)
    async with running(empty) as service:
        assert await _read_all(service, kept) == before
        assert await asyncio.to_thread(examine, service.app.services.registry) == []
        async with service.client(headers=bearer(kept["token"])) as client:  # … and it goes on
            path = f"/api/{every_field.APP}/records/whole"
            made = await client.post(path, json=kept["example"])
            assert made.status_code == 201, made.text
            assert made.json()["data"]["auto_number"] > before["whole"][-1]["auto_number"]
            news = await Desk(service, client, every_field.APP).feed(before["after"])
            assert [event["record_id"] for event in news] == [made.json()["data"]["id"]]
            gone = await client.get(f"/api/{every_field.APP}/records/whole/trash")
            assert len(gone.json()["data"]) == 1, gone.text


async def _fill(service: Service) -> dict[str, Any]:
    """Records of all types, one in the bin, an entity set aside, people and departments that name each other."""
    people, departments = service.identity.users, service.identity.departments
    boss = service.add_user("boss", "admin")
    department = departments.create_department("sales", "销售", manager_id=boss.id)
    people.update_user(boss.id, {"department_id": department.id})
    registry = service.app.services.registry
    document = every_field.definition()
    document["entities"][0]["trash"] = True
    more = {"key": "former", "label": "从前", "fields": [{"key": "name", "type": "text", "label": "名称"}]}
    publish_definition(registry, {**document, "entities": [*document["entities"], more]})
    token = service.token_of("boss", "records:read", "records:write")
    async with service.client(headers=bearer(token)) as client:
        base = f"/api/{every_field.APP}"
        api = (await client.get(f"{base}/openapi.json")).json()
        example = api["components"]["schemas"]["WholeCreate"]["examples"][0]
        assert (await client.post(f"{base}/records/former", json={"name": "甲"})).status_code == 201
        made = [await client.post(f"{base}/records/whole", json=example) for _ in range(3)]
        assert [reply.status_code for reply in made] == [201] * 3, made[0].text
        assert (await client.delete(f"{base}/records/whole/{made[-1].json()['data']['id']}")).status_code == 204
    publish_definition(registry, document)
    return {"token": token, "example": example}


async def _read_all(service: Service, kept: dict[str, Any]) -> dict[str, Any]:
    async with service.client(headers=bearer(kept["token"])) as client:
        base = f"/api/{every_field.APP}"
        found: dict[str, Any] = {"after": None}
        for entity in ("whole", "other", "child"):
            found[entity] = (await client.get(f"{base}/records/{entity}", params={"sort": "created_at"})).json()["data"]
        events = (await client.get(f"{base}/events")).json()
        found |= {"events": events["data"], "after": events["meta"]["after"]}
        found["me"] = (await client.get("/api/me")).json()
        found["departments"] = (await client.get("/api/departments")).json()
        assert len(found["whole"]) == 2
        assert found["departments"]["data"]
    return found


async def test_the_other_way_nothing_is_moved(migrated_database_url: str, postgres_url: str) -> None:
    with pytest.raises(Problem, match="pg_dump"):
        await asyncio.to_thread(move, postgres_url, migrated_database_url)


async def test_what_breaks_in_the_middle_leaves_nothing(
    anyio_backend: str, migrated_database_url: str, empty: str
) -> None:
    async with running(migrated_database_url) as service:
        service.add_user("boss")
        with service.app.services.database.transaction() as connection:
            connection.exec_driver_sql("UPDATE dougong_user SET created_at = 'not a day'")
    with pytest.raises(ValueError, match="not a day"):
        await asyncio.to_thread(move, migrated_database_url, empty)
    database = open_database(empty)
    with database.snapshot() as connection:
        assert sa.inspect(connection).get_table_names() == []
    database.close()
