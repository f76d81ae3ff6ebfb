"""How approvals end: the comment is the reason of the move that follows and reaches who asked; one that its app has dropped can still end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.pipelines.test_approvals import acted, approval, asked, office, place, step, waiting
from tests.api.pipelines.test_moving import moved
from tests.support import deals
from tests.support.desk import Desk, many
from tests.support.service import problem

JSON = Any
pytestmark = pytest.mark.anyio
__all__ = ["place"]
BACK = [{"type": "move_stage", "transition": "back"}]
STEPS = (step("one", "all", {"user": "finance"}), step("two", "all", {"user": "legal"}))


def document() -> JSON:
    return deals.definition(approvals=[approval(*STEPS, on_returned=BACK, on_withdrawn=BACK)])


async def quoted(desk: Desk) -> str:
    """A deal that has come to the quote; ``back`` leads to an earlier stage, which asks for a reason."""
    deal = await desk.create("deal", name="A", contact="王")
    await moved(desk, deal["id"], "meet")
    await moved(desk, deal["id"], "offer")
    return str(deal["id"])


async def last_move(desk: Desk, deal: str) -> tuple[str, str]:
    (latest, *_) = [e for e in await desk.timeline("deal", deal) if e["kind"] == "moved"]
    return latest["detail"]["transition"], latest["detail"]["reason"]


async def letters(desk: Desk) -> list[tuple[str, str]]:
    reply = await desk.client.get("/api/inbox")
    assert reply.status_code == 200, reply.text
    return [(notice["subject"], notice["text"]) for notice in reply.json()["data"]]


async def test_sent_back_after_a_step_it_goes_back_with_the_comment_and_can_be_asked_again(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    async with office(*place, document()) as people:
        deal = await quoted(people.rep)
        first = await asked(people.rep, deal)
        await acted(people.finance, first, "approve")
        problem(
            await people.finance.send("POST", f"approvals/{first}/return", {"comment": "太晚"}), "access.denied"
        )  # not any more
        assert (await acted(people.legal, first, "return", comment="补齐附件"))["state"] == "returned"
        assert (await people.rep.get("deal", deal))["stage"] == "visit"
        assert await last_move(people.rep, deal) == ("back", "补齐附件")
        assert (await letters(people.rep))[0] == ("审批被退回", "报价审批:A\n补齐附件")
        await people.rep.change("deal", deal, amount=5)
        second = await asked(people.rep, deal)
        listed = many(await people.rep.send("GET", f"records/deal/{deal}/approvals"))
        assert {one["id"]: one["state"] for one in listed} == {first: "returned", second: "running"}
        assert await waiting(people.finance) == [second]  # from the first step on


async def test_withdrawn_after_an_answer_it_waits_for_nobody_and_they_are_told(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    async with office(*place, document()) as people:
        deal = await quoted(people.rep)
        key = await asked(people.rep, deal)
        await acted(people.finance, key, "approve")
        problem(await people.finance.send("POST", f"approvals/{key}/withdraw", {}), "access.denied")
        assert (await acted(people.rep, key, "withdraw"))["state"] == "withdrawn"
        assert await last_move(people.rep, deal) == ("back", "审批已撤回")
        assert await waiting(people.legal) == []
        problem(await people.legal.send("POST", f"approvals/{key}/approve", {}), "approval.conflict")
        assert (await letters(people.legal))[0][0] == "审批已撤回"
        assert [subject for subject, _ in await letters(people.finance)] == [
            "等待您审批"
        ]  # who has answered is left alone


async def test_an_approval_that_a_version_took_away_is_answered_by_who_reads_the_record(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    """No grant can name it any more; it runs on as it began."""
    reads = {"entity": "deal", "may": ["read", "create", "update"]}
    roles = [
        {"key": "giver", "label": "giver", "grants": [{**reads, "approvals": ["quote"]}]},
        {"key": "seller", "label": "seller", "grants": [reads]},
        {"key": "none", "label": "none", "grants": [{"entity": "customer", "may": ["read"]}]},
    ]
    line = approval(step("one", "all", {"user": "lead"}), step("two", "all", {"user": "head"}))
    async with office(*place, {**deals.definition(approvals=[line]), "roles": roles}) as people:
        grants = people.service.identity.grants
        for name, role in (("rep", "seller"), ("lead", "giver"), ("head", "giver"), ("ceo", "none")):
            grants.give(deals.APP, role, "user", people.ids[name])
        deal = (await people.rep.create("deal", name="A"))["id"]
        key = await asked(people.rep, deal)
        roles[0]["grants"] = [reads]
        people.rep.publish({**deals.definition(), "roles": roles})
        to_ceo = {"user_id": people.ids["ceo"]}
        problem(await people.lead.send("POST", f"approvals/{key}/delegate", to_ceo), "approval.refused")
        await acted(people.lead, key, "approve")
        assert (await acted(people.head, key, "approve"))["state"] == "approved"
