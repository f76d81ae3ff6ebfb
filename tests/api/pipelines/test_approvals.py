"""Approvals: four modes, people by line and role, delegation, signers, limits, locks; nobody passes by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.identity.audit import SYSTEM_ORIGIN
from tests.api.pipelines.test_moving import moved, take
from tests.support import deals
from tests.support.desk import Desk, many, one, publish_definition
from tests.support.service import Service, bearer, pointers, problem, running

JSON = Any
pytestmark = pytest.mark.anyio

LINE = ("ceo", "head", "lead", "rep")
"""From the top; each is the manager of the next."""


class Office:
    """An instance with a line of people, each with a desk of their own."""

    def __init__(self, service: Service, desks: dict[str, Desk], ids: dict[str, str]) -> None:
        self.service = service
        self.desks = desks
        self.ids = ids

    def __getattr__(self, name: str) -> Desk:
        return self.desks[name]


@asynccontextmanager
async def office(url: str, folder: Path, document: JSON) -> AsyncIterator[Office]:
    """Open an instance whose app has an approval."""
    async with running(url, files_folder=folder) as service, AsyncExitStack() as stack:
        ids: dict[str, str] = {}
        manager = None
        for name in LINE:
            manager = ids[name] = member(service, name, manager_id=manager)
        for name, role in (("boss", "admin"), ("finance", "builder"), ("legal", "builder")):
            ids[name] = member(service, name, role=role)
        publish_definition(service.app.services.registry, document)
        desks = {}
        for name in ids:
            headers = bearer(service.token_of(name, "records:read", "records:write"))
            desks[name] = Desk(service, await stack.enter_async_context(service.client(headers=headers)), deals.APP)
        yield Office(service, desks, ids)


def member(service: Service, username: str, role: str = "member", **values: Any) -> str:
    """Make a user who comes by token only."""
    return service.identity.users.create_user({"username": username, "role": role, **values}, password=None).id


def approval(*steps: JSON, **more: JSON) -> dict[str, JSON]:
    """An approval of deals."""
    return {"key": "quote", "label": {"zh": "报价审批", "en": "Quote"}, "entity": "deal", "steps": list(steps), **more}


def step(key: str, mode: str, *approvers: JSON, **more: JSON) -> dict[str, JSON]:
    """A step of an approval."""
    return {"key": key, "label": key, "mode": mode, "approvers": list(approvers), **more}


def with_approval(document: JSON, flow: JSON = None) -> dict[str, JSON]:
    return deals.definition(flow, approvals=[document])


@pytest.fixture
def place(migrated_database_url: str, tmp_path: Path) -> tuple[str, Path]:
    return migrated_database_url, tmp_path / "files"


async def ask(desk: Desk, deal: str, **body: JSON) -> httpx.Response:
    return await desk.send("POST", f"records/deal/{deal}/approvals", {"approval": "quote", **body})


async def asked(desk: Desk, deal: str, **body: JSON) -> str:
    reply = await ask(desk, deal, **body)
    assert reply.status_code == 201, reply.text
    return str(one(reply)["id"])


async def act(desk: Desk, approval_id: str, what: str, **body: JSON) -> httpx.Response:
    return await desk.send("POST", f"approvals/{approval_id}/{what}", body)


async def acted(desk: Desk, approval_id: str, what: str, **body: JSON) -> dict[str, JSON]:
    reply = await act(desk, approval_id, what, **body)
    assert reply.status_code == 200, reply.text
    return one(reply)


async def waiting(desk: Desk) -> list[str]:
    """Ids of the approvals that wait for somebody, from the inbox over all apps."""
    reply = await desk.client.get("/api/approvals", params={"state": "open"})
    assert reply.status_code == 200, reply.text
    return [item["id"] for item in reply.json()["data"]]


async def test_the_line_of_command_tiers_and_a_record_that_follows(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(
        step("lead", "all", {"manager_of": "owner"}),
        step("head", "all", {"manager_of": "owner", "levels": 2}, when="amount > 50000"),
        step("ceo", "all", {"user": "ceo"}, when="amount > 200000"),
        on_approved=[{"type": "move_stage", "transition": "admit"}],
        on_rejected=[{"type": "set_fields", "set": [{"field": "note", "value": "被驳回"}]}],
        covers=["amount"],
    )
    async with office(*place, with_approval(document)) as people:
        rep = people.rep
        deal = await rep.create("deal", name="大单", amount=100_000, owner=people.ids["rep"], contact="王")
        key = await asked(rep, deal["id"], comment="请批")
        assert await waiting(people.lead) == [key]
        assert await waiting(people.head) == []
        problem(await act(people.head, key, "approve"), "approval.not_found")  # not yet his, so it is hidden
        await acted(people.lead, key, "approve", comment="同意")
        assert await waiting(people.lead) == []
        assert await waiting(people.head) == [key]
        done = await acted(people.head, key, "approve")
        assert (done["state"], [s["key"] for s in done["steps"]]) == ("approved", ["lead", "head"])
        assert (await rep.get("deal", deal["id"]))["stage"] == "visit"
        assert [a["act"] for a in done["acts"]] == ["asked", "approved", "approved"]
        assert done["acts"][1]["comment"] == "同意"
        told = [e["detail"]["act"] for e in await rep.timeline("deal", deal["id"]) if e["kind"] == "approval"]
        assert told[::-1] == ["asked", "approve", "approve", "approved"]
        problem(await act(people.head, key, "approve"), "approval.conflict")
        small = await rep.create("deal", name="小单", amount=10, owner=people.ids["rep"])
        rejected = await acted(people.lead, await asked(rep, small["id"]), "reject", comment="太少")
        assert (rejected["state"], (await rep.get("deal", small["id"]))["note"]) == ("rejected", "被驳回")


MODES = [
    ("any", [("finance", "approve")], "approved"),
    ("any", [("legal", "reject")], "rejected"),
    ("all", [("finance", "approve"), ("legal", "approve"), ("ceo", "approve")], "approved"),
    ("all", [("finance", "approve"), ("legal", "reject")], "rejected"),
    ("all", [("finance", "approve"), ("legal", "approve")], "running"),
    ("vote", [("finance", "approve"), ("legal", "approve")], "approved"),
    ("vote", [("finance", "approve"), ("legal", "reject")], "running"),
    ("vote", [("finance", "reject"), ("legal", "reject")], "rejected"),
    ("in_order", [("finance", "approve"), ("legal", "approve"), ("ceo", "approve")], "approved"),
    ("in_order", [("finance", "reject")], "rejected"),
    ("all", [("finance", "return")], "returned"),
]


async def test_modes(anyio_backend: str, place: tuple[str, Path]) -> None:
    names = ("finance", "legal", "ceo")
    kinds = [
        approval(step("one", mode, *({"user": name} for name in names))) | {"key": mode}
        for mode in ("any", "all", "vote", "in_order")
    ]
    async with office(*place, deals.definition(approvals=kinds)) as people:
        for mode, answers, state in MODES:
            deal = await people.rep.create("deal", name="A")
            key = await asked(people.rep, deal["id"], approval=mode)
            if mode == "in_order":
                problem(await act(people.legal, key, "approve"), "access.denied")
            last: JSON = None
            for who, what in answers:
                last = await acted(people.desks[who], key, what)
            assert last["state"] == state, (mode, answers)
            left = [name for name in names if key in await waiting(people.desks[name])]
            answered = [who for who, _ in answers]
            assert left == ([n for n in names if n not in answered] if state == "running" else []), (mode, answers)


async def test_nobody_approves_what_he_asked_for(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(step("one", "all", {"user": "rep"}))
    async with office(*place, with_approval(document)) as people:
        deal = await people.rep.create("deal", name="A")
        key = await asked(people.rep, deal["id"])
        problem(await act(people.rep, key, "approve"), "access.denied")
        assert await waiting(people.lead) == [key]  # his manager takes his place
        problem(await act(people.lead, key, "delegate", user_id=people.ids["rep"]), "approval.refused")
        problem(await act(people.lead, key, "add_signer", user_id=people.ids["rep"]), "approval.refused")
        problem(await act(people.boss, key, "approve"), "access.denied")  # not even an admin answers for others
        assert (await acted(people.lead, key, "approve"))["state"] == "approved"


async def test_who_has_nobody_above_cannot_ask_himself(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(step("one", "all", {"user": "ceo"}), allow_self=False)
    async with office(*place, with_approval(document)) as people:
        deal = await people.ceo.create("deal", name="A")
        found = problem(await ask(people.ceo, deal["id"]), "approval.refused")
        assert (found["step"], "用户“ceo”" in found["detail"]) == ("one", True)  # whom it looked for
        assert many(await people.ceo.send("GET", f"records/deal/{deal['id']}/approvals")) == []


async def test_delegating_adding_withdrawing_and_what_is_not_allowed(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    document = approval(step("one", "all", {"user": "finance"}))
    async with office(*place, with_approval(document)) as people:
        deal = await people.rep.create("deal", name="A")
        key = await asked(people.rep, deal["id"])
        await acted(people.finance, key, "delegate", user_id=people.ids["legal"], comment="出差")
        assert (await waiting(people.finance), await waiting(people.legal)) == ([], [key])
        await acted(people.legal, key, "add_signer", user_id=people.ids["ceo"])
        problem(await act(people.legal, key, "add_signer", user_id=people.ids["ceo"]), "approval.refused")
        assert (await acted(people.legal, key, "approve"))["state"] == "running"
        shown = await acted(people.ceo, key, "approve")
        assert shown["state"] == "approved"
        assert [(t["user_name"], t["source"], t["state"]) for t in shown["tasks"]] == [
            ("finance", "step", "delegated"),
            ("legal", "delegated", "approved"),
            ("ceo", "signer", "approved"),
        ]
        again = await asked(people.rep, deal["id"])
        problem(await ask(people.rep, deal["id"]), "approval.conflict")
        problem(await act(people.finance, again, "withdraw"), "access.denied")
        problem(await act(people.head, again, "comment", comment="?"), "approval.not_found")
        await acted(people.finance, again, "comment", comment="缺附件")
        assert (await acted(people.rep, again, "withdraw", comment="补材料"))["state"] == "withdrawn"
        assert await waiting(people.finance) == []
        reply = await people.rep.send("GET", "approvals", params={"state": "asked"})
        assert [item["state"] for item in many(reply)] == ["withdrawn", "approved"]
        reply = await people.finance.send("GET", "approvals", params={"state": "done"})
        assert [item["task_state"] for item in many(reply)] == ["delegated"]


async def test_what_is_being_approved_is_locked_and_a_later_change_makes_it_void(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    flow = deals.pipeline()
    flow["transitions"][0] |= {"starts_approval": "quote"}
    flow["transitions"][1] |= {"guards": [{"type": "approval", "approval": "quote"}]}
    document = approval(step("one", "any", {"user": "finance"}), covers=["amount", "stage"])
    async with office(*place, with_approval(document, flow)) as people:
        rep = people.rep
        deal = await rep.create("deal", name="A", amount=5, contact="王")
        await moved(rep, deal["id"], "meet")  # the transition asks for the approval
        [running_one] = many(await rep.send("GET", f"records/deal/{deal['id']}/approvals"))
        for reply in (
            await rep.patch("deal", deal["id"], {"amount": 9}),
            await people.boss.patch("deal", deal["id"], {"amount": 9}),
        ):
            document_of = problem(reply, "record.invalid")
            assert pointers(document_of) == {"/amount": "locked"}
            assert document_of["errors"][0]["params"]["approval_id"] == running_one["id"]
        assert (await rep.delete("deal", deal["id"])).status_code == 422
        refusal = problem(await take(rep, deal["id"], "lose", reason="x"), "transition.refused")
        assert {todo["code"] for todo in refusal["todo"]} == {"locked"}
        await rep.change("deal", deal["id"], note="备注可改")
        await acted(people.finance, running_one["id"], "approve")
        await rep.change("deal", deal["id"], amount=6)
        refusal = problem(await take(rep, deal["id"], "offer"), "transition.refused")
        assert [(t["code"], t["current"]) for t in refusal["todo"]] == [("approval", "void")]
        await acted(people.finance, await asked(rep, deal["id"]), "approve")
        assert (await moved(rep, deal["id"], "offer"))["stage"] == "quote"


async def test_a_publish_changes_nothing_about_what_runs(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(step("one", "all", {"user": "finance"}), step("two", "all", {"user": "legal"}))
    async with office(*place, with_approval(document)) as people:
        deal = await people.rep.create("deal", name="A")
        key = await asked(people.rep, deal["id"])
        shorter = approval(step("other", "all", {"user": "ceo"}))
        people.rep.publish(with_approval(shorter))
        assert (await acted(people.finance, key, "approve"))["state"] == "running"
        assert (await acted(people.legal, key, "approve"))["state"] == "approved"
        assert [
            s["key"] for s in many(await people.rep.send("GET", f"records/deal/{deal['id']}/approvals"))[0]["steps"]
        ] == ["one", "two"]


async def test_time_is_up_once_and_either_answer_counts(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(
        step(
            "one",
            "all",
            {"user": "lead"},
            {"user": "finance"},
            limit_hours=24,
            escalate_to=[{"manager_of": "owner", "levels": 2}],
        )
    )
    async with office(*place, with_approval(document)) as people:
        approvals = people.service.app.services.approvals
        deal = await people.rep.create("deal", name="A", owner=people.ids["rep"])
        key = await asked(people.rep, deal["id"])
        await acted(people.finance, key, "approve")
        people.service.clock.advance(timedelta(hours=23, minutes=59))
        assert await approvals.tend_due() == 0
        people.service.clock.advance(timedelta(minutes=1))
        assert await approvals.tend_due() == 1
        assert await approvals.tend_due() == 0
        assert await waiting(people.head) == [key]
        assert await waiting(people.lead) == [key]
        done = await acted(people.head, key, "approve")
        assert done["state"] == "approved"  # his answer is the answer of the lead's place
        assert await waiting(people.lead) == []


async def test_who_leaves_is_replaced_up_the_line_or_admins_are_told_once(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    document = approval(step("one", "all", {"user": "lead"}, {"user": "head"}))
    async with office(*place, with_approval(document)) as people:
        users, tend = people.service.identity.users, people.service.app.services.approvals.tend_due
        deal = await people.rep.create("deal", name="A", owner=people.ids["rep"])
        key = await asked(people.rep, deal["id"])
        assert await tend() == 0
        users.update_user(people.ids["lead"], {"active": False})
        assert await tend() == 1
        assert await tend() == 0
        assert await waiting(people.ceo) == [key]  # the head is asked himself: two places, two people
        assert await waiting(people.head) == [key]
        users.update_user(people.ids["ceo"], {"active": False})
        assert await tend() == 1  # nobody is above him …
        assert await tend() == 0  # … which is said once
        inbox = (await people.boss.client.get("/api/inbox")).json()["data"]
        assert [message["subject"] for message in inbox] == ["审批人已离职,请改派"]
        found = one(await people.boss.send("GET", f"approvals/{key}"))
        assert [act["act"] for act in found["acts"]] == ["asked", "replaced", "vacant"]
        task = next(task for task in found["tasks"] if task["user_id"] == people.ids["ceo"])
        await acted(people.boss, key, "delegate", user_id=people.ids["legal"], task_id=task["id"])
        await acted(people.legal, key, "approve")
        assert (await acted(people.head, key, "approve"))["state"] == "approved"


async def test_what_is_handed_over_goes_to_the_heir_and_not_up_the_line(
    anyio_backend: str, place: tuple[str, Path]
) -> None:
    document = approval(step("one", "all", {"user": "lead"}))
    async with office(*place, with_approval(document)) as people:
        services = people.service.app.services
        deal = await people.rep.create("deal", name="A", owner=people.ids["rep"])
        key = await asked(people.rep, deal["id"])
        leaver, heir = (services.identity.users.get_user(people.ids[name]) for name in ("lead", "finance"))
        services.handover.begin(leaver, heir, SYSTEM_ORIGIN, deactivate=True)
        assert await services.approvals.tend_due() == 0
        await services.ticker.until_quiet()
        assert await waiting(people.finance) == [key]
        assert await waiting(people.head) == []


async def test_of_two_answers_at_once_one_is_too_late(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(
        step("one", "any", {"user": "finance"}, {"user": "legal"}),
        on_approved=[{"type": "move_stage", "transition": "admit"}],
    )
    async with office(*place, with_approval(document)) as people:
        deal = await people.rep.create("deal", name="A", contact="王")
        key = await asked(people.rep, deal["id"])
        replies = await asyncio.gather(act(people.finance, key, "approve"), act(people.legal, key, "approve"))
        assert sorted(reply.status_code for reply in replies) == [200, 409]
        assert len(many(await people.rep.send("GET", f"records/deal/{deal['id']}/stages"))) == 2


async def test_what_follows_and_is_refused_undoes_the_answer(anyio_backend: str, place: tuple[str, Path]) -> None:
    document = approval(
        step("one", "any", {"user": "finance"}), on_approved=[{"type": "move_stage", "transition": "admit"}]
    )
    async with office(*place, with_approval(document)) as people:
        deal = await people.rep.create("deal", name="A")  # without the contact that the stage asks for
        key = await asked(people.rep, deal["id"])
        refusal = problem(await act(people.finance, key, "approve"), "transition.refused")
        assert [todo["field"] for todo in refusal["todo"]] == ["contact"]
        assert await waiting(people.finance) == [key]
