"""Words that the platform keeps about records: runs, firings, decisions, titles. They tell only what their reader sees."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.filled import Filled
from tests.support.query_app import field
from tests.support.rights_app import definition
from tests.support.service import problem
from tests.support.trading import Trading, open_trading

JSON = Any
pytestmark = pytest.mark.anyio


def _reminder(key: str, entity: str, moment: str) -> JSON:
    tell = {"type": "notify", "to": [{"field": "owner"}], "subject": "S {{secret}}"} if entity == "customer" else None
    step = {"after": "0 h", "actions": [tell] if tell else []}
    return {
        "key": key,
        "label": key,
        "entity": entity,
        "when": {"type": "date", "moment": moment},
        "steps": [step],
    }


def document() -> JSON:
    """The trade app; sellers see neither secret (the title), limit, judge nor the day of the hidden reminder."""
    made = definition()
    customer = made["entities"][0]
    customer["title_field"] = "secret"
    customer["fields"] += [field("seen_on", "date"), field("hidden_on", "date"), field("judge", "user")]
    seller, _, finance = made["roles"]
    seller["grants"][0] |= {"hidden": ["secret", "judge", "hidden_on", "limit"], "fixed": ["owner"]}
    finance["grants"][0] |= {"approvals": "all"}
    made["reminders"] = [
        _reminder("plain", "customer", "seen_on"),
        _reminder("covert", "customer", "hidden_on"),
        _reminder("over", "order", "customer.seen_on"),
    ]
    tells = {"type": "notify", "to": [{"field": "owner"}], "subject": "{{secret}} {{limit}}"}
    changes = {"type": "changed", "changes": [{"field": "region"}]}
    assign = {"type": "assign", "rule": "judge"}
    made["automations"] = [
        {"key": "a0", "label": "a0", "entity": "customer", "trigger": changes, "actions": [tells, assign]},
        {
            "key": "push",
            "label": "push",
            "entity": "customer",
            "trigger": {"type": "button", "label": "Push"},
            "actions": [tells],
        },
    ]
    step = {"label": "first", "people": [{"role": "finance"}], "picker": {"type": "round_robin"}}
    made["assignments"] = [{"key": "judge", "label": "judge", "entity": "customer", "person": "judge", "steps": [step]}]
    one = {"key": "one", "label": "one", "approvers": [{"role": "finance"}], "mode": "any"}
    made["approvals"] = [{"key": "ok", "label": "ok", "entity": "customer", "steps": [one]}]
    return made


@pytest.fixture
async def told(anyio_backend: str, filled: Filled, tmp_path: Path) -> AsyncIterator[Trading]:
    async with open_trading(filled, tmp_path / "files", document()) as made:
        alpha = made.ids["alpha"]
        await made["root"].change("customer", alpha, seen_on="2026-11-23", hidden_on="2026-11-23")
        await made["wang"].change("customer", alpha, region="x")
        yield made


def _secret(reply: Any) -> bool:
    return any(word in reply.text for word in ("secret alpha", "limit", "judge"))


async def test_the_log_of_runs_has_words_for_who_sees_the_whole_only(told: Trading) -> None:
    path = f"records/customer/{told.ids['alpha']}/runs"
    whole, part = await told["root"].send("GET", path), await told["wang"].send("GET", path)
    assert "secret alpha 100" in whole.text
    assert [o["state"] for o in part.json()["data"][0]["outcomes"]] == ["done", "done"]
    assert not _secret(part)
    pressed = await told["wang"].send("POST", f"records/customer/{told.ids['alpha']}/actions/push")
    assert [o["state"] for o in pressed.json()["data"]["outcomes"]] == ["done"]
    assert not _secret(pressed)
    problem(await told["root"].send("GET", f"{path}?before=abc"), "query.invalid")


async def test_who_does_not_see_to_whom_it_went_is_told_of_no_decision(told: Trading) -> None:
    path = f"records/customer/{told.ids['alpha']}/assignments"
    [decided] = (await told["root"].send("GET", path)).json()["data"]
    assert decided["user"] in ("both", "money")
    assert (await told["wang"].send("GET", path)).json()["data"] == []


async def test_a_title_that_is_hidden_is_in_no_approval_and_no_letter(told: Trading) -> None:
    alpha, wang, money = told.ids["alpha"], told["wang"], told["money"]
    asked = await wang.send("POST", f"records/customer/{alpha}/approvals", {"approval": "ok"})
    assert asked.status_code == 201, asked.text
    approval = asked.json()["data"]["id"]
    for who in (wang, money):
        listed = [await who.send("GET", "approvals?state=asked"), await who.send("GET", "approvals?state=open")]
        listed += [await who.client.get("/api/approvals"), await who.send("GET", f"approvals/{approval}")]
        assert all(reply.status_code == 200 for reply in listed)
        assert not any("secret alpha" in reply.text for reply in (asked, *listed))
    assert (await told["root"].send("GET", f"approvals/{approval}")).json()["data"]["title"] == "secret alpha"
    letters = (await money.client.get("/api/inbox")).json()["data"]
    assert [letter["text"] for letter in letters if letter["record_id"] == alpha] == ["ok"]


async def test_a_reminder_is_told_of_and_answered_by_who_sees_what_it_reads(told: Trading) -> None:
    wang, alpha = told["wang"], f"records/customer/{told.ids['alpha']}/timers"
    listed = (await wang.send("GET", alpha)).json()["data"]["timers"]
    assert [timer["reminder"] for timer in listed] == ["plain"]
    answers = []
    for key in ("covert", "nope"):
        for deed, body in (("acknowledge", None), ("snooze", {"for": "2 h"})):
            reply = await wang.send("POST", f"{alpha}/{key}/{deed}", body)
            answers.append(problem(reply, "timer.not_found")["detail"].replace(key, "KEY"))
    assert len(set(answers)) == 1
    states = {t["reminder"]: t["state"] for t in (await told["root"].send("GET", alpha)).json()["data"]["timers"]}
    assert states == {"plain": "waiting", "covert": "waiting"}
    upper = f"records/customer/{told.ids['alpha'].upper()}/timers"
    mine = await wang.send("POST", f"{upper}/plain/acknowledge")
    assert mine.status_code == 200, mine.text

    told.service.clock.advance(timedelta(days=1, hours=20))
    await told["root"].settle()
    await told.service.app.services.ticker.until_quiet()
    fired = {line["reminder"]: line for line in (await told["root"].send("GET", alpha)).json()["data"]["fired"]}
    assert "secret alpha" in str(fired["covert"]["detail"])
    assert (await wang.send("GET", alpha)).json()["data"]["fired"] == []


async def test_a_reminder_over_a_record_that_is_hidden_is_not_told_of(told: Trading) -> None:
    """Wang sees the order of his own customer's reminder; who sees the order and not the customer does not."""
    root, ids = told["root"], told.ids
    path = f"records/order/{ids['alpha won']}/timers"
    assert [t["reminder"] for t in (await told["wang"].send("GET", path)).json()["data"]["timers"]] == ["over"]
    assert (await told["money"].send("GET", path)).json()["data"]["timers"] == []  # sees all customers, not this field
    document_ = document()
    document_["roles"][2]["grants"][0] = {"entity": "customer", "rows": 'level = "A"', "fields": ["name", "seen_on"]}
    root.publish(document_)
    assert (await told["money"].send("GET", path)).json()["data"]["timers"] == []  # the field, not this customer
    await root.change("customer", ids["alpha"], level="A")
    assert [t["reminder"] for t in (await told["money"].send("GET", path)).json()["data"]["timers"]] == ["over"]


