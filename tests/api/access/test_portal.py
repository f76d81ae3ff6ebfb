"""External people: portal roles only, whatever they were given, and nothing of an app that has none. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.desk import publish_definition
from tests.support.rights_app import APP, ROLES, definition
from tests.support.service import problem

pytestmark = pytest.mark.anyio

PORTAL: dict[str, Any] = {
    "key": "buyer",
    "label": "Buyer",
    "portal": True,
    "grants": [
        {"entity": "customer", "rows": "HAS(accounts, CURRENTUSER())", "fields": ["name"]},
        {"entity": "order", "rows": "HAS(customer.accounts, CURRENTUSER())", "fields": ["title", "customer"]},
    ],
}


@pytest.fixture
async def portal(trading):
    """The trade app with accounts at the customer, and two external people of alpha and beta."""
    document = definition([*ROLES, PORTAL])
    document["entities"][0]["fields"].append({"key": "accounts", "type": "multi_user", "label": "Accounts"})
    publish_definition(trading.service.app.services.registry, document)
    for name in ("anna", "bert"):
        trading.users[name] = trading.service.add_user(
            name, kind="external", department_id=trading.departments["sales"]
        ).id
        trading.service.identity.grants.give(APP, "buyer", "user", trading.users[name])
    for customer, name in (("alpha", "anna"), ("beta", "bert")):
        await trading["root"].change("customer", trading.ids[customer], accounts=[trading.users[name]])
    return trading


async def seen(trading, name, path):
    async with trading.service.client_of(name) as client:
        return await client.get(f"/api/{APP}/{path}")


async def titles(trading, name):
    return sorted(row["title"] for row in (await seen(trading, name, "records/order")).json()["data"])


async def test_an_external_person_sees_what_hangs_on_their_record(portal):
    assert await titles(portal, "anna") == ["alpha open", "alpha won"]
    assert await titles(portal, "bert") == ["beta open", "beta won"]
    problem(await seen(portal, "anna", f"records/customer/{portal.ids['beta']}"), "record.not_found")
    problem(await seen(portal, "anna", f"records/order/{portal.ids['beta won']}"), "record.not_found")
    problem(await seen(portal, "anna", "records/customer?filter=accounts IS BLANK"), "query.invalid")
    problem(await seen(portal, "anna", "records/customer?fields=secret"), "request.unknown_name")
    problem(await seen(portal, "anna", "records/note"), "entity.not_found")


async def test_taking_the_account_off_the_record_takes_everything(portal):
    await portal["root"].change("customer", portal.ids["alpha"], accounts=[])
    assert await titles(portal, "anna") == []
    problem(await seen(portal, "anna", f"records/customer/{portal.ids['alpha']}"), "record.not_found")


@pytest.mark.parametrize("kind, subject", [("everyone", ""), ("department", "sales"), ("user", "anna")])
async def test_roles_of_the_house_are_not_for_external_people(portal, kind, subject):
    known = {"sales": portal.departments["sales"], "anna": portal.users["anna"]}.get(subject, "")
    portal.service.identity.grants.give(APP, "finance", kind, known)
    assert await titles(portal, "anna") == ["alpha open", "alpha won"]
    problem(await seen(portal, "anna", "records/customer?fields=limit"), "request.unknown_name")


async def test_an_app_without_portal_roles_is_not_there_for_them(portal):
    for roles in (ROLES, []):
        publish_definition(portal.service.app.services.registry, definition(roles))
        problem(await seen(portal, "anna", "records/customer"), "app.not_found")
        problem(await seen(portal, "anna", "openapi.json"), "app.not_found")
        problem(await seen(portal, "anna", "events"), "app.not_found")


async def test_the_platform_shows_external_people_only_themselves(portal):
    async with portal.service.client_of("anna") as anna:
        assert (await anna.get("/api/me")).json()["data"]["username"] == "anna"
        for path in (
            "/api/users",
            "/api/departments",
            "/api/absences",
            f"/api/{APP}/roles",
            f"/api/{APP}/grants",
            "/builder/v1/apps",
        ):
            problem(await anna.get(path), "access.denied")


async def test_roles_of_the_house_do_nothing_for_external_people(portal):
    """Given to everybody, a role of the house lets them neither override a lock nor press a button, is none in a rule, and gets no letter."""
    own = {"entity": "customer", "rows": "HAS(accounts, CURRENTUSER()) OR HASROLE(region)", "may": ["read", "update"]}
    buyer = {**PORTAL, "grants": [{**own, "fields": ["name"]}]}
    lock = {"key": "still", "label": "still", "entity": "customer", "when": 'name <> ""', "fields": ["name"]}
    tell = {"type": "notify", "to": [{"role": "finance"}], "subject": "s"}
    button = {"type": "button", "label": "b", "roles": ["finance"]}
    changed = {"type": "changed", "changes": [{"field": "region"}]}
    document = definition(
        [*ROLES, buyer],
        locks=[{**lock, "override": ["finance"]}],
        automations=[
            {"key": key, "label": key, "entity": "customer", "trigger": trigger, "actions": [tell]}
            for key, trigger in (("press", button), ("told", changed))
        ],
    )
    document["entities"][0]["fields"].append({"key": "accounts", "type": "multi_user", "label": "Accounts"})
    publish_definition(portal.service.app.services.registry, document)
    portal.service.identity.grants.give(APP, "finance", "everyone")
    await portal["root"].change("customer", portal.ids["beta"], region="finance")
    alpha = f"/api/{APP}/records/customer/{portal.ids['alpha']}"
    async with portal.service.client_of("anna") as anna, portal.service.client_of("money") as money:
        listed = (await anna.get(f"/api/{APP}/records/customer")).json()["data"]
        assert [row["name"] for row in listed] == ["alpha"]
        problem(await anna.patch(alpha, json={"name": "a"}), "record.invalid")
        problem(await anna.patch(alpha, json={"name": "a"}, headers={"dougong-override": "typo"}), "access.denied")
        problem(await anna.post(f"{alpha}/actions/press", json={}), "access.denied")
        assert (await anna.get("/api/inbox")).json()["data"] == []
        assert len((await money.get("/api/inbox")).json()["data"]) == 1
