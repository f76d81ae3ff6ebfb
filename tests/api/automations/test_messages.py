"""Automations that other systems and other apps start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import anyio
import httpx
import pytest

from builder.kernel.canonical import dump_json
from builder.kernel.ids import SystemIds
from builder.kernel.limits import AUTOMATION_DEPTH, AUTOMATION_FAILURES, HOOK_BYTES, HOOK_MISSES, HOOK_SECONDS
from runtime.channels.webhook import sign
from tests.support.office import Office, on, sets
from tests.support.service import bearer, problem

JSON = Any
pytestmark = pytest.mark.anyio


HOOK = {
    "type": "webhook",
    "id_at": "/id",
    "only": [{"at": "/kind", "among": ["paid", "opened"]}],
    "match": [{"field": "code", "at": "/order"}],
    "set": [{"field": "amount", "at": "/sum"}, {"field": "branch", "at": "/branch"}],
    "create": False,
}
PAID = on(HOOK, {"type": "set_fields", "set": [{"field": "note", "formula": 'CONCAT("收到 ", amount)'}]}, log="all")


class Sender:
    """Another system that knows the secret."""

    def __init__(self, office: Office, secret: str) -> None:
        self.office = office
        self.secret = secret

    async def send(self, message: JSON, *, off: int = 0, path: str = "a0", **headers: str) -> httpx.Response:
        """Send a message, signed at a moment that is ``off`` by so many seconds."""
        body = message if isinstance(message, bytes) else dump_json(message)
        seconds = int(self.office.service.clock.now().timestamp()) + off
        signed: Mapping[str, str] = {
            "dougong-timestamp": str(seconds),
            "dougong-signature": sign(self.secret, seconds, body),
            "accept-language": "en",
        }
        async with self.office.service.client() as nobody:
            named = {**signed, **{name.replace("_", "-"): value for name, value in headers.items()}}
            return await nobody.post(f"/api/shop/hooks/{path}", content=body, headers=named)


async def new_secret(office: Office, **body: JSON) -> JSON:
    reply = await office.send("POST", "automations/a0/secret", body)
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]


async def sender_of(office: Office, *automations: JSON) -> Sender:
    office.automate(*automations)
    return Sender(office, (await new_secret(office))["secret"])


async def test_a_message_finds_its_record_and_comes_in_once(office: Office):
    sender = await sender_of(office, PAID)
    order = await office.order(code="AB-1", branch="北")
    message = {"id": "m1", "kind": "paid", "order": "AB-1", "sum": 12.5}
    first = (await sender.send(message)).json()["data"]
    assert (first["message_id"], first["repeated"], first["run"]["state"]) == ("m1", False, "done")
    shown = await office.get("order", order["id"])
    assert (str(shown["amount"]), shown["note"], shown["branch"]) == ("12.50", "收到 12.5", "北")
    again = (await sender.send(message)).json()["data"]
    assert again == {"message_id": "m1", "repeated": True, "run": None}
    later = (await sender.send({**message, "id": "m2", "branch": None})).json()["data"]
    assert later["repeated"] is False
    assert (await office.get("order", order["id"]))["branch"] is None  # null clears; what is not there leaves
    runs = await office.runs()
    assert [(run["trigger"], run["reason"]) for run in runs] == [("webhook", "收到消息 m2"), ("webhook", "收到消息 m1")]


async def test_messages_that_are_for_nobody_are_passed_over(office: Office):
    sender = await sender_of(office, PAID)
    for number, message in enumerate(({"kind": "paid", "order": "AB-9"}, {"kind": "else"}, {})):
        data = (await sender.send({**message, "id": f"m{number}"})).json()["data"]
        assert data["run"]["state"] == "passed", data
    assert await office.page("order") == []


async def test_a_message_makes_a_record_and_what_breaks_a_rule_leaves_nothing(office: Office):
    customer = await office.create("customer", name="甲")
    trigger = {
        "type": "webhook",
        "match": [{"field": "code", "at": "/code"}],
        "set": [{"field": "title", "at": "/title"}, {"field": "customer", "value": customer["id"]}],
    }
    sender = await sender_of(office, on(trigger, sets(branch="网店")))
    made = (await sender.send({"code": "AB-7", "title": "网店单"}, dougong_id="x1")).json()["data"]
    assert made["run"]["state"] == "done"
    wrong = problem(await sender.send({"code": "AB-8", "title": "x"}, dougong_id="x2"), "automation.failed")
    none = problem(await sender.send({"title": "无编号"}, dougong_id="x3"), "automation.failed")
    runs = [run for run in await office.runs() if run["state"] == "failed"]
    for told, run, word in zip((none, wrong), runs, ("code", "title"), strict=True):
        assert (told["status"], told["run"]) == (422, run["id"])  # the sender knows, and the log does
        assert (word in told["detail"], word in run["reason"], run["record_id"]) == (True, True, None)
    assert [(o["code"], o["title"], o["branch"]) for o in await office.page("order")] == [("AB-7", "网店单", "网店")]


async def test_what_could_not_be_taken_over_may_come_again_until_it_can(office: Office):
    """Sent again it is noted and counted no further, so that no sender switches the automation off with one message; nothing of it is lost."""
    taken_over = [{"field": "title", "at": "/title"}, {"field": "customer", "at": "/customer"}]
    trigger = {"type": "webhook", "id_at": "/id", "match": [{"field": "code", "at": "/code"}], "set": taken_over}
    sender = await sender_of(office, on(trigger, sets(branch="网店")))
    known = SystemIds(office.service.clock).record_id()
    first, other = ({"id": name, "code": name, "title": "网店单", "customer": known} for name in ("AB-1", "AB-2"))
    for _ in range(AUTOMATION_FAILURES + 1):
        assert "is not there" in problem(await sender.send(first), "automation.failed")["detail"]
    assert (len(await office.runs()), await office.page("order")) == (1, [])
    await office.create("customer", id=known, name="甲")
    taken = [(await sender.send(message)).json()["data"] for message in (first, other, first, other)]
    assert [each["repeated"] for each in taken] == [False, False, True, True]
    assert {(o["code"], o["branch"]) for o in await office.page("order")} == {("AB-1", "网店"), ("AB-2", "网店")}
    for number in range(AUTOMATION_FAILURES):
        bad = {"id": f"n{number}", "code": f"n{number}", "title": "网店单"}
        problem(await sender.send(bad), "automation.failed")
    problem(await sender.send({**first, "id": "n", "code": "n"}), "automation.disabled")


async def test_what_fails_when_the_record_is_there_is_only_noted(office: Office):
    breaks = {"type": "set_fields", "set": [{"field": "amount", "formula": "serial"}]}
    trigger = {"type": "webhook", "id_at": "/id", "match": [{"field": "code", "at": "/code"}], "create": False}
    sender = await sender_of(office, on({**trigger, "set": [{"field": "branch", "at": "/branch"}]}, breaks))
    order = await office.order(code="AB-1", serial=-5)
    message = {"id": "m1", "code": "AB-1", "branch": "北"}
    assert (await sender.send(message)).json()["data"]["run"]["state"] == "failed"
    assert (await office.get("order", order["id"]))["branch"] == "北"
    assert (await sender.send(message)).json()["data"]["repeated"] is True


async def test_a_refusal_is_told_to_the_sender_who_may_send_again(office: Office):
    trigger = {"type": "webhook", "id_at": "/id", "match": [{"field": "code", "at": "/code"}], "create": False}
    breaks = {"type": "set_fields", "set": [{"field": "amount", "formula": "serial"}]}
    sender = await sender_of(office, on(trigger, breaks, on_error="refuse"))
    order = await office.order(code="AB-1", serial=-5)
    problem(await sender.send({"id": "m1", "code": "AB-1"}), "automation.failed")
    await office.change("order", order["id"], serial=5)
    assert (await sender.send({"id": "m1", "code": "AB-1"})).json()["data"]["repeated"] is False


async def test_nobody_gets_in_without_the_signature_CVE_2026_48151(office: Office):
    sender = await sender_of(office, PAID)
    message = {"id": "m1", "kind": "paid", "order": "AB-1"}
    problem(await Sender(office, "wrong").send(message), "hook.signature")
    problem(await sender.send(message, dougong_signature="v1=00"), "hook.signature")
    problem(await sender.send(message, dougong_signature=""), "hook.signature")
    problem(await sender.send(message, dougong_timestamp="soon"), "hook.signature")
    problem(await sender.send(message, off=-HOOK_SECONDS - 1), "hook.expired")
    problem(await sender.send(message, off=HOOK_SECONDS + 1), "hook.expired")
    seconds = int(office.service.clock.now().timestamp())
    other = sign(sender.secret, seconds, b"{}")
    problem(await sender.send(message, dougong_signature=other), "hook.signature")
    assert (await sender.send(message, off=-HOOK_SECONDS)).status_code == 200
    problem(await sender.send(message, path="a1"), "automation.not_found")
    assert problem(await sender.send(message, path="nothing"), "automation.not_found")["detail"]
    assert len(await office.runs()) == 1


async def test_what_is_no_message_is_refused_with_the_reason(office: Office):
    sender = await sender_of(office, PAID)
    problem(await sender.send(b"x"), "request.malformed")
    problem(await sender.send(b'"text"'), "request.malformed")
    problem(await sender.send({"kind": "paid"}), "request.malformed")  # no id
    problem(await sender.send(b" " * (HOOK_BYTES + 1)), "limit.body")
    assert await office.runs() == []


async def test_a_sender_of_too_many_has_to_wait(office: Office):
    sender = await sender_of(office, {**PAID, "trigger": {**HOOK, "per_minute": 2}})
    for number in range(2):
        assert (await sender.send({"id": number, "kind": "else"})).status_code == 200
    refused = await sender.send({"id": 2, "kind": "else"})
    problem(refused, "limit.rate")
    assert int(refused.headers["retry-after"]) > 0
    await office.pass_time(seconds=61)
    assert (await sender.send({"id": 2, "kind": "else"})).status_code == 200


async def test_two_messages_at_once_make_one_record(office: Office):
    customer = await office.create("customer", name="甲")
    match = [{"field": "branch", "at": "/branch"}]  # nothing unique in the database
    fixed = [{"field": "customer", "value": customer["id"]}, {"field": "title", "value": "网店单"}]
    sender = await sender_of(office, on({"type": "webhook", "match": match, "set": fixed}, sets(note="x")))
    replies: list[int] = []

    async def send(number: int) -> None:
        replies.append((await sender.send({"branch": "同一家"}, dougong_id=f"m{number}")).status_code)

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(send, number)
    assert replies == [200] * 8
    assert len(await office.page("order")) == 1


async def test_the_secret_is_shown_once_sealed_and_changed_without_a_gap(office: Office):
    office.automate(PAID)
    problem(await Sender(office, "").send({"id": "m"}), "hook.signature")  # it has none yet
    first = await new_secret(office)
    assert (first["path"], first["former_until"]) == ("/api/shop/hooks/a0", None)
    second = await new_secret(office, former_minutes=10)
    assert second["former_until"] is not None
    assert second["secret"] != first["secret"]
    old, new = Sender(office, first["secret"]), Sender(office, second["secret"])
    assert (await old.send({"id": "m1", "kind": "else"})).status_code == 200
    assert (await new.send({"id": "m2", "kind": "else"})).status_code == 200
    await office.pass_time(minutes=11)
    problem(await old.send({"id": "m3", "kind": "else"}), "hook.signature")
    assert (await new.send({"id": "m3", "kind": "else"})).status_code == 200
    with office.registry.database.snapshot() as connection:
        rows = connection.exec_driver_sql("SELECT secret FROM dougong_automation_state").fetchall()
        events = connection.exec_driver_sql("SELECT kind, detail FROM dougong_security_event").fetchall()
    assert not any(first["secret"] in str(row) or second["secret"] in str(row) for row in [*rows, *events])
    assert [row[0] for row in events].count("secret.changed") == 2
    assert first["secret"] not in (await office.send("GET", "automations")).text
    office.service.add_user("member")
    async with office.service.client(headers=bearer(office.service.session_of("member"))) as member:
        problem(await member.post("/api/shop/automations/a0/secret"), "access.denied")
    problem(await office.send("POST", "automations/a0/secret", {"former_minutes": -1}), "request.malformed")
    paths = (await office.send("GET", "openapi.json")).json()["paths"]
    assert "post" in paths["/api/shop/automations/{automation}/secret"]
    assert any(path.endswith("/{id}/explain") for path in paths)


def follows(app: str, **members: JSON) -> JSON:
    return {
        "type": "app_event",
        "app": app,
        "of_entity": "customer",
        "match": [{"field": "name", "at": "/record/name"}],
        "set": [{"field": "name", "at": "/record/name"}],
        **members,
    }


def copies(app: str, **members: JSON) -> JSON:
    """An automation that gives every customer of an app a twin here, whose level it raises."""
    level = {"type": "set_fields", "set": [{"field": "level", "value": "B"}]}
    return on(follows(app, **members), level, entity="customer", log="all")


async def in_app(office: Office, app: str) -> list[JSON]:
    reply = await office.client.get(f"/api/{app}/records/customer")
    assert reply.status_code == 200, reply.text
    found: list[JSON] = reply.json()["data"]
    return found


async def test_an_event_of_another_app_is_taken_over_once(office: Office):
    await office.create("customer", name="以前的")
    only = [{"at": "/record/level", "among": ["A"]}]
    office.automate(copies("shop", kinds=["created", "updated"], only=only), app="twin")
    await office.tick()
    customer = await office.create("customer", name="甲", level="A")
    await office.create("customer", name="乙", level="C")
    await office.create("region", name="别的实体")
    await office.tick()
    assert [(one["name"], one["level"]) for one in await in_app(office, "twin")] == [("甲", "B")]
    done, passed = sorted(await office.runs("a0", "twin"), key=lambda run: run["state"])
    assert (done["state"], passed["state"], done["reason"]) == ("done", "passed", "应用“shop”:customer created")
    await office.change("customer", customer["id"], level="A")  # nothing changed: no event
    await office.change("customer", customer["id"], tags=["vip"])
    await office.delete("customer", customer["id"])  # of no kind that it follows
    await office.tick()
    assert len(await in_app(office, "twin")) == 1
    # the change is passed over: by the time it is looked at the record is gone, so /record/level is nothing
    assert len([run for run in await office.runs("a0", "twin") if run["state"] == "done"]) == 1


async def test_two_workers_take_every_event_once(office: Office):
    trigger = follows("shop", match=[])
    office.automate(on(trigger, sets(level="B"), entity="customer"), app="twin")
    await office.tick()
    await office.create_many("customer", [{"name": f"客户 {n}"} for n in range(120)])
    await office.settle()
    services = office.services

    async def work() -> None:
        for _ in range(5):
            await services.app_events.run_due()

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(work)
    await office.tick()
    with office.registry.database.snapshot() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM twin__customer").scalar_one()
    assert count == 120


async def test_apps_that_set_each_other_off_come_to_an_end(office: Office):
    ever = {"type": "set_fields", "set": [{"field": "name", "formula": 'CONCAT(name, "+")'}]}
    for app, other in (("shop", "twin"), ("twin", "shop")):
        office.automate(on(follows(other, match=[], kinds=["created"]), ever, entity="customer"), app=app)
    await office.tick()
    await office.create("customer", name="甲")
    for _ in range(AUTOMATION_DEPTH + 2):  # a feed shows what is committed when nothing older runs any more
        await office.tick()
    runs = [*await office.runs("a0", "shop"), *await office.runs("a0", "twin")]
    assert sorted(run["depth"] for run in runs) == list(range(AUTOMATION_DEPTH + 1))
    (last,) = [run for run in runs if run["state"] == "failed"]
    assert (last["depth"], "互相触发" in last["reason"]) == (AUTOMATION_DEPTH, True)


async def test_an_app_does_not_follow_itself(office: Office):
    with pytest.raises(Exception, match=r".") as refused:
        office.automate(copies("shop"))
    assert re.search("trigger.field", str(getattr(refused.value, "violations", refused.value)))


async def test_who_signs_wrongly_too_often_is_not_looked_at_for_a_minute(office: Office):
    sender = await sender_of(office, PAID)
    guesser = Sender(office, "wrong")
    for _ in range(HOOK_MISSES):
        problem(await guesser.send({"id": "m"}), "hook.signature")
    assert problem(await guesser.send({"id": "m"}), "limit.rate")["status"] == 429
    reply = await sender.send({"id": "m", "kind": "paid"})
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "60")  # the same address; it comes again
    office.service.clock.advance(timedelta(seconds=61))
    assert (await sender.send({"id": "m", "kind": "paid", "order": "AB-1"})).status_code == 200


async def test_a_plan_warns_of_apps_and_connections_that_are_not_there(office: Office):
    found = {"type": "app_event", "match": [{"field": "code", "at": "/record/code"}], "create": False}
    other = {**found, "app": "sales", "of_entity": "deal"}
    there = {**found, "app": "shop", "of_entity": "ordre"}
    told = {"type": "notify", "to": [{"user": "builder"}], "channel": "mail", "subject": "x"}
    office.automate(on({"type": "created"}, told))
    office.automate(on(other, sets(note="x")), on(there, sets(note="y")), app="second")
    async with office.service.client(headers=bearer(office.service.token_of("builder", "builder"))) as builder:
        for app, expected in (
            ("second", {("automations/a0", "/trigger/app"), ("automations/a1", "/trigger/of_entity")}),
            ("shop", {("automations/a0", "/actions/0/channel")}),
        ):
            plan = (await builder.get(f"/builder/v1/apps/{app}/plan")).json()["data"]
            assert {(w["document"], w["pointer"]) for w in plan["warnings"]} == expected
            checked = (await builder.get(f"/builder/v1/apps/{app}/check")).json()["data"]
            assert {(f["document"], f["pointer"]) for f in checked if f["code"] in ELSEWHERE} == expected


ELSEWHERE = ("trigger.elsewhere", "connection.missing")
