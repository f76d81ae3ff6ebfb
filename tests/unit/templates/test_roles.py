"""Roles of the bundled templates: what each sees and may do, with the sample people and records."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from builder.definition.kinds import ROLES
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.packages import get_template
from runtime.install import install_template
from runtime.query.request import read_members
from runtime.records.caller import Caller, system_caller
from tests.support.service import Service, running

JSON = Any
ADMIN = system_caller("test", "rest")


class House:
    """A template that is installed."""

    def __init__(self, service: Service, app: str) -> None:
        self.service = service
        self.app = app
        self.records = service.app.services.records

    async def caller(self, username: str) -> Caller:
        """A sample person."""
        user = self.service.identity.users.find_by_username(username)
        assert user is not None
        known = await self.service.app.services.authenticator.see_as(user.id)
        assert known is not None
        return Caller(known.actor, "test", "rest", known.epoch)

    async def rows(self, caller: Caller, entity: str, **members: JSON) -> list[dict[str, JSON]]:
        """All records that somebody sees."""
        found: list[dict[str, JSON]] = []
        cursor = None
        while True:
            request = read_members({"limit": 500, **members, "cursor": cursor})
            page = await self.records.list_page(caller, self.app, entity, request)
            found += [parse_json(row) for row in page.records]
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def refused(self, caller: Caller, entity: str, body: JSON, record_id: str | None = None) -> str:
        """The code with which a write is refused."""
        writing: Any = (
            self.records.create(caller, self.app, entity, body)
            if record_id is None
            else self.records.update(caller, self.app, entity, record_id, body, None)
        )
        with pytest.raises(Problem) as problem:
            await writing
        return problem.value.code


def in_house(url: str, app: str, check: Any) -> None:
    """Install a template and look."""

    async def run() -> None:
        async with running(url) as service:
            await install_template(service.app.services, app)
            await check(House(service, app))

    asyncio.run(run())


def of_team(rows: list[dict[str, JSON]], key: str, people: set[str]) -> set[str]:
    """Ids of rows whose person is one of these."""
    return {row["id"] for row in rows if row[key] in people}


def test_lead(migrated_database_url: str) -> None:
    async def check(house: House) -> None:
        seller, chief = await house.caller("zhangwei"), await house.caller("chenzhiqiang")
        everything = await house.rows(ADMIN, "lead")
        assert seller.actor is not None
        assert chief.actor is not None
        me, team = seller.actor.user_id, set(chief.actor.team)
        assert me in team
        own = {row["id"] for row in everything if row["owner"] == me}
        free = {row["id"] for row in everything if row["owner"] is None}
        found = {row["id"]: row for row in await house.rows(seller, "lead")}
        assert found.keys() == own | free
        assert own
        assert all(row["contact_phone"] is None for key, row in found.items() if key in free)
        seen = {row["id"] for row in await house.rows(chief, "lead")}
        departments = set(chief.actor.departments)
        assert seen == {
            r["id"] for r in everything if r["owner"] in team or r["department"] in departments or r["owner"] is None
        }
        assert seen < {row["id"] for row in everything}
        assert len(await house.rows(await house.caller("linxiaoyan"), "lead")) == len(everything)
        market = await house.rows(await house.caller(await a_member(house, "marketing")), "lead")
        assert len(market) == len(everything)
        assert "deal_amount" not in market[0]
        assert {row["contact_phone"] for row in market if row["contact_phone"]} <= {
            masked(row["contact_phone"]) for row in everything if row["contact_phone"]
        }
        money = await house.caller(await a_member(house, "finance"))
        assert {row["id"] for row in await house.rows(money, "lead")} == {
            row["id"] for row in everything if row["outcome"] == "won"
        }
        customer = (await house.rows(seller, "customer", filter={"owner": {"_eq": me}}))[0]
        assert await house.refused(seller, "customer", {"credit_limit": 1}, str(customer["id"])) == "access.denied"
        changed = await house.records.update(money, "lead", "customer", str(customer["id"]), {"credit_limit": 5}, None)
        assert changed.record["credit_limit"] == 5
        assert await house.refused(money, "customer", {"name": "x"}, str(customer["id"])) == "access.denied"

    in_house(migrated_database_url, "lead", check)


def test_receivables(migrated_database_url: str) -> None:
    async def check(house: House) -> None:
        seller, chief = await house.caller("zhangwei"), await house.caller("limin")
        customers = {row["id"]: row for row in await house.rows(ADMIN, "customer")}
        invoices = await house.rows(ADMIN, "invoice")
        assert seller.actor is not None
        assert chief.actor is not None
        me = seller.actor.user_id
        mine = {row["id"] for row in invoices if me in (customers[row["customer"]]["owner"], row["owner"])}
        assert {row["id"] for row in await house.rows(seller, "invoice")} == mine
        team = set(chief.actor.team)
        assert {row["id"] for row in await house.rows(chief, "payment")} == {
            row["id"] for row in await house.rows(ADMIN, "payment") if customers[row["customer"]]["owner"] in team
        }
        legal = await house.caller(await a_member(house, "legal"))
        contract = (await house.rows(legal, "contract"))[0]
        assert "paid_amount" not in contract
        body = {"clause_version": "2027-1"}
        assert (await house.records.update(legal, "receivables", "contract", contract["id"], body, None)).revision > 1
        with pytest.raises(Problem, match=r"entity\.not_found"):
            await house.rows(legal, "payment")
        delivery = await house.caller(await a_member(house, "delivery"))
        line = (await house.rows(delivery, "contract_line"))[0]
        assert not {"price", "amount"} & line.keys()
        money = await house.caller(await a_member(house, "finance"))
        assert len(await house.rows(money, "invoice")) == len(invoices)
        assert await house.refused(seller, "payment", {"customer": contract["customer"]}) == "access.denied"

    in_house(migrated_database_url, "receivables", check)


def test_store_sales(migrated_database_url: str) -> None:
    async def check(house: House) -> None:
        stores = await house.rows(ADMIN, "store")
        owner = next(row["owner"] for row in stores if row["owner"])
        seller = await house.caller(house.service.identity.users.get_user(owner).username)
        assert {row["id"] for row in await house.rows(seller, "store")} == {
            row["id"] for row in stores if row["owner"] == owner
        }
        dealer = (await house.rows(ADMIN, "dealer"))[0]
        user = house.service.identity.users.create_user({"username": "dealer1", "kind": "external"})
        bound = {"accounts": [user.id]}
        await house.records.update(ADMIN, "store_sales", "dealer", dealer["id"], bound, None)
        house.service.identity.grants.give("store_sales", "dealer", "user", user.id)
        external = await house.caller("dealer1")
        assert [row["id"] for row in await house.rows(external, "dealer")] == [dealer["id"]]
        assert {row["id"] for row in await house.rows(external, "store")} == {
            row["id"] for row in stores if row["dealer"] == dealer["id"]
        }
        orders = await house.rows(external, "order")
        assert {row["dealer"] for row in orders} <= {dealer["id"]}
        assert all("rebate" not in row for row in orders)
        with pytest.raises(Problem, match=r"entity\.not_found"):
            await house.rows(external, "visit")
        money = await house.caller(await a_member(house, "finance"))
        assert await house.refused(money, "order", {"note": "x"}, str((await house.rows(money, "order"))[0]["id"]))

    in_house(migrated_database_url, "store_sales", check)


async def a_member(house: House, department: str) -> str:
    """The user name of somebody in a department."""
    wanted = next(d.id for d in house.service.identity.departments.list_departments() if d.key == department)
    return next(u.username for u in house.service.identity.users.list_users() if u.department_id == wanted)


def masked(phone: str) -> str:
    """A phone as it is shown in part."""
    return f"{phone[:3]}****{phone[-4:]}"


@pytest.mark.parametrize(
    "app, expected",
    [
        ("lead", {"seller", "supervisor", "director", "marketing", "finance", "support"}),
        ("receivables", {"seller", "supervisor", "director", "finance", "legal", "delivery", "customer"}),
        ("store_sales", {"seller", "supervisor", "director", "marketing", "finance", "dealer"}),
    ],
)
def test_every_template_has_its_roles(app: str, expected: set[str]) -> None:
    assert {role.key for role in get_template(app).definition.of(ROLES)} == expected
