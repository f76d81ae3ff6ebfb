"""How people want to be told: by which connections, quiet hours that hold back and let go, digests; each person for themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from email.header import decode_header, make_header
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.outbox.wishes import QuietHours, Wishes, way_for
from tests.api.test_delivery import connect, rows, tick, user_id
from tests.support.desk import Desk, open_desk
from tests.support.posting import letter, post
from tests.support.prepared import Prepared
from tests.support.receiver import Reply, http_receiver, mail_receiver
from tests.support.service import pointers, problem

pytestmark = pytest.mark.anyio
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
async def desk(anyio_backend: str, prepared: Prepared) -> AsyncIterator[Desk]:
    async with open_desk(prepared.url, prepared.token, outbound_allow=("127.0.0.1",), sqlite_durable=False) as made:
        made.service.add_user("chief", "admin", email="chief@example.com", phone="13800000000")
        yield made


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[Any]:
    async with desk.service.client_of("chief") as made:
        yield made


async def wish(client: Any, **wishes: Any) -> None:
    reply = await client.put("/api/me/notifications", json=wishes)
    assert reply.status_code == 200, reply.text


async def become(desk: Desk, hours: int, minutes: int = 0) -> None:
    """Let it become a time of day in Shanghai, then what is due happen."""
    now = desk.service.clock.now().astimezone(SHANGHAI)
    wanted = now.replace(hour=hours, minute=minutes, second=0, microsecond=0)
    desk.service.clock.advance((wanted if wanted > now else wanted + timedelta(days=1)) - now)
    await tick(desk)


def subject(mail: Any) -> str:
    return str(make_header(decode_header(mail["Subject"])))


async def test_wishes_are_kept_and_wrong_ones_named(desk: Desk, admin: Any) -> None:
    assert (await admin.get("/api/me/notifications")).json()["data"] == {
        "zone": "Asia/Shanghai", "quiet": None, "rules": [], "digest_at": ["09:00"],
    }  # fmt: skip
    await connect(admin, "group", "dingtalk", {"access_token": "t"}, url="https://example.com/robot")
    unknown: Any = {"rules": [{"kinds": ["approval"], "connections": ["group", "mali"]}]}
    told = problem(await admin.put("/api/me/notifications", json=unknown), "identity.invalid")
    assert pointers(told) == {"/rules/0/connections/0": "unknown", "/rules/0/connections/1": "unknown"}
    for wrong in ({"zone": "Asia/Nowhere"}, {"quiet": {"begins": "25:00"}}, {"rules": [{"kinds": ["rumour"]}]}):
        reply = await admin.put("/api/me/notifications", json=wrong)
        assert len(problem(reply, "request.malformed")["errors"]) == 1, wrong  # no second error that only follows
    await wish(admin, quiet={"begins": "21:00"}, rules=[{"kinds": ["system"], "connections": []}])
    kept = (await admin.get("/api/me/notifications")).json()["data"]
    assert kept["quiet"] == {"begins": "21:00", "ends": "07:00"}
    assert (await desk.client.get("/api/me/notifications")).json()["data"]["rules"] == []  # only one's own


async def test_quiet_hours_hold_back_what_is_not_urgent_and_then_it_comes_as_one(desk: Desk, admin: Any) -> None:
    other = desk.service.add_user("other", email="other@example.com").id
    async with mail_receiver() as mails:
        await connect(admin, "mail", "smtp", host="127.0.0.1", port=mails.port, security="none", sender="a@example.com")
        await wish(admin, quiet={"begins": "22:00", "ends": "07:00"})
        await become(desk, 23)
        both = (user_id(desk), other)
        await post(
            desk.service,
            "shop",
            *(letter(f"reminder:{n}", *both, channel="mail") for n in range(30)),
            letter("reminder:fire", *both, channel="mail", urgent=True),
        )
        await tick(desk)
        to = [str(mail["To"]) for mail in mails.mails]
        assert (to.count("other <other@example.com>"), to.count("chief <chief@example.com>")) == (31, 1)
        assert len((await admin.get("/api/inbox?limit=50")).json()["data"]) == 31  # the inbox disturbs nobody
        await become(desk, 6, 59)
        assert len(mails.mails) == 32
        await become(desk, 7)
        (late,) = mails.mails[32:]
        assert (subject(late), str(late["To"])) == ("30 条提醒", "chief <chief@example.com>")
        text = str(late.get_payload(decode=True), "utf-8")  # type: ignore[arg-type]
        assert all(f"提醒 reminder:{n}\n" in text for n in range(30))
        assert {row.state for row in rows(desk)} == {"done"}


async def test_channels_by_kind_and_digests_that_are_tried_again_as_one(desk: Desk, admin: Any) -> None:
    async with http_receiver() as sms, mail_receiver() as mails, http_receiver() as robot:
        await connect(admin, "mail", "smtp", host="127.0.0.1", port=mails.port, security="none", sender="a@example.com")
        await connect(admin, "sms", "http", url=sms.url, body={"to": "{{phone}}", "text": "{{text}}"})
        await connect(admin, "group", "dingtalk", {"access_token": "t"}, url=robot.url)
        await wish(
            admin,
            rules=[
                {"kinds": ["approval"], "connections": ["sms", "mail"]},
                {"kinds": ["reminder", "stage"], "connections": ["sms"], "digest": True},
                {"kinds": ["system"], "connections": []},
            ],
            digest_at=["09:30", "17:30"],
        )
        await become(desk, 12)
        chief = user_id(desk)
        orders = [letter(f"reminder:{n}", chief, channel="mail") for n in range(3)]
        orders += [letter("approval:x", chief), letter("other:1", chief, channel="mail"), letter("move:1", chief)]
        orders += [letter("reminder:group", chief, channel="group")]
        await post(desk.service, "shop", *orders)
        await tick(desk)
        assert [got.json["to"] for got in sms.requests] == ["13800000000"]  # the approval; by mail, too
        assert [subject(mail) for mail in mails.mails] == ["提醒 approval:x"]
        assert len(robot.requests) == 1  # a group's message is the group's
        sms.answer = lambda _: Reply(503)
        await become(desk, 17, 30)
        sms.answer = lambda _: Reply(200)
        desk.service.clock.advance(timedelta(minutes=1))
        await tick(desk)
        failed, got = sms.requests[1:]
        assert failed.json["text"] == got.json["text"]
        assert [f"reminder:{n}" in got.json["text"] for n in range(3)] == [True] * 3
        assert "reminder:group" in got.json["text"]
        assert "move:1" in got.json["text"]


async def test_a_connection_that_is_gone_takes_nothing_with_it(desk: Desk, admin: Any) -> None:
    async with http_receiver() as sms:
        await connect(admin, "sms", "http", url=sms.url, body={"text": "{{text}}"})
        await wish(admin, rules=[{"kinds": ["approval"], "connections": ["sms"]}])
        assert (await admin.delete("/api/connections/sms")).status_code == 204
        await post(desk.service, "shop", letter("approval:1", user_id(desk)))
    assert rows(desk) == []
    assert len((await admin.get("/api/inbox")).json()["data"]) == 1


MOMENTS = st.integers(0, 35 * 24 * 60).map(
    lambda minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
TIMES = st.times().map(lambda t: t.strftime("%H:%M"))


@given(MOMENTS, TIMES, TIMES, st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "UTC"]))
def test_nothing_goes_out_in_quiet_hours_nor_later_than_a_day_nor_earlier_than_now(
    now: datetime, begins: str, ends: str, zone: str
) -> None:
    wishes = Wishes(zone=zone, quiet=QuietHours(begins=begins, ends=ends))
    way = way_for(wishes, "u", "reminder", ["mail"], now, urgent=False)
    assert now <= way.at <= now + timedelta(days=1, hours=1)
    here = way.at.astimezone(ZoneInfo(zone)).time()
    first, last = time.fromisoformat(begins), time.fromisoformat(ends)
    if first < last:
        assert not first <= here < last
    elif first > last:
        assert last <= here < first
    assert (way.digest == "") == (way.at == now)
    assert way_for(wishes, "u", "reminder", ["mail"], now, urgent=True).at == now