async def test_a_reminder_over_children_is_told_of_where_the_parent_opens_all_of_them(told: Trading) -> None:
    """Whoever sees every order that a customer could have learns of a reminder over them; that those there are seen would not do."""
    made = document()
    made["reminders"] += [_reminder("stale", "customer", "seen_on")]
    made["reminders"][-1]["when"] = {"type": "unchanged", "fields": ["name", "orders"]}
    made["reminders"][-1]["steps"][0]["after"] = "9 d"
    told["root"].publish(made)
    alpha = told.ids["alpha"]
    path = f"records/customer/{alpha}/timers"

    async def sees_it(name: str) -> bool:
        listed = (await told[name].send("GET", path)).json()["data"]["timers"]
        return "stale" in [timer["reminder"] for timer in listed]

    await told["root"].change("customer", alpha, level="A", name="Alpha 2")
    assert await sees_it("wang")  # orders: customer.owner = CURRENTUSER()
    assert await sees_it("eastboss")  # orders: INTEAM(customer.owner)
    assert (await told["zhao"].get("customer", alpha))["name"] == "Alpha 2"
    assert not await sees_it("zhao")  # sees the customer by its level, and none of its orders
    orders = [grant for grant in made["roles"][0]["grants"] if grant["entity"] == "order"]
    orders[0]["rows"] = "customer.owner = CURRENTUSER() AND ISBLANK(state)"
    told["root"].publish(made)
    assert not await sees_it("wang")  # the order itself decides, too
    orders[0]["rows"] = "customer.owner = CURRENTUSER() OR owner = CURRENTUSER()"
    told["root"].publish(made)
    assert await sees_it("wang")
    wrote = await told["wang"].send("POST", f"{path}/stale/acknowledge")
    assert wrote.status_code == 200, wrote.text
