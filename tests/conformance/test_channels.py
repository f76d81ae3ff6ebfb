"""Every channel against a real receiver on 127.0.0.1: what arrives, what a refusal becomes, what is understood under HTTP 200."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from typing import Any

import pytest

from builder.kernel.text import say
from runtime.channels import ALL, BY_KIND, dingtalk, feishu, webhook
from runtime.channels.base import Call, Delivered, Letter, Recipient, Refused, Roads, Sending
from runtime.net.outbound import Allowed, Answer, Outbound
from tests.support.receiver import Reply, http_receiver, mail_receiver

pytestmark = pytest.mark.anyio

NOW = datetime.fromtimestamp(1_700_000_000, UTC)
ROADS = Roads(Outbound(Allowed(("127.0.0.1",))))
PERSON = Recipient("u1", "张三", "zhang@example.com", "13800138000")
ROBOTS = ("dingtalk", "wecom", "feishu")
SECRETS = {
    "dingtalk": {"access_token": "tok/en", "secret": "SECtest"},
    "wecom": {"key": "k-1"},
    "feishu": {"token": "hook-1", "secret": "SECtest"},
    "webhook": {"secret": "new", "former_secret": "old"},
    "http": {"token": "t0ken"},
}


def letter(subject: str = "客户“甲”24 小时未跟进", text: str = "请今天联系。\n第二行", **more: Any) -> Letter:
    values = {
        "recipient": PERSON,
        "mentions": ("13800138000",),
        "link": "https://crm.example.com/r/1",
        "language": "zh",
    }
    return Letter(say(subject, "No follow-up"), say(text, "Call today."), **{**values, **more})


async def deliver(kind: str, *payloads: Any, **options: Any) -> Any:
    return await deliver_over(ROADS, kind, *payloads, **options)


async def deliver_over(roads: Roads, kind: str, *payloads: Any, **options: Any) -> Any:
    channel = BY_KIND[kind]
    sending = Sending("key:1", payloads, channel.Options(**options), SECRETS.get(kind, {}), NOW)
    return await channel.deliver(sending, roads)


def test_every_kind_says_what_it_needs():
    assert [channel.kind for channel in ALL] == sorted(BY_KIND, key=[c.kind for c in ALL].index)
    for channel in ALL:
        assert channel.title.zh
        assert channel.title.en
        assert channel.needed <= len(channel.secret_names)
        assert channel.Options.model_json_schema()["additionalProperties"] is False
        assert not set(channel.secret_names) & set(channel.Options.model_fields)


def test_signatures_are_the_vendors_own():
    assert dingtalk.sign("SECtest", 1_700_000_000_000) == "aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D"
    assert feishu.sign("SECtest", 1_700_000_000) == "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="


async def test_dingtalk_is_signed_and_names_people():
    async with http_receiver() as receiver:
        assert isinstance(await deliver("dingtalk", letter(), url=receiver.url + "/robot/send"), Delivered)
    (got,) = receiver.requests
    assert got.path == (
        "/robot/send?access_token=tok%2Fen&timestamp=1700000000000&sign=aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D"
    )
    assert got.json["at"] == {"atMobiles": ["13800138000"], "isAtAll": False}
    assert "@13800138000" in got.json["markdown"]["text"]
    assert got.json["markdown"]["title"] == "客户“甲”24 小时未跟进"


async def test_feishu_is_signed_and_wecom_is_found_by_its_key():
    async with http_receiver() as receiver:
        await deliver("feishu", letter(), url=receiver.url)
        await deliver("wecom", letter(mentions=()), url=receiver.url + "/send")
    feishu_got, wecom_got = receiver.requests
    assert feishu_got.path == "/hook-1"
    assert feishu_got.json["sign"] == "G7XpBpG8NgG02fJOAhX6FRAObIljmFoxVReo8I62pEk="
    assert feishu_got.json["timestamp"] == "1700000000"
    assert wecom_got.path == "/send?key=k-1"
    assert "24 小时未跟进" in wecom_got.json["markdown"]["content"]


def _markdown(body: Any) -> str:
    if "card" in body:
        return str(body["card"]["elements"][0]["content"])
    return str(body["markdown"].get("text") or body["markdown"]["content"])


@pytest.mark.parametrize("kind", ROBOTS)
async def test_what_people_typed_is_text_for_a_robot_and_many_letters_are_one_digest(kind):
    evil = letter(subject="[点我](http://evil.test) **大**", text="# 标题 <at user_id='all'>", mentions=())
    async with http_receiver() as receiver:
        await deliver(kind, evil, url=receiver.url)
        await deliver(kind, *[letter(subject=f"提醒 {n}", mentions=()) for n in range(20)], url=receiver.url)
    one, digest = (_markdown(got.json) for got in receiver.requests)
    assert "](http://evil.test)" not in one
    assert "<at" not in one.replace("\\<at", "")
    assert len(digest.encode()) < 20_000
    assert all(f"提醒 {n}" in digest for n in range(20))


@pytest.mark.parametrize("kind", ROBOTS)
async def test_a_long_digest_keeps_the_way_to_each_record(kind):
    links = [f"https://crm.example.com/records/lead/01a22728-6fb8-70e5-82de-{n:012}" for n in range(20)]
    many = [letter(text="长" * 3_000, mentions=(), link=link) for link in links]
    async with http_receiver() as receiver:
        await deliver(kind, *many, url=receiver.url)
        await deliver(kind, many[0], url=receiver.url)
    digest, one = (_markdown(got.json) for got in receiver.requests)
    assert all(f"[查看]({link})" in digest for link in links)
    assert all(text.count("客户“甲”") == count for text, count in ((digest, 20), (one, 1)))
    assert one.endswith(f"[查看]({links[0]})")
    limit = {"dingtalk": 20_000, "feishu": 20_000, "wecom": 4_096}[kind]
    assert max(len(digest.encode()), len(one.encode())) < limit


@pytest.mark.parametrize(
    "kind, body, final",
    [
        ("dingtalk", {"errcode": 310000, "errmsg": "sign not match"}, True),
        ("dingtalk", {"errcode": 130101, "errmsg": "send too fast"}, False),
        ("dingtalk", {"errcode": -1, "errmsg": "system busy"}, False),
        ("wecom", {"errcode": 45009, "errmsg": "api freq out of limit"}, False),
        ("wecom", {"errcode": 93000, "errmsg": "invalid webhook url"}, True),
        ("feishu", {"code": 19021, "msg": "sign match fail"}, True),
        ("feishu", {"code": 11232, "msg": "rate limited"}, False),
        ("feishu", {"StatusCode": 1, "StatusMessage": "?"}, False),
        ("dingtalk", ["no object"], False),
        ("wecom", {}, False),
        ("feishu", "text", False),
    ],
)
async def test_errors_under_http_200_are_no_success(kind, body, final):
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(200, body)
        outcome = await deliver(kind, letter(), url=receiver.url)
    assert isinstance(outcome, Refused)
    assert outcome.final is final
    assert outcome.reason.zh
    assert outcome.reason.en


@pytest.mark.parametrize("kind", [*ROBOTS, "webhook", "http"])
@pytest.mark.parametrize(
    "status, final",
    [
        (400, True),
        (401, True),
        (404, True),
        (302, True),
        (408, False),
        (409, False),
        (425, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_statuses_say_whether_to_try_again(kind, status, final):
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(status, {}, (("retry-after", "120"), ("location", "/x")))
        outcome = await deliver(kind, letter(), url=receiver.url)
    assert isinstance(outcome, Refused)
    assert (outcome.final, outcome.retry_after_seconds) == (final, 120.0)


@pytest.mark.parametrize("kind", [*ROBOTS, "webhook", "http"])
async def test_addresses_inside_are_refused_for_good_and_silence_is_not(kind):
    for url, final in (("http://10.0.0.9/x", True), ("http://127.0.0.1:9/x", False)):
        outcome = await deliver(kind, letter(), url=url)
        assert isinstance(outcome, Refused)
        assert outcome.final is final


class Hasty(Outbound):
    """Waits for half a second only."""

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        return await super().send(method, url, **{**options, "seconds": 0.5})


@pytest.mark.parametrize("kind", [*ROBOTS, "webhook", "http"])
async def test_who_keeps_silent_is_tried_again(kind):
    heard = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await reader.read()  # until the other side has gone
        writer.close()

    hasty = Hasty(Allowed(("127.0.0.1",)))
    assert hasty._trusted is not None  # read once; that is not to count
    async with await asyncio.start_server(listen, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
        outcome = await deliver_over(Roads(hasty), kind, letter(), url=url)
    assert heard.is_set()
    assert isinstance(outcome, Refused)
    assert (outcome.final, outcome.retry_after_seconds) == (False, None)
    assert "0.5 s" in outcome.reason.en


@pytest.mark.parametrize("kind", [*ROBOTS, "webhook", "http"])
async def test_a_name_that_cannot_be_resolved_is_tried_again(kind, monkeypatch):
    async def lost(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lost)
    outcome = await deliver(kind, letter(), url="http://robot.example.com/x")
    assert isinstance(outcome, Refused)
    assert outcome.final is False
    assert "robot.example.com cannot be resolved" in outcome.reason.en


async def test_a_webhook_is_signed_with_every_live_secret():
    async with http_receiver() as receiver:
        await deliver("webhook", Call("POST", "", {}, {"金额": 1}), url=receiver.url + "/in")
    (got,) = receiver.requests
    assert got.headers["dougong-id"] == got.headers["idempotency-key"] == "key:1"
    assert got.headers["dougong-timestamp"] == "1700000000"
    signatures = got.headers["dougong-signature"].split(",")
    assert signatures == [webhook.sign(secret, 1_700_000_000, got.body) for secret in ("new", "old")]
    assert got.json == {"金额": 1}


async def test_http_asks_as_its_options_say_and_text_cannot_break_out_of_the_body():
    body = {"to": "{{phone}}", "params": ["{{subject}}", "{{ text }}"], "n": 1}
    evil = letter(subject='", "to": "1', text="{{key}} {{phone}}")
    async with http_receiver() as receiver:
        receiver.answer = lambda _: Reply(200, {"result": {"code": "OK"}})
        options = {"url": receiver.url + "/sms", "body": body, "headers": {"x-app": "7"}, "ok_at": "/result/code"}
        assert isinstance(await deliver("http", evil, **options, ok_values=["OK"]), Delivered)
        assert isinstance(await deliver("http", evil, **options, ok_values=["FINE"]), Refused)
        call = Call("PUT", "/orders/../%2e%2e/../secret?x=1#y", {"a": "b c"}, {"id": 7})
        assert isinstance(await deliver("http", call, url=receiver.url + "/api/"), Delivered)
    got, _, called = receiver.requests
    assert got.json == {"to": "13800138000", "params": ['", "to": "1', "{{key}} {{phone}}"], "n": 1}
    assert (got.headers["authorization"], got.headers["x-app"]) == ("Bearer t0ken", "7")
    assert called.path.startswith("/api/orders/")
    assert ".." not in called.path.replace("%2e", "")
    assert called.path.endswith("?a=b+c")
    assert (called.method, called.json) == ("PUT", {"id": 7})


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x"}, {"url": "https://u:p@x/"}, {"url": ""}, {"url": "https://x/", "headers": {"a b": "1"}},
        {"url": "https://x/", "headers": {"a": "1\r\nb: 2"}}, {"url": "https://x/", "headers": {"Host": "y"}},
        {"url": "https://x/", "body": {"a": "{{nobody}}"}}, {"url": "https://x/", "unknown": 1},
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own, whatever it says
        BY_KIND["http"].Options(**options)


async def test_mail_in_chinese_has_one_id_at_every_try():
    async with mail_receiver() as receiver:
        options = {
            "host": "127.0.0.1",
            "port": receiver.port,
            "security": "none",
            "sender": "crm@example.com",
            "sender_name": "斗拱",
        }
        for _ in range(2):
            outcome = await deliver("smtp", letter(subject="逾期\r\nBcc: x@evil.test"), **options)
            assert isinstance(outcome, Delivered), outcome
        receiver.refuse.add(PERSON.email or "")
        gone = await deliver("smtp", letter(), **options)
        nobody = await deliver("smtp", letter(recipient=None), **options)
    first, second = (BytesParser(policy=policy.default).parsebytes(mail.as_bytes()) for mail in receiver.mails)
    assert first["message-id"] == second["message-id"]
    assert first["subject"] == "逾期 Bcc: x@evil.test"
    assert first["bcc"] is None
    assert str(first["from"]) == "斗拱 <crm@example.com>"
    assert "请今天联系。" in first.get_content()
    assert "https://crm.example.com/r/1" in first.get_content()
    for refused in (gone, nobody):
        assert isinstance(refused, Refused)
        assert refused.final
    silent = await deliver("smtp", letter(), **{**options, "port": 9})
    assert isinstance(silent, Refused)
    assert not silent.final
