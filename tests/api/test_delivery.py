"""The outbox at work: put down with a write, delivered at least once, in order and at the target's pace; the inbox; connections and their secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store import delivery_tables, people_tables, process_tables
from runtime.outbox.rows import LEASE
from runtime.secrets.resealing import reseal_all
from runtime.secrets.sealing import Sealer
from runtime.settings import Settings
from tests.support.desk import Desk, open_desk
from tests.support.posting import call, letter, post
from tests.support.prepared import Prepared
from tests.support.receiver import Reply, http_receiver, mail_receiver
from tests.support.service import problem

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(anyio_backend: str, prepared: Prepared) -> AsyncIterator[Desk]:
    """An instance with the shop app that may send to this machine."""
    async with open_desk(prepared.url, prepared.token, outbound_allow=("127.0.0.1",), sqlite_durable=False) as made:
        made.service.add_user("chief", "admin", email="chief@example.com")
        yield made


@pytest.fixture
async def admin(desk: Desk) -> AsyncIterator[Any]:
    async with desk.service.client_of("chief") as made:
        yield made


def user_id(desk: Desk, name: str = "chief") -> str:
    user = desk.service.identity.users.find_by_username(name)
    assert user is not None
    return user.id


async def connect(admin: Any, key: str, kind: str, secrets: dict[str, str] | None = None, **options: Any) -> None:
    reply = await admin.post(
        "/api/connections", json={"key": key, "kind": kind, "options": options, "secrets": secrets or {}}
    )
    assert reply.status_code == 201, reply.text


async def tick(desk: Desk) -> int:
    return await desk.service.app.services.ticker.until_quiet()


def rows(desk: Desk) -> list[Any]:
    with desk.registry.database.snapshot() as connection:
        return list(connection.execute(sa.select(delivery_tables.outbox).order_by(delivery_tables.outbox.c.id)))


# --- put down with a write --------------------------------------------------------------------------------------------


async def test_a_message_is_there_once_if_its_transaction_is_and_not_at_all_if_not(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        await connect(admin, "hook", "webhook", {"secret": "s"}, url=receiver.url)
        with pytest.raises(RuntimeError):
            await post(desk.service, "shop", call("lost", "hook"), letter("lost", user_id(desk)), fail=True)
        assert rows(desk) == []
        await post(desk.service, "shop", call("kept", "hook", {"n": 1}), letter("kept", user_id(desk)))
        await post(desk.service, "shop", call("kept", "hook", {"n": 2}), letter("kept", user_id(desk)))
        await tick(desk)
    assert [(got.json, got.headers["dougong-id"]) for got in receiver.requests] == [({"n": 1}, "kept")]
    inbox = (await admin.get("/api/inbox")).json()["data"]
    assert [notice["subject"] for notice in inbox] == ["提醒 kept"]


async def test_a_connection_that_is_not_there_refuses_the_write(desk: Desk) -> None:
    with pytest.raises(Problem) as refused:
        await post(desk.service, "shop", call("x", "nowhere"))
    assert refused.value.code == "connection.not_found"


async def test_letters_go_to_each_by_mail_and_to_a_group_once(desk: Desk, admin: Any) -> None:
    users = [desk.service.add_user(f"u{n}", email=f"u{n}@example.com", phone=f"1380000000{n}").id for n in range(3)]
    nobody = desk.service.add_user("nomail").id
    async with mail_receiver() as mails, http_receiver() as robot:
        await connect(admin, "mail", "smtp", host="127.0.0.1", port=mails.port, security="none", sender="a@example.com")
        await connect(admin, "group", "dingtalk", {"access_token": "t"}, url=robot.url)
        await post(
            desk.service, "shop", letter("m", *users, nobody, channel="mail"), letter("g", *users, channel="group")
        )
        await tick(desk)
    assert sorted(str(mail["To"]) for mail in mails.mails) == [f"{n} <{n}@example.com>" for n in ("u0", "u1", "u2")]
    (got,) = robot.requests
    assert got.json["at"]["atMobiles"] == ["13800000000", "13800000001", "13800000002"]
    dead = [row for row in rows(desk) if row.state == "dead"]
    assert [row.key for row in dead] == [f"m:{nobody}"]


# --- outcomes ---------------------------------------------------------------------------------------------------------


async def test_what_fails_is_tried_again_later_and_given_up_at_last(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(503)
        await connect(admin, "hook", "webhook", {"secret": "s"}, url=receiver.url)
        await post(desk.service, "shop", call("k", "hook"))
        waits = []
        await tick(desk)
        (row,) = rows(desk)
        while row.state != "dead":
            waits.append(row.next_at - desk.service.clock.now())
            desk.service.clock.advance(row.next_at - desk.service.clock.now())
            await tick(desk)
            (row,) = rows(desk)
        assert len(receiver.requests) == row.attempts == 12
        assert max(waits) <= timedelta(hours=6)
        dead = (await admin.get("/api/deliveries?state=dead")).json()["data"]
        assert [(item["key"], item["attempts"]) for item in dead] == [("k", 12)]
        assert "503" in dead[0]["last_error"]
        receiver.answer = lambda _: Reply(200, {})
        again = await admin.post(f"/api/deliveries/{dead[0]['id']}/replay")
        assert again.json()["data"]["state"] == "todo"
        await tick(desk)
        assert {got.headers["idempotency-key"] for got in receiver.requests} == {"k"}
        problem(await admin.post(f"/api/deliveries/{dead[0]['id']}/replay"), "delivery.not_dead")
        assert [row.state for row in rows(desk)] == ["done"]


async def test_a_wrong_request_is_given_up_at_once_and_a_connection_can_be_mended(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        receiver.answer = lambda got: Reply(200 if got.path == "/right" else 404)
        await connect(admin, "hook", "webhook", {"secret": "s"}, url=receiver.url + "/wrong")
        await post(desk.service, "shop", *[call(f"k{n}", "hook") for n in range(3)])
        await tick(desk)
        assert [row.state for row in rows(desk)] == ["dead"] * 3
        reply = await admin.patch("/api/connections/hook", json={"options": {"url": receiver.url + "/right"}})
        assert reply.json()["data"]["revision"] == 2
        assert (await admin.post("/api/connections/hook/replay")).json()["data"] == {"count": 3}
        await tick(desk)
    assert [row.state for row in rows(desk)] == ["done"] * 3


async def test_who_asks_to_wait_is_left_alone_so_long(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(429, {}, (("retry-after", "3600"),))
        await connect(admin, "hook", "webhook", {"secret": "s"}, url=receiver.url)
        await post(desk.service, "shop", *[call(f"k{n}", "hook") for n in range(5)])
        await tick(desk)
        assert len(receiver.requests) == 1
        receiver.answer = lambda _: Reply(200, {})
        desk.service.clock.advance(timedelta(minutes=59))
        await tick(desk)
        assert len(receiver.requests) == 1
        desk.service.clock.advance(timedelta(minutes=2))
        await tick(desk)
    assert [row.state for row in rows(desk)] == ["done"] * 5


async def test_a_dead_target_holds_up_nobody(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        await connect(admin, "dead", "webhook", {"secret": "s"}, url="http://127.0.0.1:9/")
        await connect(admin, "live", "webhook", {"secret": "s"}, url=receiver.url)
        await post(desk.service, "shop", *[call(f"d{n}", "dead") for n in range(300)], call("l", "live"))
        await desk.service.app.services.ticker.tick()
        assert len(receiver.requests) == 1


async def test_a_robots_rate_is_kept_by_all_and_what_waits_becomes_a_digest(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        times: list[Any] = []

        def answer(_: Any) -> Reply:
            times.append(desk.service.clock.now())
            return Reply(200, {"errcode": 0})

        receiver.answer = answer
        await connect(admin, "group", "dingtalk", {"access_token": "t"}, url=receiver.url)
        boss = user_id(desk)
        await post(desk.service, "shop", *[letter(f"k{n}", boss, channel="group") for n in range(450)])
        for _ in range(200):
            await tick(desk)
            if all(row.state == "done" for row in rows(desk)):
                break
            desk.service.clock.advance(timedelta(seconds=7))
    assert {row.state for row in rows(desk)} == {"done"}
    for first in times:
        assert sum(first <= other < first + timedelta(seconds=60) for other in times) <= 20
    assert len(times) >= 23  # twenty letters a digest


# --- leases -----------------------------------------------------------------------------------------------------------


async def test_a_row_of_a_courier_that_died_is_taken_over_and_a_late_mark_is_refused(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        await connect(admin, "hook", "webhook", {"secret": "s"}, url=receiver.url)
        await post(desk.service, "shop", call("k", "hook"))
        outbox = desk.service.app.services.delivery.rows
        (asleep,) = outbox.claim(10, 10)
        await tick(desk)
        assert receiver.requests == []
        desk.service.clock.advance(LEASE)
        await tick(desk)
        assert len(receiver.requests) == 1
        assert not outbox.mark_done([asleep])
        assert not outbox.mark_failed(asleep, say("x", "x"), None)
    assert [row.state for row in rows(desk)] == ["done"]


async def test_an_answer_is_written_into_the_record_that_asked(desk: Desk, admin: Any) -> None:
    customer = await desk.create("customer", name="甲")
    order = await desk.create("order", title="订单", customer=customer["id"])
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(200, {"result": {"no": "ERP-7", "bad": {"x": 1}}})
        await connect(admin, "erp", "http", url=receiver.url)
        about = {"entity": "order", "record_id": order["id"]}
        await post(
            desk.service,
            "shop",
            call("a", "erp", {"id": 1}, **about, answer=(("/result/no", "note"), ("/result/none", "title"))),
            call("b", "erp", {"id": 2}, **about, answer=(("/result/bad", "serial"),)),
        )
        await tick(desk)
    found = await desk.get("order", order["id"])
    assert (found["note"], found["title"], found["serial"]) == ("ERP-7", "订单", None)
    assert [row.state for row in rows(desk)] == ["done", "done"]
    assert desk.service.lines("answer.refused")


# --- the inbox --------------------------------------------------------------------------------------------------------


async def test_everybody_reads_their_own_messages_in_their_language(desk: Desk, admin: Any) -> None:
    other = desk.service.add_user("other").id
    await post(desk.service, "shop", *[letter(f"k{n}", user_id(desk)) for n in range(3)], letter("o", other))
    found = (await admin.get("/api/inbox", headers={"accept-language": "en"})).json()["data"]
    assert sorted(notice["subject"] for notice in found) == ["Notice k0", "Notice k1", "Notice k2"]
    assert (found[0]["app"], found[0]["entity"]) == ("shop", "customer")
    page = (await admin.get(f"/api/inbox?limit=1&before={found[0]['id']}")).json()["data"]
    assert [notice["id"] for notice in page] == [found[1]["id"]]
    assert (await admin.get("/api/inbox/unread")).json()["data"] == {"unread_count": 3}
    assert (await admin.post(f"/api/inbox/{found[0]['id']}/read")).status_code == 204
    assert len((await admin.get("/api/inbox?unread=true")).json()["data"]) == 2
    await admin.post(f"/api/inbox/{found[0]['id']}/unread")
    assert (await admin.get("/api/inbox/unread?than=2&wait=5")).json()["data"] == {"unread_count": 3}
    await admin.post("/api/inbox/read-all")
    assert (await admin.get("/api/inbox/unread")).json()["data"] == {"unread_count": 0}
    async with desk.service.client_of("other") as stranger:
        assert [notice["subject"] for notice in (await stranger.get("/api/inbox")).json()["data"]] == ["提醒 o"]
        problem(await stranger.post(f"/api/inbox/{found[0]['id']}/read"), "inbox.not_found")


# --- connections ------------------------------------------------------------------------------------------------------


async def test_secrets_go_in_sealed_and_never_come_out_CVE_2026_42226(desk: Desk, admin: Any) -> None:
    await connect(admin, "group", "feishu", {"token": "T0PSECRET", "secret": "HUSH"}, url="https://open.feishu.cn/x")
    shown = await admin.get("/api/connections/group")
    assert shown.json()["data"]["secrets_set"] == ["secret", "token"]
    await admin.patch("/api/connections/group", json={"label": "群", "secrets": {"secret": None}})
    listed = await admin.get("/api/connections")
    assert listed.json()["data"][0]["secrets_set"] == ["token"]
    with desk.registry.database.snapshot() as connection:
        stored = str(connection.execute(sa.select(delivery_tables.connection)).all())
    audit = (await admin.get("/api/security-events")).text
    for secret in ("T0PSECRET", "HUSH"):
        for text in (shown.text, listed.text, stored, audit, desk.service.log.getvalue().decode()):
            assert secret not in text
    ready = desk.service.app.services.delivery.connections.find_ready("group")
    assert ready is not None
    assert ready.secrets == {"token": "T0PSECRET"}


async def test_a_key_can_be_changed_and_a_lost_one_is_told(prepared: Prepared) -> None:
    async with open_desk(prepared.url, prepared.token, secret_keys=("old",)) as desk:
        desk.service.add_user("chief", "admin")
        async with desk.service.client_of("chief") as admin:
            await connect(admin, "hook", "webhook", {"secret": "s"}, url="https://x.example/")
    async with open_desk(prepared.url, prepared.token, secret_keys=("new", "old")) as desk:
        services = desk.service.app.services
        assert services.delivery.connections.find_ready("hook") is not None
        both, old, chief = Sealer(("new", "old"), Path()), Sealer(("old",), Path()), user_id(desk)
        state, factor = process_tables.automation_state, people_tables.factor
        with services.database.transaction() as connection:
            kept = {"failures": 0, "reason": "{}", "position": "", "secret": old.seal("w", "webhook/shop/in")}
            connection.execute(sa.insert(state).values(app="shop", automation="in", **kept))
            kept = {"last_step": 0, "recovery": "[]", "secret": old.seal("f", f"factor/{chief}")}
            connection.execute(sa.insert(factor).values(user_id=chief, **kept))
        assert (reseal_all(services.database, both), reseal_all(services.database, both)) == (3, 0)
    async with open_desk(prepared.url, prepared.token, secret_keys=("new",)) as desk:
        services, new = desk.service.app.services, Sealer(("new",), Path())
        assert services.delivery.connections.find_ready("hook") is not None
        with services.database.transaction() as connection:
            assert new.open(connection.scalar(sa.select(state.c.secret)) or "", "webhook/shop/in") == "w"
            assert new.open(connection.scalar(sa.select(factor.c.secret)) or "", f"factor/{chief}") == "f"
            connection.execute(sa.delete(factor))
    async with (
        open_desk(prepared.url, prepared.token, secret_keys=("other",)) as desk,
        desk.service.client_of("chief") as admin,
    ):
        await post(desk.service, "shop", call("k", "hook"))
        await desk.service.app.services.ticker.tick()
        (row,) = rows(desk)
        assert (row.state, "密钥" in row.last_error) == ("todo", True)
        await admin.patch("/api/connections/hook", json={"label": "x"})


async def test_everything_wrong_with_a_connection_is_told_at_once(admin: Any) -> None:
    body = {"key": "Bad", "kind": "dingtalk", "options": {"url": "ftp://x", "nope": 1}, "secrets": {"acess_token": "x"}}
    found = problem(await admin.post("/api/connections", json=body), "connection.invalid")
    assert {error["pointer"] for error in found["errors"]} == {
        "/key",
        "/options/url",
        "/options/nope",
        "/secrets/acess_token",
        "/secrets/access_token",
    }
    assert "access_token" in str(
        [error["detail"] for error in found["errors"] if error["pointer"] == "/secrets/acess_token"]
    )
    mail = {"key": "mail", "kind": "smtp", "options": {"server": "mail.example.com", "sender": "nobody"}}
    told = problem(
        await admin.post("/api/connections", json=mail, headers={"accept-language": "zh"}), "connection.invalid"
    )
    assert {error["pointer"]: error["detail"] for error in told["errors"]} == {
        "/options/host": "缺少此项",
        "/options/sender": r"格式不符:^[^@\s<>]+@[^@\s<>]+$",
        "/options/server": "没有这一项;可用:host、port、security、username、sender、sender_name",
    }
    found = problem(await admin.post("/api/connections", json={"key": "a", "kind": "dingtolk"}), "connection.invalid")
    assert "dingtalk" in found["errors"][0]["detail"]
    problem(await admin.get("/api/connections/nope"), "connection.not_found")


async def test_a_test_message_tells_what_the_other_side_says(desk: Desk, admin: Any) -> None:
    async with http_receiver() as receiver:
        await connect(admin, "group", "dingtalk", {"access_token": "t"}, url=receiver.url)
        assert (await admin.post("/api/connections/group/test", json={})).status_code == 204
        receiver.answer = lambda _: Reply(200, {"errcode": 310000, "errmsg": "keywords not in content"})
        reply = await admin.post("/api/connections/group/test", json={})
        assert "keywords not in content" in problem(reply, "connection.failed")["detail"]
        receiver.answer = lambda _: Reply(200, {})
        await connect(admin, "sms", "http", url=receiver.url, body={"to": "{{phone}}"})
        nobody = problem(await admin.post("/api/connections/sms/test", json={}), "request.malformed")
        assert [error["pointer"] for error in nobody["errors"]] == ["/phone"]
        assert (await admin.post("/api/connections/sms/test", json={"phone": "13900000000"})).status_code == 204
        assert receiver.requests[-1].json == {"to": "13900000000"}
        await connect(admin, "erp", "http", url=receiver.url)
        assert (await admin.post("/api/connections/erp/test", json={})).status_code == 204


async def test_only_admins_see_connections_and_deliveries(desk: Desk) -> None:
    desk.service.add_user("member")
    desk.service.add_user("maker", "builder")
    for name in ("member", "maker"):
        async with desk.service.client_of(name) as other:
            for path in ("/api/connections", "/api/connections/x", "/api/deliveries", "/api/channels"):
                problem(await other.get(path), "access.denied")
            problem(await other.post("/api/connections", json={"key": "a"}), "access.denied")


def test_settings_take_lists_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOUGONG_OUTBOUND_ALLOW", "127.0.0.1:9000, erp.local")
    monkeypatch.setenv("DOUGONG_SECRET_KEYS", "sesame-1,sesame-2")
    settings = Settings()
    assert settings.outbound_allow == ("127.0.0.1:9000", "erp.local")
    assert [key.get_secret_value() for key in settings.secret_keys] == ["sesame-1", "sesame-2"]
    assert "sesame" not in repr(settings)
