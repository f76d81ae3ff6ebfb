"""Following the feed: streams that resume without a gap or a double, rights of the moment, slow clients, waiting pages."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from builder.kernel.ids import secret_hash
from runtime.api import events as events_api
from runtime.identity.audit import SYSTEM_ORIGIN
from runtime.records import following
from tests.support import shop
from tests.support.desk import Desk, open_desk
from tests.support.prepared import Prepared
from tests.support.service import bearer, problem
from tests.support.streaming import Stream, streaming

pytestmark = pytest.mark.anyio

PATH = "/api/shop/events/stream"


def follow(desk: Desk, query: str = "", **headers: str) -> AbstractAsyncContextManager[Stream]:
    credentials = {"authorization": desk.client.headers["authorization"]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return streaming(desk.service.app, PATH + query, {**credentials, **named})


async def answer(desk: Desk, query: str = "", **headers: str) -> Any:
    """The problem of a stream that is refused."""
    stream = Stream(desk.service.app, PATH + query, {**desk.client.headers, **headers})
    document = await stream.body()
    assert document["status"] == stream.status
    return document


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["changes"]["name"][1] for event in events]


async def test_what_is_written_arrives_as_the_feed_shows_it(desk: Desk):
    async with follow(desk) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "no-store" in stream.headers["cache-control"]
        made = await desk.create("thing", name="华东", story="一\n\n二")
        changed = await desk.change("thing", made["id"], story="三\r\ndata: 四")
        await desk.delete("thing", made["id"])

        found = await stream.events(3)

    assert [event["kind"] for event in found] == ["created", "updated", "deleted"]
    assert {event["record_id"] for event in found} == {changed["id"]}
    assert found == await desk.feed()
    assert stream.last_id == found[-1]["position"]


async def test_it_begins_now_or_where_the_client_stood(desk: Desk):
    await desk.create("region", name="a")
    await (
        desk.settle()
    )  # "now" is where the feed stands, and on PostgreSQL it holds back what a running transaction may precede
    async with follow(desk) as stream:
        await desk.create("region", name="b")
        assert names(await stream.events(1)) == ["b"]
        standing = stream.last_id
    await desk.create_many("region", [{"name": name} for name in "cde"])

    async with follow(desk, "?after=0-0", last_event_id=str(standing)) as again:  # the header is newer than the address
        assert names(await again.events(3)) == ["c", "d", "e"]
        await desk.create("region", name="f")
        assert names(await again.events(1)) == ["f"]
    async with follow(desk, "?after=0-0") as all_of_it:
        assert names(await all_of_it.events(6)) == list("abcdef")


async def test_only_what_was_asked_for_arrives_and_the_id_moves_all_the_same(desk: Desk, monkeypatch):
    monkeypatch.setattr(events_api, "STREAM_HEARTBEAT_SECONDS", 0.05)
    region = await desk.create("region", name="one")
    await desk.settle()
    async with (
        follow(desk, "?entity=customer,node") as by_entity,
        follow(desk, f"?record={region['id']}") as by_record,
        follow(desk) as everything,
    ):
        await desk.create("region", name="two")
        await desk.create("customer", name="c")
        await desk.change("region", region["id"], name="ONE")
        assert names(await everything.events(3)) == ["two", "c", "ONE"]
        assert names(await by_entity.events(1)) == ["c"]
        assert names(await by_record.events(1)) == ["ONE"]
        while by_entity.last_id != everything.last_id:  # heartbeats say how far was looked
            beat = await by_entity.frame()
            assert beat is not None
            assert beat.data is None


async def test_what_comes_while_an_event_for_others_is_looked_at_is_not_lost(desk: Desk, monkeypatch):
    feeds = desk.service.app.services.records.feeds
    plain = feeds._seen

    async def slowly(published: Any, caller: Any, events: Any) -> Any:
        if not any(b"for others" in event.body for event in events):
            return await plain(published, caller, events)
        await desk.create("region", name="next")
        app_feed = feeds.following._feeds["shop"]
        while b"next" not in app_feed._events[-1].body:
            await app_feed.look_again()
        await app_feed.look_again()
        return []

    monkeypatch.setattr(feeds, "_seen", slowly)
    async with follow(desk) as stream:
        await desk.create("region", name="for others")
        assert names(await asyncio.wait_for(stream.events(1), 20)) == ["next"]


async def test_pages_take_the_same_filters_and_say_where_to_go_on(desk: Desk):
    region = await desk.create("region", name="one")
    await desk.create_many("customer", [{"name": name} for name in "abc"])
    await desk.settle()
    reply = await desk.send("GET", "events", params={"entity": "region"})
    page = reply.json()
    assert [event["record_id"] for event in page["data"]] == [region["id"]]
    assert page["meta"]["has_more"] is False
    on = page["meta"]["after"]  # beyond what was not asked for
    assert (await desk.send("GET", "events", params={"after": on})).json()["data"] == []
    first = (await desk.send("GET", "events", params={"entity": "customer", "limit": 2})).json()
    assert names(first["data"]) == ["a", "b"]
    assert first["meta"] == {"after": first["data"][-1]["position"], "has_more": True}
    by_record = (await desk.send("GET", "events", params={"record": region["id"]})).json()
    assert len(by_record["data"]) == 1


async def test_a_page_that_waits_comes_with_the_first_event(desk: Desk, monkeypatch):
    begun = asyncio.Event()
    wait = following.Listener.wait

    async def wait_noted(listener: following.Listener, seconds: float) -> bool:
        begun.set()
        return await wait(listener, seconds)

    monkeypatch.setattr(following.Listener, "wait", wait_noted)
    await desk.settle()
    after = (await desk.send("GET", "events")).json()["meta"]["after"]
    waiting = asyncio.create_task(desk.send("GET", "events", params={"after": after, "wait": 30, "limit": 2}))
    others = asyncio.create_task(
        desk.send("GET", "events", params={"after": after, "wait": 1, "entity": "node"}),
    )
    await begun.wait()
    await desk.create_many("region", [{"name": name} for name in "abc"])

    page = (await waiting).json()
    assert names(page["data"]) == ["a", "b"]
    assert page["meta"]["has_more"] is True
    nothing = (await others).json()
    assert nothing["data"] == []
    await desk.settle()  # the position does not pass transactions of others on the server
    params = {"after": nothing["meta"]["after"], "entity": "node"}
    assert (await desk.send("GET", "events", params=params)).json()["meta"]["after"] > after


async def test_a_revoked_token_ends_its_stream_before_the_next_event(desk: Desk):
    service = desk.service
    user = service.identity.users.find_by_username("ann")
    assert user is not None
    secret = service.token_of("ann", "records:read")
    token = next(iter(service.identity.tokens.list_tokens(user.id)))
    async with streaming(service.app, PATH, bearer(secret)) as stream, follow(desk) as other:
        await desk.create("region", name="before")
        assert names(await stream.events(1)) == ["before"]

        service.identity.tokens.revoke_token(token.id, owner=None)
        await desk.create("region", name="after")

        ended = await stream.event()
        assert (ended["event"], ended["code"], ended["status"]) == ("end", "auth.required", 401)
        assert await stream.frame() is None
        assert names(await other.events(2)) == ["before", "after"]


async def test_revocation_is_noticed_without_any_event(desk: Desk):
    service = desk.service
    secret = service.session_of("ann")
    async with streaming(service.app, PATH, bearer(secret)) as stream:
        service.identity.sessions.log_out(secret_hash(secret), SYSTEM_ORIGIN)
        ended = await stream.event()
    assert (ended["event"], ended["code"]) == ("end", "auth.required")


async def test_a_session_that_expired_gets_nothing_more(desk: Desk):
    service = desk.service
    async with streaming(service.app, PATH, bearer(service.session_of("ann"))) as stream:
        service.clock.advance(timedelta(hours=169))
        await desk.create("region", name="late")
        ended = await stream.event()
    assert (ended["event"], ended["code"]) == ("end", "auth.required")


async def test_another_right_that_shrank_does_not_disturb(desk: Desk):
    async with follow(desk) as stream:
        await desk.create("region", name="a")
        secret = desk.service.session_of("ben")
        desk.service.identity.sessions.log_out(secret_hash(secret), SYSTEM_ORIGIN)  # the epoch moves for everybody
        await desk.create("region", name="b")
        assert names(await stream.events(2)) == ["a", "b"]


async def test_a_slow_client_gets_everything_later_and_costs_no_memory(desk: Desk, monkeypatch):
    monkeypatch.setattr(following, "EVENTS_HELD", 20)
    async with follow(desk, last_event_id="0-0") as slow, follow(desk) as quick:
        slow.flowing.clear()
        for start in range(0, 300, 100):
            await desk.create_many("region", [{"name": str(number)} for number in range(start, start + 100)])
        assert names(await quick.events(300)) == [str(number) for number in range(300)]
        app_feed = next(iter(desk.service.app.services.records.feeds.following._feeds.values()))
        assert len(app_feed._events) <= 20

        slow.flowing.set()
        assert names(await slow.events(300)) == [str(number) for number in range(300)]
        await desk.create("region", name="now")
        assert names(await slow.events(1)) == names(await quick.events(1)) == ["now"]


async def test_memory_is_bounded_by_size_too(desk: Desk, monkeypatch):
    monkeypatch.setattr(following, "EVENTS_HELD_BYTES", 10_000)
    async with follow(desk) as stream:
        for name in "abcdef":
            await desk.create("thing", name=name, story="x" * 4_000)
        assert names(await stream.events(6)) == list("abcdef")
        app_feed = next(iter(desk.service.app.services.records.feeds.following._feeds.values()))
        assert app_feed._bytes <= 10_000
        assert app_feed._bytes == sum(len(event.body) for event in app_feed._events)


async def test_a_client_that_takes_nothing_is_cut_off(desk: Desk, monkeypatch):
    monkeypatch.setattr(events_api, "STREAM_STALL_SECONDS", 0.05)
    stream = Stream(desk.service.app, PATH, dict(desk.client.headers))
    await stream.frame()
    stream.flowing.clear()
    await desk.create("region", name="a")
    await stream.task
    assert stream.aborted
    assert not desk.service.app.services.records.feeds.following._owners
    assert desk.service.lines("failed") == []


async def test_writes_of_another_process_arrive(desk: Desk, prepared: Prepared):
    async with open_desk(prepared.url, prepared.token) as elsewhere, follow(desk) as stream:
        await elsewhere.create("region", name="there")
        await desk.create("region", name="here")
        assert sorted(names(await stream.events(2))) == ["here", "there"]


async def test_streams_end_when_the_server_leaves(desk: Desk):
    async with follow(desk) as one, follow(desk) as other:
        one.leave()
        assert await one.frame() is None
        desk.service.app.services.records.feeds.following.stop()
        assert await other.frame() is None
    assert one.task.exception() is None


async def test_what_a_stream_follows_goes_away(desk: Desk):
    async with follow(desk, "?entity=bit") as stream, follow(desk) as all_of_it:
        document = shop.definition()
        document["entities"] = [each for each in document["entities"] if each["key"] != "bit"]
        thing = next(each for each in document["entities"] if each["key"] == "thing")
        thing["fields"] = [each for each in thing["fields"] if each["key"] != "bits"]
        desk.publish(document)
        ended = await stream.event()
        assert (ended["event"], ended["code"]) == ("end", "entity.not_found")
        await desk.create("region", name="still")
        assert names(await all_of_it.events(1)) == ["still"]


async def test_what_is_refused(desk: Desk, monkeypatch):
    assert (await answer(desk, "?after=nowhere"))["code"] == "query.cursor"
    assert (await answer(desk, "?after=9-999999999999999999"))["code"] == "query.cursor"
    assert (await answer(desk, **{"last-event-id": "\x00"}))["code"] == "query.cursor"
    assert (await answer(desk, "?entity=nothing"))["code"] == "entity.not_found"
    assert (await answer(desk, "?record=7"))["code"] == "query.invalid"
    assert (await answer(desk, "?limit=3"))["code"] == "query.invalid"
    assert (await answer(desk, authorization="Bearer dgt_wrong"))["code"] == "auth.required"
    problem(await desk.send("GET", "events", params={"wait": 31}), "query.invalid")
    problem(await desk.send("GET", "events", params={"after": "1-99999999999"}), "query.cursor")
    monkeypatch.setattr(following, "STREAMS_PER_PERSON", 2)
    async with follow(desk), follow(desk):
        refused = await answer(desk)
        assert (refused["code"], refused["status"]) == ("limit.streams", 429)
    async with follow(desk):
        pass


async def test_nothing_is_read_when_nobody_listens(desk: Desk):
    database, feeds = desk.registry.database, desk.service.app.services.records.feeds.following
    async with follow(desk), follow(desk, "?entity=region"):
        assert len(feeds._feeds) == 1
        assert len(database.commits._listeners) == 1
    assert not feeds._feeds
    assert not feeds._owners
    assert not database.commits._listeners
