"""Who may ask for an approval and who may give it: roles say so on every way in, and it is explained."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk import one
from tests.support.filled import Filled
from tests.support.rights_app import APP, ROLES, definition
from tests.support.service import problem
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio


def document() -> JSON:
    """Orders are approved by chiefs (those of their team) and by the finance (all that are open)."""
    roles = deepcopy(ROLES)
    _, chief, finance = roles
    chief["grants"][1]["approvals"] = ["order"]
    finance["grants"].append({"entity": "order", "rows": 'state = "open"', "may": ["read"], "approvals": "all"})
    boss = {"key": "boss", "label": "主管", "mode": "all", "approvers": [{"field": "owner"}]}
    either = {"key": "either", "label": "其一", "mode": "any", "approvers": [{"role": "chief"}, {"role": "finance"}]}
    common = {"entity": "order", "label": {"zh": "订单审批", "en": "Order"}, "on_approved": []}
    approvals = [
        {"key": "order", **common, "steps": [boss], "covers": ["amount"]},
        {"key": "loose", **common, "steps": [either], "roles": ["finance"]},
    ]
    return definition(roles, approvals=approvals)


@pytest.fixture
async def trading(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    async with open_trading(filled, tmp_path / "files", document()) as made:
        yield made


async def give(t: Trading, order: str, person: str) -> str:
    """Let an order belong to a person, who is the one to be asked."""
    await t["root"].change("order", t.ids[order], owner=t.users[person])
    return t.ids[order]


async def ask(t: Trading, person: str, order: str, approval: str = "order") -> Any:
    return await t[person].send("POST", f"records/order/{order}/approvals", {"approval": approval})


async def test_who_cannot_give_it_is_not_asked_and_the_reason_is_said(trading: Trading) -> None:
    t = trading
    order = await give(t, "alpha open", "nobody")
    told = problem(await ask(t, "root", order), "approval.refused")
    assert "nobody" in told["detail"]
    assert "没有角色允许给出这个审批" in told["detail"]
    await give(t, "alpha open", "eastboss")
    assert (await ask(t, "root", order)).status_code == 201
    far = await give(t, "gamma open", "eastboss")  # of the west: not his team's
    assert "这条记录不符合" in problem(await ask(t, "root", far), "approval.refused")["detail"]


async def test_asking_takes_the_right_to_change_and_one_of_the_roles(trading: Trading) -> None:
    t = trading
    order = await give(t, "alpha open", "money")
    problem(await ask(t, "eastboss", order), "access.denied")  # reads it, no more
    problem(await ask(t, "zhao", order), "record.not_found")
    assert (await ask(t, "wang", order)).status_code == 201
    problem(await ask(t, "wang", order, "loose"), "access.denied")
    reply = await ask(t, "both", await give(t, "beta open", "money"), "loose")
    assert reply.status_code == 201, reply.text
    assert [task["user_id"] for task in one(reply)["tasks"]] == [
        t.users["money"]
    ]  # the others may not, who asks neither


async def test_it_is_asked_again_at_the_answer_and_when_it_is_passed_on(trading: Trading) -> None:
    t = trading
    order = await give(t, "alpha open", "eastboss")
    key = one(await ask(t, "root", order))["id"]
    act = f"approvals/{key}"
    told = problem(await t["eastboss"].send("POST", f"{act}/delegate", {"user_id": t.users["li"]}), "approval.refused")
    assert "li" in told["detail"]
    problem(await t["eastboss"].send("POST", f"{act}/add_signer", {"user_id": t.users["li"]}), "approval.refused")
    assert (await t["eastboss"].send("POST", f"{act}/add_signer", {"user_id": t.users["boss"]})).status_code == 200
    await t["root"].change("order", order, state="draft")  # no more what the finance may give
    given = [grant for grant in t.service.identity.grants.list_grants(APP) if grant.subject == t.users["eastboss"]]
    for grant in given:
        t.service.identity.grants.take(APP, grant.id)
    t.service.identity.grants.give(APP, "finance", "user", t.users["eastboss"])
    told = problem(await t["eastboss"].send("POST", f"{act}/approve", {}), "access.denied")
    assert "这条记录不符合" in told["detail"]
    await t["root"].change("order", order, state="open")
    assert (await t["eastboss"].send("POST", f"{act}/approve", {})).status_code == 200
    assert one(await t["boss"].send("POST", f"{act}/approve", {}))["state"] == "approved"


async def test_explaining_says_who_may_give_what(trading: Trading) -> None:
    t = trading

    async def explained(order: str, person: str) -> dict[str, JSON]:
        path = f"records/order/{t.ids[order]}/explain"
        reply = await t["root"].send("GET", path, params={"actor": t.users[person]})
        found: dict[str, JSON] = reply.json()["data"]["approvals"]
        return found

    own = await explained("alpha open", "eastboss")
    assert (own["order"]["allowed"], own["loose"]["allowed"]) == (True, False)
    assert own["order"]["because"][0]["en"].startswith('The role "Supervisor" lets approve')
    assert (await explained("gamma open", "eastboss"))["order"]["allowed"] is False
    assert (await explained("gamma open", "money"))["loose"]["allowed"] is True
    assert (await explained("gamma won", "money"))["loose"]["allowed"] is False
