"""Links and rights: the field's grant lets write them, hidden targets are neither shown nor counted nor replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.desk import Desk, publish_definition
from tests.support.links_app import APP, definition
from tests.support.service import pointers, problem, running

pytestmark = pytest.mark.anyio
JSON = Any


@pytest.fixture
async def desks(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[dict[str, Desk]]:
    """Everybody's desk: an admin with all rights, a clerk who does not see secret sellers, a guest, somebody blind to sellers."""
    async with running(migrated_database_url) as service, AsyncExitStack() as stack:
        service.add_user("admin", "admin")
        publish_definition(service.app.services.registry, definition(roles=True))
        made: dict[str, Desk] = {}
        for name in ("clerk", "guest", "blind"):
            service.add_user(name)
        all_rights = await stack.enter_async_context(service.client_of("admin", "records:read", "records:write"))
        made["admin"] = Desk(service, all_rights, APP)
        seller = [await made["admin"].create("seller", name=n, level=1, secret=n == "s") for n in ("a", "b", "s")]
        await made["admin"].create("customer", name="x", sellers=[one["id"] for one in seller])
        for name in ("clerk", "guest", "blind"):
            user = service.identity.users.find_by_username(name)
            assert user is not None
            service.identity.grants.give(APP, name, "user", user.id)
            client = await stack.enter_async_context(service.client_of(name, "records:read", "records:write"))
            made[name] = Desk(service, client, APP)
        yield made


async def test_hidden_targets_are_not_there(desks: dict[str, Desk]) -> None:
    clerk = desks["clerk"]
    (found,) = await clerk.every("customer", expand=[{"path": "sellers"}])
    assert [s["name"] for s in found["sellers"]] == ["a", "b"]
    assert len((await clerk.get("customer", found["id"]))["sellers"]) == 2
    assert "given" not in found  # it tells of links that are hidden
    for condition in (
        'COUNT(sellers, name = "s") > 0',
        {"sellers": {"_some": {"name": "s"}}},
        "COUNT(sellers) = 3",
        {"sellers": {"_formula": 'name & "" = "s"'}},
    ):
        assert await clerk.every("customer", filter=condition) == []
    assert len(await clerk.every("customer", filter="COUNT(sellers) = 2 AND SUM(sellers.share) = 20")) == 1
    told = (await clerk.timeline("customer", found["id"]))[-1]["changes"]["sellers"]
    assert [len(side or []) for side in told] == [0, 2]
    (feed,) = [e for e in await clerk.feed() if e["entity"] == "customer"]
    assert len(feed["changes"]["sellers"][1]) == 2


async def test_hidden_links_stay_and_none_can_be_made(desks: dict[str, Desk]) -> None:
    clerk, admin = desks["clerk"], desks["admin"]
    (found,) = await clerk.page("customer")
    names = {s["name"]: s["id"] for s in await admin.page("seller")}
    changed = await clerk.change("customer", found["id"], sellers=[names["b"]])
    assert changed["sellers"] == [names["b"]]
    nowhere = "0193f7a0-1b2c-7d3e-8f40-112233445566"
    for hidden in (names["s"], nowhere):
        refused = await clerk.patch("customer", found["id"], {"sellers": {"add": [hidden]}})
        assert pointers(problem(refused, "record.invalid")) == {"/sellers/add/0": "reference"}
        refused = await clerk.try_create("customer", {"name": "y", "sellers": [names["a"], hidden]})
        assert pointers(problem(refused, "record.invalid")) == {"/sellers/1": "reference"}
        unmoved = await clerk.patch("customer", found["id"], {"sellers": {"remove": [hidden]}})
        assert unmoved.json()["data"]["revision"] == changed["revision"]
    assert set((await admin.get("customer", found["id"]))["sellers"]) == {names["b"], names["s"]}
    assert (await clerk.delete("customer", found["id"])).status_code == 204


async def test_the_grant_of_the_field_lets_write_links(desks: dict[str, Desk]) -> None:
    guest = desks["guest"]
    (found,) = await guest.page("customer")
    refused = await guest.patch("customer", found["id"], {"sellers": []})
    assert pointers(problem(refused, "access.denied")) == {"/sellers": "fixed"}
    await guest.change("customer", found["id"], name="z")


async def test_links_to_what_is_not_readable_are_no_field(desks: dict[str, Desk]) -> None:
    blind = desks["blind"]
    (found,) = await blind.page("customer")
    assert not {"sellers", "given", "best", "main"} & found.keys()
    problem(await blind.send("GET", "records/customer?expand=sellers"), "request.unknown_name")
    problem(await blind.query("customer", filter="COUNT(sellers) = 3"), "request.unknown_name")
    refused = await blind.patch("customer", found["id"], {"sellers": []})
    problem(refused, "request.unknown_name")
    assert all("sellers" not in event["changes"] for event in await blind.timeline("customer", found["id"]))


async def test_the_document_of_the_api_has_links_where_they_are_seen(desks: dict[str, Desk]) -> None:
    schema = (await desks["clerk"].send("GET", "openapi.json")).json()["components"]["schemas"]
    assert "sellers" in schema["CustomerUpdate"]["properties"]
    assert (
        "sellers"
        not in (await desks["blind"].send("GET", "openapi.json")).json()["components"]["schemas"]["Customer"][
            "properties"
        ]
    )
