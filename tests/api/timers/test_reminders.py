"""Reminders as people live with them: when they come, whom they reach, what stops and moves them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.leads import definition, office, reminder, step, tell
from tests.support.service import problem

pytestmark = pytest.mark.anyio

FOLLOW = reminder(
    "follow",
    {"type": "unchanged"},
    step("24 h", tell("24 小时未跟进:{{title}}", {"field": "owner"}, {"manager_of": "owner"})),
    step(
        "48 h",
        tell("48 小时未跟进:{{title}}", {"manager_of": "owner", "levels": 2}),
        {"type": "set_fields", "set": [{"field": "flag", "value": "yellow"}]},
    ),
    condition='stage = "assigned"',
)


async def test_a_chain_climbs_the_line_and_is_written_down(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        assert await desk.at("2026-11-24T08:59") == []
        assert await desk.at("2026-11-24T09:00") == ["24 小时未跟进:甲"]
        assert set(desk.box.letters[0].user_ids) == {desk.people["zhang"], desk.people["chief"]}
        assert await desk.tick() == []
        assert await desk.at("2026-11-25T09:30") == ["48 小时未跟进:甲"]
        assert desk.box.letters[1].user_ids == (desk.people["boss"],)
        assert (await desk.get("lead", lead["id"]))["flag"] == "yellow"
        # what the reminder itself wrote is no sign of life
        assert await desk.at("2026-12-24T09:30") == []
        assert await desk.fired(lead["id"]) == [("follow", "fired"), ("follow", "fired")]
        # a person's change begins a new chain, with keys of its own
        await desk.change("lead", lead["id"], title="乙")
        assert await desk.at("2026-12-25T09:30") == ["24 小时未跟进:乙"]
        assert len({letter.key for letter in desk.box.letters}) == 3


async def test_a_record_that_moves_on_is_left_alone_and_may_come_back(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        assert (await desk.timers_of(lead["id"]))["follow"]["due_at"] == "2026-11-24T01:00:00.000Z"
        await desk.at("2026-11-23T20:00")
        await desk.change("lead", lead["id"], stage="visited")
        assert await desk.timers_of(lead["id"]) == {}
        assert await desk.at("2026-11-26T20:00") == []
        await desk.change("lead", lead["id"], stage="assigned")
        assert await desk.at("2026-11-27T20:00") == ["24 小时未跟进:甲"]
        assert (await desk.delete("lead", lead["id"])).status_code == 204
        assert await desk.at("2026-11-30T20:00") == []


async def test_every_change_begins_the_time_anew(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        for day in (24, 25, 26):
            assert await desk.at(f"2026-11-{day}T08:{30 - day:02}") == []
            await desk.change("lead", lead["id"], title=f"第{day}天")
        assert await desk.at("2026-11-27T08:04") == ["24 小时未跟进:第26天"]


async def test_named_fields_and_children_count_alone(migrated_database_url: str):
    fields = reminder("stage", {"type": "unchanged", "fields": ["stage"]}, step("1 d", tell("阶段")))
    talks = reminder("talks", {"type": "unchanged", "fields": ["talks"]}, step("2 d", tell("沟通")))
    async with office(migrated_database_url, fields, talks) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        await desk.at("2026-11-23T20:00")
        await desk.change("lead", lead["id"], title="乙")
        assert await desk.at("2026-11-24T09:00") == ["阶段"]
        await desk.create("talk", lead=lead["id"], need="价")
        assert await desk.at("2026-11-25T09:00") == []
        await desk.change("lead", lead["id"], stage="waiting")
        assert await desk.at("2026-11-26T09:00") == ["阶段", "沟通"] or desk.box.subjects()[-2:] == ["沟通", "阶段"]


async def test_dates_before_at_and_after_and_over_a_relation(migrated_database_url: str):
    close = reminder(
        "close",
        {"type": "date", "moment": "close_on", "time": "10:00"},
        {"before": "1 d", "actions": [tell("明天签约")]},
        step("0 h", tell("今天签约")),
        step("2 working days", tell("没签成")),
        condition='stage <> "won"',
    )
    ends = reminder(
        "ends", {"type": "date", "moment": "customer.ends_at"}, {"before": "3 h", "actions": [tell("合同快到期")]}
    )
    async with office(migrated_database_url, close, ends) as desk:
        customer = await desk.create("customer", name="医院")
        lead = await desk.create(
            "lead", title="甲", owner=desk.people["zhang"], close_on="2026-11-27", customer=customer["id"]
        )
        assert set(await desk.timers_of(lead["id"])) == {"close"}
        await desk.change("customer", customer["id"], ends_at="2026-11-24T10:00:00Z")
        assert await desk.at("2026-11-24T14:59") == []
        assert await desk.at("2026-11-24T15:00") == ["合同快到期"]
        assert await desk.at("2026-11-26T10:00") == ["明天签约"]
        await desk.change("lead", lead["id"], close_on="2026-12-04")
        assert await desk.at("2026-11-27T10:00") == []
        assert await desk.at("2026-12-03T10:00") == ["明天签约"]
        assert await desk.at("2026-12-04T10:00") == ["今天签约"]
        assert await desk.at("2026-12-07T10:00") == []
        assert await desk.at("2026-12-08T10:00") == ["没签成"]
        await desk.change("lead", lead["id"], stage="won", close_on="2026-12-20")
        assert await desk.timers_of(lead["id"]) == {"ends": (await desk.timers_of(lead["id"]))["ends"]}


async def test_a_date_that_the_database_computes_moves_its_timer(migrated_database_url: str):
    rule = reminder("silent", {"type": "date", "moment": "last_talk_at"}, step("3 d", tell("三天没沟通")))
    async with office(migrated_database_url, rule) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        assert await desk.timers_of(lead["id"]) == {}
        talk = await desk.create("talk", lead=lead["id"], happened_at="2026-11-23T02:00:00Z")
        assert (await desk.timers_of(lead["id"]))["silent"]["due_at"] == "2026-11-26T02:00:00.000Z"
        await desk.change("talk", talk["id"], happened_at="2026-11-24T02:00:00Z")
        assert (await desk.timers_of(lead["id"]))["silent"]["due_at"] == "2026-11-27T02:00:00.000Z"
        await desk.delete("talk", talk["id"])
        assert await desk.timers_of(lead["id"]) == {}


async def test_absence_of_a_valid_action(migrated_database_url: str):
    rule = reminder(
        "valid",
        {"type": "absence", "relation": "talks", "entity": "talk", "where": "valid = TRUE", "moment": "happened_at"},
        step("3 d", tell("三天没有有效动作"), again={"every": "1 d", "times": 2}),
        condition='stage = "assigned"',
    )
    async with office(migrated_database_url, rule) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        await desk.at("2026-11-25T09:00")
        await desk.create("talk", lead=lead["id"], valid=False, happened_at="2026-11-25T01:00:00Z")
        assert await desk.at("2026-11-26T09:00") == ["三天没有有效动作"]
        assert await desk.at("2026-11-27T09:00") == ["三天没有有效动作"]
        await desk.create("talk", lead=lead["id"], valid=True, happened_at="2026-11-27T01:00:00Z")
        assert await desk.at("2026-11-30T08:59") == []
        assert [await desk.at(f"2026-{day}T09:00") for day in ("11-30", "12-01", "12-02", "12-03")] == [
            ["三天没有有效动作"]
        ] * 3 + [[]]


async def test_absence_and_streak_of_a_person(migrated_database_url: str):
    quiet = reminder(
        "quiet",
        {"type": "absence", "by": "owner"},
        step("3 d", tell("三天没记录")),
        entity="talk",
        condition="valid = TRUE",
    )
    streak = reminder(
        "coach",
        {"type": "streak", "by": "owner", "where": "ISBLANK(need)", "length": 3},
        step("0 h", tell("连续三次没填", {"manager_of": "owner"})),
        entity="talk",
    )
    async with office(migrated_database_url, quiet, streak) as desk:
        zhang, li = desk.people["zhang"], desk.people["li"]
        for owner, need in ((zhang, None), (li, None), (zhang, None), (li, "价"), (li, None)):
            desk.service.clock.advance(timedelta(minutes=1))
            await desk.create("talk", owner=owner, need=need, valid=True)
            assert await desk.tick() == []
        third = await desk.create("talk", owner=zhang, need=None, valid=True)
        assert await desk.tick() == ["连续三次没填"]
        assert desk.box.letters[-1].user_ids == (desk.people["chief"],)
        assert desk.box.letters[-1].record_id == third["id"]
        desk.service.clock.advance(timedelta(minutes=1))
        await desk.create("talk", owner=zhang, need=None, valid=True)
        assert await desk.tick() == []  # the fourth is no new streak of three
        assert await desk.at("2026-11-24T09:00") == []
        await desk.create("talk", owner=zhang, need="价", valid=True)
        assert await desk.at("2026-11-26T10:00") == ["三天没记录"]  # li
        assert desk.box.letters[-1].user_ids == (li,)
        assert await desk.at("2026-11-27T09:00") == ["三天没记录"]
        assert desk.box.letters[-1].user_ids == (zhang,)


async def test_acknowledge_snooze_and_why(migrated_database_url: str):
    async with office(migrated_database_url, FOLLOW) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        place = f"records/lead/{lead['id']}/timers/follow"
        why = (await desk.timers_of(lead["id"]))["follow"]["why"]
        assert why["zh"] == "最后更新:2026-11-23 09:00,24 小时后是 2026-11-24 09:00。"
        assert why["en"] == "Last changed: 2026-11-23 09:00, 24 hours later is 2026-11-24 09:00."
        tried = await desk.send("POST", f"{place}/snooze?dry_run=true", {"for": "30 h"})
        assert tried.json()["meta"]["dry_run"] is True
        assert (await desk.timers_of(lead["id"]))["follow"]["state"] == "waiting"
        once = {"idempotency-key": "s1"}
        reply = await desk.send("POST", f"{place}/snooze", {"for": "30 h"}, headers=once)
        assert reply.status_code == 200, reply.text
        early = problem(await desk.send("POST", f"{place}/snooze", {"for": "2 h"}), "timer.refused")
        assert "2026-11-24 09:00" in early["detail"]  # when it comes anyway
        again = await desk.send("POST", f"{place}/snooze", {"for": "30 h"}, headers=once)
        assert (again.headers["idempotency-replayed"], again.json()) == ("true", reply.json())
        problem(await desk.send("POST", f"{place}/snooze", {"for": "31 h"}, headers=once), "request.key_reused")
        timer = (await desk.timers_of(lead["id"]))["follow"]
        assert (timer["state"], timer["due_at"]) == ("snoozed", "2026-11-24T07:00:00.000Z")
        assert await desk.at("2026-11-24T14:59") == []
        assert await desk.at("2026-11-24T15:00") == ["24 小时未跟进:甲"]
        for _ in range(2):
            reply = await desk.send("POST", f"{place}/acknowledge", headers={"idempotency-key": "a1"})
            assert reply.status_code == 200, reply.text
        assert reply.headers["idempotency-replayed"] == "true"
        timer = (await desk.timers_of(lead["id"]))["follow"]
        assert (timer["state"], timer["acknowledged_by"], timer["due_at"]) == (
            "acknowledged",
            desk.people["boss"],
            None,
        )
        assert await desk.at("2026-11-28T15:00") == []
        await desk.send("POST", f"{place}/acknowledge")
        assert (await desk.timers_of(lead["id"]))["follow"]["acknowledged_at"] == timer["acknowledged_at"]
        problem(await desk.send("POST", f"{place}/snooze", {"for": "1 h"}), "timer.refused")
        unknown = await desk.send("POST", f"records/lead/{lead['id']}/timers/folow/acknowledge")
        assert "“follow”" in problem(unknown, "timer.not_found")["detail"]
        problem(await desk.send("GET", f"records/lead/{desk.people['boss']}/timers"), "record.not_found")
        problem(await desk.send("POST", f"{place}/snooze", {"for": "soon"}), "request.malformed")


async def test_what_is_put_off_beyond_the_next_step_passes_nobody_over(migrated_database_url: str):
    """The owner hears of it when the time is over; the chief is told as long after that as the chain says."""
    async with office(migrated_database_url, FOLLOW) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        reply = await desk.send("POST", f"records/lead/{lead['id']}/timers/follow/snooze", {"for": "50 h"})
        assert reply.status_code == 200, reply.text
        assert await desk.at("2026-11-25T10:59") == []
        assert await desk.at("2026-11-25T11:00") == ["24 小时未跟进:甲"]
        why = (await desk.timers_of(lead["id"]))["follow"]["why"]
        assert why["zh"] == "最后更新:2026-11-23 09:00,48 小时后是 2026-11-26 11:00,其中扣除暂停或推迟的 26.0 小时。"
        assert await desk.at("2026-11-26T10:59") == []
        assert len(await desk.at("2026-11-26T11:00")) == 1
        assert {outcome for _, outcome in await desk.fired(lead["id"])} == {"fired"}


async def test_working_time_quiet_hours_and_pauses(migrated_database_url: str):
    sla = reminder(
        "sla",
        {"type": "unchanged", "fields": ["owner"]},
        step("4 working h", tell("四个工时")),
        pause='stage = "waiting"',
    )
    night = reminder(
        "night",
        {"type": "unchanged", "fields": ["owner"]},
        step("12 h", tell("夜里")),
        quiet={"since": "20:00", "until": "08:30"},
    )
    async with office(migrated_database_url, sla, night, start="2026-11-27T16:00") as desk:  # a Friday
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        timers = await desk.timers_of(lead["id"])
        assert timers["sla"]["due_at"] == "2026-11-30T03:00:00.000Z"  # two hours on Friday, two on Monday
        assert "日历“默认日历”" in timers["sla"]["why"]["zh"]
        assert timers["night"]["due_at"] == "2026-11-28T00:30:00.000Z"
        assert "顺延到 2026-11-28 08:30" in timers["night"]["why"]["zh"]
        await desk.at("2026-11-27T17:00")
        await desk.change("lead", lead["id"], stage="waiting")
        paused = (await desk.timers_of(lead["id"]))["sla"]
        assert (paused["state"], paused["due_at"]) == ("paused", None)
        assert await desk.at("2026-11-30T10:00") == ["夜里"]
        await desk.change("lead", lead["id"], stage="assigned")  # stood still for two working hours
        sla = (await desk.timers_of(lead["id"]))["sla"]
        assert (sla["due_at"], "扣除暂停或推迟的 2.0 小时" in sla["why"]["zh"]) == ("2026-11-30T06:00:00.000Z", True)
        assert await desk.at("2026-11-30T13:59") == []
        assert await desk.at("2026-11-30T14:00") == ["四个工时"]
        other = await desk.create("lead", title="乙", owner=desk.people["zhang"], stage="waiting")
        await desk.at("2026-11-30T14:20")
        await desk.change("lead", other["id"], stage="assigned")
        assert "扣除暂停或推迟的 20 分钟" in (await desk.timers_of(other["id"]))["sla"]["why"]["zh"]


async def test_a_publish_looks_at_all_records_again(migrated_database_url: str):
    async with office(migrated_database_url) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        await desk.at("2026-11-23T15:00")
        other = await desk.create("lead", title="乙", owner=desk.people["li"], stage="won")
        desk.publish(definition(FOLLOW))
        assert await desk.tick() == []
        assert (await desk.timers_of(lead["id"]))["follow"]["due_at"] == "2026-11-24T01:00:00.000Z"
        assert await desk.timers_of(other["id"]) == {}
        shorter = {**FOLLOW, "steps": [{**FOLLOW["steps"][0], "after": "8 h"}, FOLLOW["steps"][1]]}
        desk.publish(definition(shorter))
        assert await desk.tick() == []
        assert (await desk.timers_of(lead["id"]))["follow"]["due_at"] == "2026-11-23T09:00:00.000Z"
        longer = {**FOLLOW, "steps": [{**FOLLOW["steps"][0], "after": "30 h"}, FOLLOW["steps"][1]]}
        desk.publish(definition(longer))
        # even if a due timer is met before its record was looked at again
        assert await desk.timers.fire_due() == (0, 0)
        assert await desk.at("2026-11-24T14:59") == []
        desk.publish(definition())
        assert await desk.timers_of(lead["id"]) == {}
        assert await desk.at("2026-11-26T14:59") == []


async def test_days_of_a_calendar_move_timers_that_count_in_it(migrated_database_url: str):
    rule = reminder("due", {"type": "date", "moment": "close_on"}, step("2 working days", tell("到期")))
    async with office(migrated_database_url, rule) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"], close_on="2027-02-04")
        timer = (await desk.timers_of(lead["id"]))["due"]
        assert (timer["due_at"], timer["provisional"]) == ("2027-02-08T01:00:00.000Z", True)
        assert "2027 年尚无节假日数据" in timer["why"]["zh"]
        days = [{"date": f"2027-02-{day:02}", "kind": "off"} for day in range(5, 12)]
        place = f"/builder/v1/apps/{desk.app}/working-calendars/default/days"
        assert (await desk.client.post(place, json=days)).status_code == 200
        await desk.tick()
        timer = (await desk.timers_of(lead["id"]))["due"]
        assert (timer["due_at"], timer["provisional"]) == ("2027-02-15T01:00:00.000Z", False)


@pytest.mark.parametrize(
    "late, said",
    [
        ({}, ["48 小时未跟进:甲"]),
        ({"policy": "all"}, ["24 小时未跟进:甲", "48 小时未跟进:甲"]),
        ({"policy": "skip"}, []),
        ({"tolerance": "5 h"}, []),
    ],
)
async def test_after_a_time_without_a_tick(migrated_database_url: str, late, said):
    async with office(migrated_database_url, {**FOLLOW, "late": late}) as desk:
        lead = await desk.create("lead", title="甲", owner=desk.people["zhang"])
        assert await desk.at("2026-11-25T20:00") == said
        outcomes = [outcome for _, outcome in await desk.fired(lead["id"])]
        assert len(outcomes) == 2
        assert outcomes.count("fired") == len(said)
        assert await desk.at("2026-11-28T20:00") == []


async def test_what_a_rule_refuses_is_written_down_and_the_others_go_on(migrated_database_url: str):
    blank = reminder(
        "blank",
        {"type": "unchanged"},
        step(
            "1 h",
            {"type": "set_fields", "set": [{"field": "title"}], "condition": 'flag = "bad"'},
            tell("{{title}}"),
        ),
    )
    async with office(migrated_database_url, blank) as desk:
        bad = await desk.create("lead", title="坏", owner=desk.people["zhang"], flag="bad")
        await desk.create("lead", title="好", owner=desk.people["zhang"])
        assert await desk.at("2026-11-23T10:00") == ["好"]
        assert await desk.fired(bad["id"]) == [("blank", "failed")]
        assert (await desk.get("lead", bad["id"]))["title"] == "坏"
