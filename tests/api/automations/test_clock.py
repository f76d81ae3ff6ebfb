"""Automations of the clock: cron lines and dates of records."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import anyio
import pytest

from builder.calendars.cron import next_slot, slots_between
from builder.kernel.limits import AUTOMATION_FAILURES, SCHEDULE_BATCH
from runtime.automations.schedules import Schedules
from tests.support.office import Office, on, sets

pytestmark = pytest.mark.anyio
DAILY = {"type": "schedule", "cron": "0 8 * * *"}
"""Eight in the morning of the app's clock, which is Shanghai's: midnight UTC."""


def day_of(month: int, number: int, hour: int = 0) -> datetime:
    """A moment of 2026, UTC."""
    return datetime(2026, month, number, hour, tzinfo=UTC)


def day(number: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of the end of November 2026; the clock begins on the 22nd at eight, UTC."""
    return datetime(2026, 11, number, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    "weekdays, expected",
    [
        ("1-5", "fri mon thu tue wed"),
        ("0", "sun"),
        ("7", "sun"),
        ("5-7", "fri sat sun"),
        ("6,0", "sat sun"),
        ("*/3", "sat sun wed"),
        ("tue", "tue"),
    ],
)
def test_weekdays_are_numbered_as_cron_does(weekdays: str, expected: str):
    slots = slots_between(f"0 8 * * {weekdays}", "UTC", day(1), day(30))
    assert sorted({slot.strftime("%a").lower() for slot in slots}) == expected.split()


def test_a_slot_follows_the_clock_of_its_zone():
    assert next_slot("0 8 * * *", "Asia/Shanghai", day(22, 8)) == day(23, 0)


