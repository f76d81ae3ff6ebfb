"""Reminders that ask where people stand: they see what holds when a record is written and when a step is due."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.support.leads import Office, office, reminder, step, tell

pytestmark = pytest.mark.anyio
_EAST = 'DEPTPATH(USERDEPT(owner)) = "sales/east"'


class Departments(NamedTuple):
    sales: str
    east: str
    west: str


def departments(desk: Office) -> Departments:
    """Make some, and put zhang into the east and li into the west."""
    identity = desk.service.identity
    sales = identity.departments.create_department("sales", "sales", None).id
    found = Departments(
        sales, *(identity.departments.create_department(key, key, sales).id for key in ("east", "west"))
    )
    move(desk, "zhang", found.east)
    move(desk, "li", found.west)
    return found


def move(desk: Office, who: str, department: str | None) -> None:
    desk.service.identity.users.update_user(desk.people[who], {"department_id": department})


@pytest.mark.parametrize(
    "condition",
    [
        _EAST,
        f'stage = "assigned" AND {_EAST}',
        'STARTSWITH(DEPTPATH(USERDEPT(owner)), "sales/e") AND MANAGER(MANAGER(owner)) <> BLANK()',
        "INDEPT(owner, USERDEPT(created_by)) OR INDEPT(USERDEPT(owner), USERDEPT(created_by))",
        'IF(ISBLANK(USERDEPT(owner)), FALSE, DEPTPATH(USERDEPT(owner)) & customer.name = "sales/east")',
    ],
)
async def test_only_the_records_of_a_department_are_watched(migrated_database_url: str, condition: str):
    rule = reminder("east", {"type": "unchanged"}, step("24 h", tell("{{title}}")), condition=condition)
    async with office(migrated_database_url, rule) as desk:
        known = departments(desk)
        move(desk, "boss", known.east)  # who creates the records
        theirs = await desk.create("lead", title="张", owner=desk.people["zhang"])
        other = await desk.create("lead", title="李", owner=desk.people["li"])
        nobody = await desk.create("lead", title="无")
        assert [bool(await desk.timers_of(record["id"])) for record in (theirs, other, nobody)] == [True, False, False]
        assert await desk.at("2026-11-24T09:00") == ["张"]


async def test_who_has_moved_before_a_step_is_due_is_left_alone(migrated_database_url: str):
    rule = reminder(
        "east",
        {"type": "unchanged"},
        step("24 h", tell("一天:{{title}}")),
        step("48 h", tell("两天:{{title}}")),
        condition=_EAST,
    )
    async with office(migrated_database_url, rule) as desk:
        known = departments(desk)
        for title in ("甲", "乙"):
            await desk.create("lead", title=title, owner=desk.people["zhang" if title == "甲" else "chief"])
        assert await desk.at("2026-11-24T09:00") == ["一天:甲"]  # the chief is in no department
        move(desk, "zhang", known.west)
        assert await desk.at("2026-11-25T09:00") == []
        # who comes in is watched from the next change of the record on
        move(desk, "chief", known.east)
        (lead,) = await desk.page("lead", filter='title = "乙"')
        await desk.change("lead", lead["id"], flag="x")
        assert await desk.at("2026-11-26T09:30") == ["一天:乙"]


async def test_the_clock_stands_still_while_somebody_is_in_a_department(migrated_database_url: str):
    rule = reminder("calm", {"type": "unchanged"}, step("24 h", tell("{{title}}")), pause=_EAST)
    async with office(migrated_database_url, rule) as desk:
        known = departments(desk)
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        assert await desk.at("2026-11-25T09:00") == []
        await desk.change("lead", lead["id"], owner=desk.people["li"])
        assert await desk.at("2026-11-26T09:00") == ["甲"]
        assert known.east != known.west


async def test_a_run_of_records_is_judged_by_the_directory(migrated_database_url: str):
    when = {"type": "streak", "by": "lead", "where": f"NOT({_EAST})", "length": 2}
    rule = reminder("streak", when, step("0 h", tell("连续两次", {"user": "boss"})), entity="talk")
    async with office(migrated_database_url, rule) as desk:
        departments(desk)
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        for who, said in (("li", []), ("zhang", []), ("li", []), ("li", ["连续两次"])):
            await desk.create("talk", lead=lead["id"], owner=desk.people[who])
            assert await desk.tick() == said, who


async def test_actions_know_departments_and_managers(migrated_database_url: str):
    keep = {"type": "set_fields", "set": [{"field": "flag", "formula": "DEPTPATH(USERDEPT(owner))"}]}
    rule = reminder("told", {"type": "unchanged"}, step("24 h", tell("{{title}}", {"manager_of": "owner"}), keep))
    async with office(migrated_database_url, rule) as desk:
        departments(desk)
        lead = await desk.create("lead", title="甲", owner=desk.people["li"])
        assert await desk.at("2026-11-24T09:00") == ["甲"]
        assert desk.box.letters[0].user_ids == (desk.people["chief"],)
        assert (await desk.get("lead", lead["id"]))["flag"] == "sales/west"


@pytest.mark.parametrize(
    "condition", ["INTEAM(owner)", "MANAGES(owner)", "INDEPT(USERDEPT(owner))", "owner = CURRENTUSER()"]
)
async def test_nobody_looks_when_a_step_is_due(migrated_database_url: str, condition: str):
    """What is about the person who looks holds for nobody then, whoever wrote the record."""
    rule = reminder("mine", {"type": "unchanged"}, step("24 h", tell("{{title}}")), condition=condition)
    async with office(migrated_database_url, rule) as desk:
        known = departments(desk)
        move(desk, "boss", known.sales)
        await desk.create("lead", title="甲", owner=desk.people["zhang"])
        await desk.create("lead", title="乙", owner=desk.people["boss"])
        assert await desk.at("2026-11-24T09:00") == []
