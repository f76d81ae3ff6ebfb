"""The second who claims a record of the pool is told that somebody was faster; to whom never could see it, it is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from builder.kernel.ids import SystemIds
from tests.support.desk import publish_definition
from tests.support.service import OWN_PAGE, Service, problem, running

JSON = Any
pytestmark = pytest.mark.anyio
_OWN = {"entity": "lead", "rows": "owner = CURRENTUSER()", "may": ["read", "create", "update"]}
_POOL = {"entity": "lead", "rows": 'ISBLANK(owner) AND region = "east"', "fields": ["title", "owner"]}
_ROLES = {
    "seller": [_OWN, _POOL],
    "helper": [_OWN],
    "watcher": [_POOL],
    "boss": [{"entity": "lead", "may": ["read", "create", "update"]}],
}
_PEOPLE = {"ann": "seller", "bob": "seller", "dan": "seller", "eve": "watcher", "hal": "helper", "boss": "boss"}


def _package(**pool: JSON) -> JSON:
    fields = [("title", "text"), ("owner", "user"), ("region", "text")]
    rule = {"key": "r", "label": "分配", "entity": "lead", "person": "owner", "otherwise": "pool"}
    steps = [{"when": 'title = "of nobody"', "people": [{"user": "boss"}]}]
    made = {"key": "a", "label": "分配", "entity": "lead", "trigger": {"type": "created"}}
    return {
        "app": {"key": "shop", "label": "shop"},
        "entities": [
            {
                "key": "lead",
                "label": "lead",
                "fields": [{"key": key, "type": kind, "label": key} for key, kind in fields],
            }
        ],
        "assignments": [
            {**rule, "steps": steps, "pool": {"claimers": [{"user": "ann"}, {"user": "bob"}, {"user": "hal"}], **pool}}
        ],
        "automations": [{**made, "condition": "ISBLANK(owner)", "actions": [{"type": "assign", "rule": "r"}]}],
        "roles": [{"key": key, "label": key, "grants": grants} for key, grants in _ROLES.items()],
    }


class _Pool:
    """People of all kinds around a pool."""

    def __init__(self, service: Service, people: dict[str, httpx.AsyncClient], ids: dict[str, str]) -> None:
        self.service, self.people, self.ids = service, people, ids

    async def lead(self, **values: JSON) -> str:
        """Make a lead; without an owner it goes to the pool."""
        body = {"title": "x", "region": "east", **values}
        reply = await self.people["boss"].post("/api/shop/records/lead", json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["data"]["id"])

    async def claim(self, name: str, lead: str, language: str = "zh") -> httpx.Response:
        """Claim a lead."""
        path = f"/api/shop/records/lead/{lead}/claim"
        return await self.people[name].post(path, headers={"accept-language": language})


@pytest.fixture(params=[{}, {"reclaim_hours": 48, "kept_if": 'title = "y"'}], ids=["kept", "reclaimed"])
async def pool(anyio_backend: str, migrated_database_url: str, request: Any) -> AsyncIterator[_Pool]:
    async with _opened(migrated_database_url, request.param) as made:
        yield made


@asynccontextmanager
async def _opened(url: str, settings: JSON) -> AsyncIterator[_Pool]:
    async with running(url) as service:
        people: dict[str, httpx.AsyncClient] = {}
        ids = {name: service.add_user(name, name=name.title()).id for name in _PEOPLE}
        publish_definition(service.app.services.registry, _package(**settings))
        for name, role in _PEOPLE.items():
            service.identity.grants.give("shop", role, "user", ids[name])
            people[name] = service.client_of(name)
            people[name].headers.update(OWN_PAGE)
        yield _Pool(service, people, ids)
        for client in people.values():
            await client.aclose()


async def test_the_second_is_told_that_somebody_was_faster_and_not_who(pool: _Pool) -> None:
    lead = await pool.lead()
    assert (await pool.claim("ann", lead)).status_code == 204
    assert (await pool.people["bob"].get(f"/api/shop/records/lead/{lead}")).status_code == 404
    for language, words in (("zh", "有人比您先一步"), ("en", "Somebody else was faster")):
        reply = await pool.claim("bob", lead, language)
        told = problem(reply, "pool.taken")
        assert (reply.status_code, told["detail"].startswith(words)) == (409, True)
        assert told.keys() <= {"type", "title", "status", "code", "detail", "instance"}
        assert "ann" not in reply.text.lower()
    problem(await pool.claim("ann", lead), "pool.refused")  # it is hers


async def test_of_two_at_once_one_has_it_and_the_other_is_told(pool: _Pool) -> None:
    for _ in range(5):
        lead = await pool.lead()
        replies = await asyncio.gather(pool.claim("ann", lead), pool.claim("bob", lead))
        assert sorted(reply.status_code for reply in replies) == [204, 409]
        problem(max(replies, key=lambda reply: reply.status_code), "pool.taken")


async def test_what_was_given_out_of_the_pool_by_hand_is_taken_too(pool: _Pool) -> None:
    lead = await pool.lead()
    given = await pool.people["boss"].patch(f"/api/shop/records/lead/{lead}", json={"owner": pool.ids["ann"]})
    assert given.status_code == 200, given.text
    problem(await pool.claim("bob", lead), "pool.taken")


async def test_to_whom_it_could_not_be_seen_in_the_pool_it_is_not_there(pool: _Pool) -> None:
    lead = await pool.lead()
    assert (await pool.claim("ann", lead)).status_code == 204
    unknown = problem(await pool.claim("hal", SystemIds(pool.service.clock).record_id()), "record.not_found")["title"]
    for name in ("hal", "dan"):  # sees nothing that lies in the pool; is not among those who may claim
        assert problem(await pool.claim(name, lead), "record.not_found")["title"] == unknown
    elsewhere = await pool.lead(region="west")
    await pool.people["boss"].patch(f"/api/shop/records/lead/{elsewhere}", json={"owner": pool.ids["ann"]})
    problem(await pool.claim("bob", elsewhere), "record.not_found")
    never = await pool.lead(owner=pool.ids["ann"])
    problem(await pool.claim("bob", never), "record.not_found")


async def test_who_comes_days_later_finds_nothing(pool: _Pool) -> None:
    lead = await pool.lead()
    assert (await pool.claim("ann", lead)).status_code == 204
    pool.service.clock.advance(timedelta(hours=25))
    problem(await pool.claim("bob", lead), "record.not_found")


async def test_where_everybody_may_claim_who_may_change_it_who_only_watches_is_not_told(
    migrated_database_url: str,
) -> None:
    async with _opened(migrated_database_url, {"claimers": None}) as pool:
        lead = await pool.lead()
        assert (await pool.claim("ann", lead)).status_code == 204
        problem(await pool.claim("dan", lead), "pool.taken")
        problem(await pool.claim("eve", lead), "record.not_found")