@pytest.mark.parametrize(
    "line, first, expected",
    [
        # there is no half past two on the 29th of March …
        ("30 2 * * *", day_of(3, 28), ["28T01:30", "29T01:30", "30T00:30"]),
        ("0 8 * * *", day_of(3, 28), ["28T07:00", "29T06:00", "30T06:00"]),
        ("30 */2 * * *", day_of(3, 28, 23), ["28T23:30", "29T01:30", "29T02:30", "29T04:30"]),
        # … and it comes twice on the 25th of October
        ("30 2 * * *", day_of(10, 24), ["24T00:30", "25T00:30", "26T01:30"]),
        ("0 8 * * *", day_of(10, 24), ["24T06:00", "25T07:00", "26T07:00"]),
        ("30 * * * *", day_of(10, 24, 23), ["24T23:30", "25T00:30", "25T01:30", "25T02:30"]),
    ],
)
def test_when_clocks_are_set_each_slot_comes_once(line: str, first: datetime, expected: list[str]):
    last = datetime.strptime(f"{first:%Y-%m-}{expected[-1]}", "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    slots = slots_between(line, "Europe/Berlin", first, last)
    assert [slot.astimezone(UTC).strftime("%dT%H:%M") for slot in slots] == expected
    walked, at = [], first
    while (slot := next_slot(line, "Europe/Berlin", at)) is not None and slot <= last:
        walked.append(at := slot)
    assert walked == slots  # one after the other or all at once: they are the same


async def test_a_schedule_runs_for_each_record_that_meets_its_condition(office: Office):
    office.automate(on(DAILY, sets(note="早报"), condition='state = "open" AND customer.level = "A"'))
    seen, other = await office.order(state="open"), await office.order(state="draft")
    await office.tick()
    assert await office.runs() == []  # what came before it was published is not made up for
    await office.become(day(22, 23, 59))
    assert await office.runs() == []
    await office.become(day(23))
    (run,) = await office.runs()
    assert (run["record_id"], run["state"], run["trigger"]) == (seen["id"], "done", "schedule")
    assert run["reason"] == "定时:2026-11-23 08:00"
    assert (await office.get("order", seen["id"]))["note"] == "早报"
    assert (await office.get("order", other["id"]))["note"] is None
    await office.pass_time(hours=1)
    assert len(await office.runs()) == 1


async def test_a_schedule_without_records_runs_once(office: Office):
    customer = await office.create("customer", name="甲")
    make = {
        "type": "create_record",
        "entity": "order",
        "values": [{"field": "title", "value": "周报"}, {"field": "customer", "value": customer["id"]}],
    }
    office.automate(on({**DAILY, "each": False}, make))
    await office.tick()
    await office.become(day(23))
    (run,) = await office.runs()
    assert (run["record_id"], run["state"]) == (None, "done")
    assert [order["title"] for order in await office.page("order")] == ["周报"]


async def test_what_a_schedule_tells_once_is_about_no_record(office: Office):
    told = {"type": "notify", "to": [{"user": "builder"}], "subject": "早报", "text": "今天"}
    office.automate(on({**DAILY, "each": False}, told))
    await office.tick()
    await office.become(day(23))
    (run,) = await office.runs()
    assert (run["record_id"], run["state"]) == (None, "done")
    async with office.service.client_of("builder") as builder:
        (notice,) = (await builder.get("/api/inbox")).json()["data"]
    assert (notice["subject"], notice["entity"], notice["record_id"]) == ("早报", "order", None)


@pytest.mark.parametrize("catch_up, expected", [("last", ["26"]), ("all", ["23", "24", "25", "26"]), ("skip", [])])
async def test_times_missed_while_nobody_worked_follow_the_policy(office: Office, catch_up: str, expected: list[str]):
    office.automate(on({**DAILY, "catch_up": catch_up}, sets(note="早报")))
    await office.order()
    await office.tick()
    await office.become(day(26, 5))
    runs = await office.runs()
    assert sorted(run["reason"].split("-")[2][:2] for run in runs) == expected
    await office.become(day(27))
    assert len(await office.runs()) == len(expected) + 1


async def test_a_schedule_that_was_switched_off_makes_nothing_up(office: Office):
    office.automate(on({**DAILY, "catch_up": "all"}, sets(note="早报")))
    await office.order()
    await office.tick()
    await office.send("POST", "automations/a0/disable")
    await office.become(day(25, 5))
    await office.send("POST", "automations/a0/enable")
    await office.become(day(25, 6))
    assert await office.runs() == []
    await office.become(day(26))
    assert len(await office.runs()) == 1


async def test_another_cron_line_counts_from_its_publish_on(office: Office):
    office.automate(on(DAILY, sets(note="早报")))
    await office.order()
    await office.tick()
    await office.become(day(23, 5))
    office.automate(on({"type": "schedule", "cron": "0 9 * * *"}, sets(note="晚报")))  # nine had passed already
    await office.tick()
    assert [run["reason"][-5:] for run in await office.runs()] == ["08:00"]
    await office.become(day(24, 1))
    assert [run["reason"][-5:] for run in await office.runs()] == ["09:00", "08:00"]


async def test_many_records_go_in_chunks_and_several_workers_share_them(office: Office):
    office.automate(on(DAILY, {"type": "set_fields", "set": [{"field": "serial", "formula": "serial + 1"}]}))
    customer = await office.create("customer", name="甲")
    count = 2 * SCHEDULE_BATCH + 7
    await office.create_many(
        "order", [{"title": f"单 {n}", "customer": customer["id"], "serial": 0} for n in range(count)]
    )
    await office.tick()
    office.service.clock.advance(day(23) - office.service.clock.now())
    services = office.services
    ports = services.automations.ports
    workers = [Schedules(services.database, services.records, ports, services.clock, services.ids) for _ in range(4)]

    async def work(worker: Schedules) -> None:
        for _ in range(6):
            await worker.run_due()

    async with anyio.create_task_group() as group:
        for worker in workers:
            group.start_soon(work, worker)
    await office.tick()
    assert Counter(order["serial"] for order in await office.every("order")) == {1: count}


async def test_failures_are_noted_and_switch_it_off(office: Office):
    breaks = {"type": "set_fields", "set": [{"field": "amount", "formula": "0 - 5"}]}
    office.automate(on(DAILY, breaks, on_error="refuse"))
    await office.order()
    await office.tick()
    for number in range(AUTOMATION_FAILURES + 2):
        await office.become(day(23 + number))
    runs = await office.runs()
    assert [run["state"] for run in runs] == ["failed"] * AUTOMATION_FAILURES


BEFORE = {"type": "date", "field": "due_on", "offset_minutes": -24 * 60, "hour": 9}


async def test_a_date_starts_it_before_at_or_after_and_is_explained(office: Office):
    office.automate(
        on(BEFORE, sets(note="明天到期")),
        on({"type": "date", "field": "due_at", "offset_minutes": 30}, sets(branch="过了半小时")),
    )
    order = await office.order(due_on="2026-11-25", due_at="2026-11-25T02:00:00Z")
    reply = await office.send("GET", f"records/order/{order['id']}/timers")
    timers = {timer["reminder"]: timer["due_at"] for timer in reply.json()["data"]["timers"]}
    assert timers == {
        "automation:a0": "2026-11-24T01:00:00.000Z",
        "automation:a1": "2026-11-25T02:30:00.000Z",
    }
    await office.become(day(24, 0, 59))
    assert await office.runs() == []
    await office.become(day(24, 1))
    assert (await office.get("order", order["id"]))["note"] == "明天到期"
    (run,) = await office.runs()
    assert (run["trigger"], run["reason"], run["record_id"]) == ("date", "日期已到", order["id"])
    await office.become(day(25, 2, 30))
    assert (await office.get("order", order["id"]))["branch"] == "过了半小时"
    await office.pass_time(days=2)
    assert [len(await office.runs(key)) for key in ("a0", "a1")] == [1, 1]
    assert await office.services.timers.audit("shop") == []


async def test_it_follows_the_date_and_the_condition(office: Office):
    office.automate(on(BEFORE, sets(note="到期"), condition={"state": {"_neq": "done"}}))
    moved, done, late = [await office.order(due_on="2026-11-25") for _ in range(3)]
    await office.change("order", moved["id"], due_on="2026-11-28")
    await office.change("order", done["id"], state="done")
    await office.change("order", late["id"], due_on=None)
    await office.become(day(24, 2))
    assert await office.runs() == []
    await office.change("order", late["id"], due_on="2026-11-25")  # an hour late: it is made up for
    await office.tick()
    assert [run["record_id"] for run in await office.runs()] == [late["id"]]
    await office.become(day(27, 1))
    assert [run["record_id"] for run in await office.runs()] == [moved["id"], late["id"]]


async def test_a_new_automation_looks_at_the_records_there_are(office: Office):
    office.automate()
    order = await office.order(due_on="2026-11-25")
    office.automate(on(BEFORE, sets(note="到期")))
    await office.tick()
    await office.become(day(24, 1))
    assert [run["record_id"] for run in await office.runs()] == [order["id"]]
    office.automate()
    reply = await office.send("GET", f"records/order/{order['id']}/timers")
    assert reply.json()["data"]["timers"] == []
