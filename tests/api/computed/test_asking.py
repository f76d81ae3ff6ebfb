"""Formulas that ask where people stand, and defaults that read what a new record points to: every place, both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from builder.checks.run import run_checks
from builder.definition.parse import parse_definition
from tests.api.records.test_imports import bring_in, refused, text_sheet
from tests.support.desk import Desk, publish_definition
from tests.support.filled import Filled
from tests.support.service import Service, bearer, problem, running
from tests.support.staff_app import APP, definition

pytestmark = pytest.mark.anyio
JSON = Any


class Known(NamedTuple):
    """Ids of people and departments, by name."""

    people: dict[str, str]
    departments: dict[str, str]


class Staff(NamedTuple):
    """A desk per person."""

    known: Known
    desks: dict[str, Desk]

    @property
    def root(self) -> Desk:
        return self.desks["root"]


async def fill(service: Service) -> Known:
    known = Known({}, {})
    for key, parent in (("head", None), ("sales", "head"), ("east", "sales"), ("west", "sales")):
        above = known.departments.get(parent or "")
        known.departments[key] = service.identity.departments.create_department(key, key, above).id
    publish_definition(service.app.services.registry, definition())
    for name, department, above, role in (
        ("root", None, None, "seller"),
        ("boss", "sales", None, "boss"),
        ("li", "east", "boss", "seller"),
        ("wang", "west", "boss", "seller"),
        ("new", "east", "li", "boss"),
    ):
        user = service.add_user(
            name,
            "admin" if name == "root" else "member",
            department_id=known.departments.get(department or ""),
            manager_id=known.people.get(above or ""),
        )
        known.people[name] = user.id
        service.identity.grants.give(APP, role, "user", user.id)
    return known


@pytest.fixture
async def staff(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Staff]:
    url, known = filled(fill)
    async with running(url, files_folder=tmp_path / "files") as service, AsyncExitStack() as stack:
        desks = {}
        for name in known.people:
            client = await stack.enter_async_context(service.client(headers=bearer(service.session_of(name))))
            desks[name] = Desk(service, client, APP)
        yield Staff(known, desks)


async def test_fields_filters_sorts_and_groups(staff: Staff):
    people, departments = staff.known
    for name in ("li", "wang", "boss", None):
        await staff.root.create("deal", title=str(name), owner=people.get(name or ""), stage="new")
    shown = {row["title"]: row for row in await staff.root.page("deal", sort="path,title")}
    assert list(shown) == ["None", "boss", "li", "wang"]
    assert [row["path"] for row in shown.values()] == [None, "head/sales", "head/sales/east", "head/sales/west"]
    assert [row["boss"] for row in shown.values()] == [None, people["boss"], people["boss"], people["boss"]]
    assert [row["theirs"] for row in shown.values()] == [True, True, True, True]  # nobody has no department

    async def found(text: str) -> list[str]:
        return [row["title"] for row in await staff.root.page("deal", filter=text, sort="title")]

    assert await found('STARTSWITH(DEPTPATH(USERDEPT(owner)), "head/sales/e")') == ["li"]
    assert await found("MANAGER(owner) = boss") == ["None", "li", "wang"]  # a blank is a blank
    assert await found("ISBLANK(MANAGER(owner)) AND NOT(ISBLANK(owner))") == ["boss"]
    assert await found(f'USERDEPT(owner) = "{departments["west"]}"') == ["wang"]
    assert await found("MANAGER(owner) = MANAGER(CURRENTUSER())") == ["None", "boss"]
    assert await found('IF(title = "li", owner, CURRENTUSER()) = owner') == ["li"]
    assert await found("COALESCE(owner, CURRENTUSER()) = CURRENTUSER()") == ["None"]
    assert await found("IFERROR(IF(1 / LEN(title) > 0.3, CURRENTUSER()), MANAGER(owner)) = boss") == ["None"]
    assert await found("IF(LEN(title) > 4, CURRENTUSER()) = owner") == ["None"]
    assert await found('{上级} = ""'.replace("{上级}", "上级(owner)")) == ["None", "boss"]
    reply = await staff.root.send(
        "POST", "records/deal/aggregate", {"group_by": ["path"], "measures": {"n": {"count": "*"}}}
    )
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["data"]) == 4
    # a move counts at once: nothing is stored
    staff.root.service.identity.users.update_user(people["wang"], {"department_id": departments["east"]})
    staff.root.service.identity.departments.update_department(departments["east"], {"name": "华东"})
    assert await found('path = "head/sales/华东"') == ["li", "wang"]


async def test_filters_of_requests_know_who_asks(staff: Staff):
    people, departments = staff.known
    for name in ("li", "wang", "boss", "new", None):
        at = {"li": "east", "wang": "west", "boss": "sales", "new": "head"}.get(name or "")
        department = None if at is None else departments[at]
        await staff.root.create(
            "deal", title=str(name), owner=people.get(name or ""), department=department, stage="new"
        )

    async def found(who: str, text: str) -> list[str]:
        return [row["title"] for row in await staff.desks[who].page("deal", filter=text, sort="title")]

    everybody = ["None", "boss", "li", "new", "wang"]
    for text in ("INTEAM(owner)", "INDEPT(owner)"):
        assert await found("li", text) == ["li", "new"]
        assert await found("wang", text) == ["wang"]
        assert await found("root", text) == []  # is in no department
    assert await found("wang", "NOT(INTEAM(owner))") == ["None", "boss", "li", "new"]
    assert await found("li", "INDEPT(department)") == ["li"]
    assert await found("li", "MANAGES(owner) OR INTEAM(owner)") == ["li", "new"]
    assert await found("wang", "MANAGES(owner)") == []
    assert await found("li", 'HASROLE("seller")') == everybody
    assert await found("li", 'HASROLE("boss")') == []
    assert await found("li", "HASROLE(title)") == []
    assert await found("li", "department = CURRENTDEPARTMENT()") == ["li"]
    assert await found("li", "owner = CURRENTMANAGER()") == ["boss"]
    # a person or a department under another department
    sales = departments["sales"]
    assert await found("li", f'INDEPT(owner, "{sales}")') == ["boss", "li", "new", "wang"]
    assert await found("li", f'INDEPT(department, "{sales}")') == ["boss", "li", "wang"]
    assert await found("li", "INDEPT(owner, CURRENTDEPARTMENT())") == ["li", "new"]
    assert await found("li", "INDEPT(owner, department)") == ["boss", "li", "new", "wang"]
    assert await found("li", "INDEPT(USERDEPT(CURRENTUSER()), department)") == ["boss", "li", "new"]
    assert await found("li", "NOT(INDEPT(owner, department))") == ["None"]
    for text in ('INDEPT(owner, "east")', 'INDEPT(department, "east")', 'USERDEPT(owner) = "east"'):
        reply = await staff.root.send("GET", "records/deal", params={"filter": text})
        assert [error["pointer"] for error in problem(reply, "query.invalid")["errors"]] == ["/filter"]
    # the row rule of a role counts besides
    assert await found("boss", "INTEAM(owner) OR ISBLANK(owner)") == ["boss", "li", "wang"]
    # the same as fields: of whoever looks
    for who, near, selling in (("li", ["li", "new"], True), ("boss", ["boss", "li", "wang"], False)):
        rows = await staff.desks[who].page("deal", sort="-near,title")
        assert [row["title"] for row in rows if row["near"]] == near
        assert {row["selling"] for row in rows} == {selling}
    # and everything else that takes a filter
    desk = staff.desks["li"]
    body = {"filter": "INTEAM(owner)", "group_by": ["owner"], "measures": {"n": {"count": "*"}}}
    reply = await desk.send("POST", "records/deal/aggregate", body)
    assert {row["owner"]: row["n"] for row in reply.json()["data"]} == {people["li"]: 1, people["new"]: 1}
    view = {"entity": "deal", "label": "Team", "filter": "INTEAM(owner)", "shared": True}
    reply = await desk.send("POST", "views", view)
    assert reply.status_code == 201, reply.text
    for who, theirs in (("li", ["li", "new"]), ("wang", ["wang"])):
        page = await staff.desks[who].page("deal", view=reply.json()["data"]["id"], sort="title")
        assert [row["title"] for row in page] == theirs  # a view is of whoever looks
    moved = staff.root.service.identity.users
    moved.update_user(people["wang"], {"department_id": departments["east"]})
    assert await found("li", "INTEAM(owner)") == ["li", "new", "wang"]


MADE_BY_LI = {
    "created_by = owner": ["li"],
    "owner <> created_by": ["None", "wang"],
    "COALESCE(owner, created_by) = CURRENTUSER()": ["None", "li"],
    "COALESCE(created_by, owner) = owner": ["li"],
    "USERDEPT(created_by) = USERDEPT(owner)": ["li"],
    "MANAGER(created_by) = boss": ["li", "wang"],
    'IF(title = "wang", owner, created_by) = owner': ["li", "wang"],
    "IN(owner, created_by, boss)": ["None", "li"],
    'SWITCH(title, "li", created_by, owner) = MANAGER(created_by)': [],
    "INDEPT(created_by, department)": ["None", "li"],
    "IFERROR(created_by, owner) = owner": ["li"],
    "CHOOSE(1, created_by, owner) = owner": ["li"],
    "COALESCE(MANAGER(owner), created_by) = MANAGER(owner)": ["li", "wang"],
    "INTEAM(CREATEDBY()) AND MODIFIEDBY() <> MANAGER(owner)": ["None", "li", "wang"],
}


async def test_who_made_a_record_is_a_person_like_others(staff: Staff):
    """PostgreSQL keeps who made a record as a text, since it may be the installation itself, and other people as ids."""
    for name in ("li", "wang", None):
        await staff.desks["li"].create("deal", title=str(name), owner=staff.known.people.get(name or ""), stage="new")
    for text, expected in MADE_BY_LI.items():
        found = await staff.desks["li"].page("deal", filter=text, sort="title")
        assert [row["title"] for row in found] == expected, text


async def test_row_rules_guards_and_rules_of_records(staff: Staff):
    people = staff.known.people
    ids = {
        n: (await staff.root.create("deal", title=n, owner=people[n], stage="new"))["id"] for n in ("li", "boss", "new")
    }
    assert {row["title"] for row in await staff.desks["boss"].page("deal")} == {"li", "boss"}
    assert {row["title"] for row in await staff.desks["new"].page("deal")} == {"li", "new"}  # of the same department
    assert (await staff.desks["boss"].send("GET", f"records/deal/{ids['new']}")).status_code == 404
    moved = await staff.desks["li"].send("POST", f"records/deal/{ids['li']}/transitions/win", {})
    problem(moved, "transition.refused")
    assert (await staff.desks["boss"].send("POST", f"records/deal/{ids['li']}/transitions/win", {})).status_code == 200
    assert (await staff.root.patch("deal", ids["li"], {"note": "boss"})).status_code == 200
    problem(await staff.root.patch("deal", ids["boss"], {"note": "boss"}), "record.invalid")


async def test_defaults_read_references_and_the_directory(staff: Staff):
    people, departments = staff.known
    region = await staff.root.create("region", name="华东")
    customer = await staff.root.create("customer", name="甲", level="A", region=region["id"])
    made = await staff.root.create("deal", title="x", customer=customer["id"], owner=people["li"])
    assert (made["discount"], Decimal(made["double"])) == (Decimal("0.2"), Decimal("0.4"))
    assert (made["area"], made["count_before"]) == ("区:华东", 0)
    assert (made["second"], made["department"]) == (people["boss"], departments["east"])
    again = await staff.root.create("deal", title="y", customer=customer["id"], discount="0.05", second=None)
    assert (again["discount"], again["count_before"], again["second"]) == (Decimal("0.05"), 1, None)
    nothing = await staff.desks["wang"].create("deal", title="z")
    assert (nothing["discount"], nothing["area"], nothing["department"]) == (None, "区:", departments["west"])
    # the department of a person under another one
    inside = [
        (await staff.root.create("deal", title="x", owner=people[who], department=departments[at]))["inside"]
        for who, at in (("li", "head"), ("li", "east"), ("li", "west"), ("boss", "east"))
    ]
    assert inside == [True, True, False, False]
    assert made["inside"]
    # a role's default comes first, and others follow from it
    theirs = await staff.desks["new"].create("deal", title="theirs")
    assert (theirs["owner"], theirs["second"]) == (people["li"], people["boss"])


async def test_defaults_of_batches_children_and_links_to_what_is_new(staff: Staff):
    customers = [await staff.root.create("customer", name=f"c{n}", level="AB"[n]) for n in range(2)]
    bodies = [{"title": str(n), "customer": customers[n % 2]["id"]} for n in range(6)]
    made = await staff.root.create_many("deal", bodies)
    assert [row["discount"] for row in made] == [Decimal("0.2"), 0] * 3
    parent = await staff.root.create("customer", name="p", level="A", deals=[{"title": "child"}])
    (child,) = await staff.root.page("deal", filter='title = "child"')
    assert (child["customer"]["id"] if isinstance(child["customer"], dict) else child["customer"]) == parent["id"]
    # the parent is as new as the child; what the database computes of it afterwards is blank
    assert (child["discount"], Decimal(child["double"]), child["count_before"]) == (
        Decimal("0.2"),
        Decimal("0.4"),
        None,
    )
    changed = {"discount": "0.5", "deals": [{"id": child["id"]}, {"title": "late"}]}
    assert (await staff.root.patch("customer", parent["id"], changed)).status_code == 200
    (late,) = await staff.root.page("deal", filter='title = "late"')
    assert late["discount"] == Decimal("0.5")
    fresh = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    orders = [
        {"verb": "create", "entity": "customer", "record": {"id": fresh, "name": "f", "level": "A"}},
        {"verb": "create", "entity": "deal", "record": {"title": "of fresh", "customer": fresh}},
    ]
    reply = await staff.root.send("POST", "batch", {"items": orders})
    assert reply.status_code in (200, 201), reply.text
    (found,) = await staff.root.page("deal", filter='title = "of fresh"')
    assert found["discount"] == Decimal("0.2")


async def test_defaults_of_sheets_and_automations(staff: Staff):
    people = staff.known.people
    await staff.root.create("customer", name="甲", level="A")
    job = await bring_in(staff.root, "deal", text_sheet(["title", "customer"], ["s1", "甲"], ["s2", "甲"], ["s3", ""]))
    assert await refused(staff.root, job) == {}
    rows = await staff.root.page("deal", sort="title")
    assert [row["discount"] for row in rows] == [Decimal("0.2"), Decimal("0.2"), None]
    changed = await staff.root.change("deal", rows[0]["id"], owner=people["li"])
    assert changed["note"] is None  # nobody was not in the east
    assert (await staff.root.change("deal", rows[0]["id"], owner=people["wang"]))["note"] == "head/sales/west"
    (follower,) = await staff.root.page("deal", filter='title = "next"')
    assert follower["discount"] == Decimal("0.2")


async def test_outsiders_do_not_ask(staff: Staff):
    service = staff.root.service
    user = service.add_user("dealer", kind="external")
    service.identity.grants.give(APP, "dealer", "user", user.id)
    await staff.root.create("deal", title="x", owner=staff.known.people["li"])
    async with service.client_of("dealer") as client:
        desk = Desk(service, client, APP)
        assert len(await desk.page("deal")) == 1
        for text in ("ISBLANK(MANAGER(owner))", 'NOT(DEPTPATH(USERDEPT(owner)) = "x")'):
            reply = await desk.send("GET", "records/deal", params={"filter": text})
            problem(reply, "access.denied")


async def test_a_formula_is_tried_with_the_directory(staff: Staff):
    people = staff.known.people
    deal = await staff.root.create("deal", title="x", owner=people["li"])
    asked = {
        "app": APP,
        "entity": "deal",
        "formula": "DEPTPATH(USERDEPT(owner)) & MANAGER(owner)",
        "record": deal["id"],
    }
    reply = await staff.root.client.post("/builder/v1/formulas/check", json=asked)
    assert reply.status_code == 200, reply.text
    found = reply.json()["data"]
    assert found["volatile"]
    assert found["preview"]["value"] == f"head/sales/east{people['boss']}"


@pytest.mark.parametrize(
    "key, options, code",
    [
        ("discount", {"default_formula": "SUM(customer.deals.discount)"}, "formula.type"),
        ("discount", {"default_formula": "customer.name"}, "formula.type"),
        ("discount", {"default_formula": "customer.nothing"}, "formula.name"),
        ("note", {"visible_if": "MANAGER(owner) = CURRENTUSER()"}, "formula.type"),
    ],
)
def test_what_cannot_be_asked_is_found(key: str, options: JSON, code: str):
    document = definition()
    (field,) = [each for each in document["entities"][2]["fields"] if each["key"] == key]
    field |= options
    assert code in {finding.code for finding in run_checks(parse_definition(document))}
