"""A first page costs what is within reach, not what lies beyond: shown by the plans of both databases."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.canonical import parse_json
from builder.registry.registry import load_published
from builder.store.statement import Query, Statement
from runtime.query import reaching
from runtime.query.request import read_members
from runtime.records.caller import Caller
from tests.support.desk import publish_definition
from tests.support.query_app import field
from tests.support.service import START, running

pytestmark = pytest.mark.anyio

APP = "big"
REACH, BEYOND = 80, 20_000
PAGE = 50
ROLES = [
    {"key": "chief", "label": "Chief", "grants": [{"entity": "order", "rows": "INDEPT(department)"}]},
    {
        "key": "mixed",
        "label": "Mixed",
        "grants": [
            {"entity": "order", "rows": "INDEPT(department)", "fields": ["title"]},
            {"entity": "order", "rows": 'owner = CURRENTUSER() AND title <> "o7"'},
        ],
    },
    {
        "key": "seller",
        "label": "Seller",
        "grants": [
            {"entity": "customer", "rows": "owner = CURRENTUSER()"},
            {"entity": "order", "rows": "customer.owner = CURRENTUSER()"},
        ],
    },
]


def definition():
    customer = [field("name", "text"), field("owner", "user", indexed=True)]
    order = [
        field("title", "text"),
        field("customer", "reference", entity="customer", indexed=True),
        field("department", "department", indexed=True),
        field("owner", "user", indexed=True),
    ]
    entities = [{"key": "customer", "label": "c", "fields": customer}, {"key": "order", "label": "o", "fields": order}]
    return {"app": {"key": APP, "label": "Big"}, "entities": entities, "roles": ROLES}


@pytest.fixture
async def big(anyio_backend, migrated_database_url, tmp_path):
    """A supervisor and a seller who reach 80 old orders of 20,080; departments five deep."""
    async with running(migrated_database_url, files_folder=tmp_path) as service:
        identity, parent = service.identity, None
        for depth in range(5):
            parent = identity.departments.create_department(f"d{depth}", f"d{depth}", parent).id
        own = identity.departments.create_department("own", "own", parent).id
        below = identity.departments.create_department("below", "below", own).id
        others = [identity.departments.create_department(f"o{n}", f"o{n}", parent).id for n in range(40)]
        people = {
            name: identity.users.create_user({"username": name, "department_id": own}).id
            for name in ("chief", "seller", "mixed", *(f"stranger{n}" for n in range(40)))
        }
        publish_definition(service.app.services.registry, definition())
        for role in ("chief", "seller", "mixed"):
            identity.grants.give(APP, role, "user", people[role])
        _fill(service, people, below, others)
        yield service, people


def _fill(service, people, below, others):
    services = service.app.services
    published = load_published(services.registry, APP)
    assert published is not None
    customers, orders = (published.app.entities[key].table for key in ("customer", "order"))
    ids = services.ids
    system = {"revision": 1, "created_at": START, "created_by": "x", "updated_at": START, "updated_by": "x"}
    mine = [ids.record_id() for _ in range(8)]
    theirs = [ids.record_id() for _ in range(2_000)]
    known = [
        *((each, people["seller"]) for each in mine),
        *((each, people[f"stranger{n % 40}"]) for n, each in enumerate(theirs)),
    ]
    rows = [{**system, "id": each, "name": "c", "owner": owner} for each, owner in known]
    made = []
    for number in range(REACH + BEYOND):  # the newest lie beyond: who walks along the moments passes all of them
        near = number < REACH
        customer = (mine if near else theirs)[number % (8 if near else 2_000)]
        owner = people["mixed"] if number % 300 < 10 else people["stranger1"]
        place = {"customer": customer, "department": below if near else others[number % 40], "owner": owner}
        made.append({**system, "id": ids.record_id(), "title": f"o{number}", **place})
    with services.database.transaction() as connection:
        connection.execute(sa.insert(customers), rows)
        connection.execute(sa.insert(orders), made)
    if services.database.dialect == "postgresql":  # which does so by itself; nobody does it on SQLite
        with services.database.transaction() as connection:
            connection.exec_driver_sql("ANALYZE")


async def asked(service, user_id, members) -> tuple[list[Any], Query]:
    """The first page, and the statement that read it."""
    services = service.app.services
    known = await services.authenticator.see_as(user_id)
    seen: list[Query] = []
    real = services.database.read

    async def spying(make, **options):
        def unit():
            inner, sent = make(), None
            while True:
                try:
                    query = inner.send(sent)
                except StopIteration as stop:
                    return stop.value
                seen.append(query)
                sent = yield query

        return await real(unit, **options)

    services.database.read = spying
    try:
        page = await services.records.list_page(Caller(known.actor, "t", "rest", known.epoch), APP, "order", members)
    finally:
        services.database.read = real
    return [parse_json(row)["title"] for row in page.records], next(
        query for query in reversed(seen) if f"{APP}__order" in query.statement.sql
    )


async def plan_of(service, query: Query, words: str) -> Any:
    statement = query.statement
    explained = Statement(f"{words} {statement.sql}", statement.slots, has_rows=True)

    def unit():
        return (yield Query(explained, query.values))

    return await service.app.services.database.read(unit)


def visited(node: dict[str, Any]) -> int:
    """How many rows of tables were looked at."""
    own = node.get("Relation Name") or node["Node Type"] == "Bitmap Index Scan"
    rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] if own else 0
    return int(rows) + sum(visited(each) for each in node.get("Plans", ()))


@pytest.mark.parametrize("who", ["chief", "seller"])
@pytest.mark.parametrize("members", [{}, {"sort": ["-created_at"]}, {"sort": ["title"]}])
async def test_the_first_page_does_not_grow_with_what_lies_beyond(big, dialect, who, members):
    service, people = big
    titles, query = await asked(service, people[who], read_members({**members, "limit": PAGE}))
    assert len(titles) == PAGE
    assert {int(title[1:]) for title in titles} <= set(range(REACH))
    if dialect == "sqlite":
        steps = [str(row[3]) for row in await plan_of(service, query, "EXPLAIN QUERY PLAN")]
        walked = [step for step in steps if step.startswith(f"SCAN {APP}__")]
        assert walked == [], "\n".join(steps)
        return
    [[text]] = await plan_of(service, query, "EXPLAIN (ANALYZE, FORMAT JSON)")
    plan = (parse_json(text) if isinstance(text, str) else text)[0]["Plan"]
    assert visited(plan) <= REACH * 8, plan


async def walked_through(service, user_id, members) -> list[str]:
    """All pages, by cursor."""
    known = await service.app.services.authenticator.see_as(user_id)
    caller, found, cursor = Caller(known.actor, "t", "rest", known.epoch), [], None
    while True:
        asked_ = read_members({**members, "cursor": cursor})
        page = await service.app.services.records.list_page(caller, APP, "order", asked_)
        found += [str(parse_json(row)["title"]) for row in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_owners_looked_up_apart_give_the_same_pages(big, monkeypatch):
    service, people = big
    for who, sort, left_out in (
        ("chief", "-created_at", "o5"),
        ("mixed", "created_at", "o9"),
        ("mixed", "-created_at", ""),
    ):
        members = {"sort": [sort], "limit": 97, "filter": f'title <> "{left_out or "o5"}"'}
        apart = await walked_through(service, people[who], members)
        assert len(set(apart)) == len(apart) >= REACH - 1
        assert left_out not in apart
        assert "o7" in apart  # over the department, though a grant leaves it out
        monkeypatch.setattr(reaching, "OWNERS_APART", 1)
        _, query = await asked(service, people[who], read_members(members))
        assert "reached" not in query.statement.sql  # more owners than that
        assert await walked_through(service, people[who], members) == apart
        monkeypatch.undo()
