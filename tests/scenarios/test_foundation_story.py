"""The story of the foundation, read from top to bottom, on both databases.

A manager installs ``lead``; a front end lists leads with a filter and an expanded customer; the manager adds a field, reads the plan with
its effect on the data there is, and publishes while somebody keeps writing; the field is used at once; then the manager goes back to
version 1, and nothing that was written since is lost.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.service import Service, running

pytestmark = pytest.mark.anyio

LEADS = "/api/lead/records/lead"
DRAFT = "/builder/v1/apps/lead"


@pytest.fixture
async def service(anyio_backend: str, migrated_database_url: str) -> AsyncIterator[Service]:
    async with running(migrated_database_url, demo="lead") as made:
        for user in (made.add_user("boss", "builder"), made.add_user("li", "member")):
            made.identity.grants.give("lead", "director", "user", user.id)
        yield made


async def test_install_use_extend_publish_and_go_back(service: Service) -> None:
    async with service.client_of("boss") as boss, service.client_of("li") as li:
        await installed_app_is_useful(li)
        plan = await a_field_is_added_and_planned(boss)
        written = await published_while_somebody_writes(boss, li, plan)
        lead = await the_field_is_used_at_once(li)
        await going_back_keeps_the_data(boss, li, lead, written)


async def installed_app_is_useful(li: httpx.AsyncClient) -> None:
    condition = {"customer": {"region": {"_eq": "east"}}, "budget": {"_gte": 500_000}}
    question = {
        "filter": json.dumps(condition),
        "sort": "-budget",
        "expand": "customer",
        "limit": "20",
        "count": "exact",
    }
    answer = (await li.get(LEADS, params=question)).json()

    leads = answer["data"]
    assert 0 < len(leads) <= 20
    assert answer["meta"]["count"] >= len(leads)
    assert all(lead["customer"]["region"] == "east" and lead["budget"] >= 500_000 for lead in leads)
    budgets = [lead["budget"] for lead in leads]
    assert budgets == sorted(budgets, reverse=True)


async def a_field_is_added_and_planned(boss: httpx.AsyncClient) -> dict[str, Any]:
    read = await boss.get(f"{DRAFT}/entities/lead")
    entity = read.json()["data"]
    entity["fields"].append(
        {
            "key": "competitor_price",
            "type": "money",
            "label": {"zh": "竞品报价", "en": "Competitor's price"},
            "minimum": 0,
        }
    )
    title = next(field for field in entity["fields"] if field["key"] == "title")
    title["max_length"] = 12

    unseen = await boss.put(f"{DRAFT}/entities/lead", json=entity)
    assert (unseen.status_code, unseen.json()["code"]) == (428, "request.precondition_required")
    put = await boss.put(f"{DRAFT}/entities/lead", json=entity, headers={"if-match": read.headers["etag"]})
    assert put.status_code == 200, put.text

    assert (await boss.get(f"{DRAFT}/check")).json()["data"] == []
    plan: dict[str, Any] = (await boss.get(f"{DRAFT}/plan", headers={"accept-language": "en"})).json()["data"]
    steps = {step["kind"]: step for step in plan["steps"]}
    assert steps.keys() == {"add_field", "change_rules"}
    assert plan["risk"] == "safe"
    assert any("competitor_price" in sql for sql in steps["add_field"]["ddl"]["postgresql"])

    too_long = await boss.post(
        f"{LEADS}/query", json={"fields": ["title"], "limit": 500, "count": "exact", "sort": ["created_at"]}
    )
    total = too_long.json()["meta"]["count"]
    rule = steps["change_rules"]
    assert rule["total_count"] == total == 3000
    assert 0 < rule["affected_count"] < total
    assert f"{rule['affected_count']:,} of {total:,} records would break it" in rule["note"]
    return plan


async def published_while_somebody_writes(boss: httpx.AsyncClient, li: httpx.AsyncClient, plan: dict[str, Any]) -> int:
    """Publish in the middle of a row of writes; every one of them is either there or was refused, and the version never goes back."""
    first = await li.get(LEADS, params={"limit": 1, "sort": "created_at"})
    lead_id = first.json()["data"][0]["id"]
    stop = asyncio.Event()
    answers: list[httpx.Response] = []

    async def keep_writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answers.append(await li.patch(f"{LEADS}/{lead_id}", json={"title": f"第 {number} 次"}))

    writer = asyncio.create_task(keep_writing())
    while len(answers) < 5:
        await asyncio.wait({writer}, timeout=0.01)
    order = {"base_version": plan["base_version"], "plan_hash": plan["hash"], "note": "竞品报价"}
    published, second = await asyncio.gather(
        boss.post(f"{DRAFT}/publish", json=order), boss.post(f"{DRAFT}/publish", json=order)
    )
    seen = len(answers)
    while len(answers) < seen + 5:
        await asyncio.wait({writer}, timeout=0.01)
    stop.set()
    await writer

    assert sorted([published.status_code, second.status_code]) == [200, 409], (published.text, second.text)
    assert {answer.status_code for answer in answers} == {200}
    revisions = [answer.json()["data"]["revision"] for answer in answers]
    assert revisions == list(range(2, len(answers) + 2))
    events = (await li.get(f"{LEADS}/{lead_id}/timeline", params={"limit": 500})).json()["data"]
    versions = [event["version"] for event in reversed(events)]
    assert versions == sorted(versions)
    assert set(versions) == {1, 2}
    return len(answers)


async def the_field_is_used_at_once(li: httpx.AsyncClient) -> dict[str, Any]:
    lead = (await li.get(LEADS, params={"limit": 1})).json()["data"][0]
    assert lead["competitor_price"] is None
    refused = await li.patch(f"{LEADS}/{lead['id']}", json={"competitor_price": -1}, headers={"accept-language": "zh"})
    assert refused.status_code == 422
    assert {error["pointer"] for error in refused.json()["errors"]} >= {"/competitor_price"}

    written = await li.patch(f"{LEADS}/{lead['id']}", json={"competitor_price": "88000.50", "title": "新竞品"})
    assert written.status_code == 200, written.text
    found = await li.get(LEADS, params={"filter": '{"competitor_price":{"_gt":88000}}'})
    assert [record["id"] for record in found.json()["data"]] == [lead["id"]]
    return dict(written.json()["data"])


async def going_back_keeps_the_data(
    boss: httpx.AsyncClient, li: httpx.AsyncClient, lead: dict[str, Any], written: int
) -> None:
    back = await boss.post(f"{DRAFT}/rollback", json={"version": 1, "base_version": 2})
    assert back.status_code == 200, back.text

    answer = await li.get(f"{LEADS}/{lead['id']}")
    assert answer.status_code == 200, answer.text
    now = answer.json()["data"]
    assert "competitor_price" not in now
    assert now["title"] == "新竞品"  # written since, still there
    kept = (await boss.get(f"{DRAFT}/kept")).json()["data"]
    assert [(item["entity"], item["field"]) for item in kept] == [("lead", "competitor_price")]

    again = await boss.post(f"{DRAFT}/rollback", json={"version": 2, "base_version": 3})
    assert again.status_code == 200, again.text
    restored = (await li.get(f"{LEADS}/{lead['id']}")).json()["data"]
    assert restored["competitor_price"] == 88000.5
    versions = (await boss.get(f"{DRAFT}/versions")).json()["data"]
    assert [line["version"] for line in versions] == [4, 3, 2, 1]
    assert written >= 10
