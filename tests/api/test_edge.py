"""The edge: limits, odd requests and failures, each answered in the one shape; driven as bare ASGI where a client would tidy up."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from builder.kernel.clock import MovableClock
from builder.kernel.ids import CountingIds
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.store.database import ConstraintRefused, DatabaseBusy, StatementTimeout
from runtime.api.edge import Edge
from runtime.api.http import ACTOR_ID, ROUTE, read_body, send_json
from runtime.observe.logs import make_log
from runtime.observe.metrics import Metrics
from runtime.settings import Settings
from tests.support.service import START, problem

pytestmark = pytest.mark.anyio

LIMIT = 2_000


class Bench:
    """An edge around an application of the test."""

    def __init__(self, application: Any, **settings: Any) -> None:
        clock = MovableClock(START)
        self.log = io.BytesIO()
        self.metrics = Metrics(version="0", dialect="none")
        self.edge = Edge(
            application,
            settings=Settings(**{"body_bytes": LIMIT, **settings}),
            ids=CountingIds(clock),
            log=make_log(clock, stream=self.log),
            metrics=self.metrics,
        )

    async def request(self, method: str = "GET", path: str = "/", **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.edge)
        async with httpx.AsyncClient(transport=transport, base_url="http://dougong.test") as client:
            return await client.request(method, path, **options)

    async def drive(self, messages: list[dict[str, Any]], **scope: Any) -> list[dict[str, Any]]:
        """Serve one request from these messages; when they are used up, nothing more ever comes."""
        sent = []
        waiting = iter(messages)

        async def receive() -> Any:
            for message in waiting:
                return message
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        whole = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [], **scope}
        await self.edge(whole, receive, send)
        return sent

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body."""
    scope[ROUTE] = "/echo/{anything}"
    scope[ACTOR_ID] = "somebody"
    await send_json(send, 200, {"length": len(await read_body(receive, 10 * LIMIT))})


def raising(error: BaseException) -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        raise error

    return application


def document(messages: list[dict[str, Any]]) -> Any:
    return json.loads(b"".join(message.get("body", b"") for message in messages))


# --- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, status, code",
    [
        (Problem("record.not_found"), 404, "record.not_found"),
        (Problem("request.method", extra={"allow": ["GET"]}), 405, "request.method"),
        (ConstraintRefused("unique", "uq_x"), 409, "record.exists"),
        (ConstraintRefused("reference", "fk_x"), 409, "record.referenced"),
        (ConstraintRefused("other", "ck_x"), 422, "record.invalid"),
        (StatementTimeout(), 503, "limit.time"),
        (TimeoutError(), 503, "limit.time"),
        (DatabaseBusy("locked"), 503, "service.unavailable"),
        (sa.exc.OperationalError("SELECT secret", {}, Exception("gone")), 503, "service.unavailable"),
        (ValueError("secret"), 500, "service.internal"),
        (RecursionError("secret"), 500, "service.internal"),
        (KeyError("secret"), 500, "service.internal"),
    ],
)
async def test_whatever_is_raised_is_answered_as_a_problem(error, status, code):
    reply = await Bench(raising(error)).request()

    assert reply.status_code == status
    assert "secret" not in json.dumps(problem(reply, code))
    assert ("retry-after" in reply.headers) == (status == 503)


async def test_an_operator_learns_why_callers_were_turned_away():
    bench = Bench(raising(DatabaseBusy("no connection was free")))

    await bench.request()

    turned_away, line = bench.lines()
    assert (turned_away["level"], turned_away["reason"]) == ("warning", "no connection was free")
    assert line["status"] == 503


async def test_our_own_failure_is_in_the_log_under_the_requests_id():
    bench = Bench(raising(ValueError("the cause")))

    reply = await bench.request(headers={"x-request-id": "trace-12345"})

    assert problem(reply, "service.internal").keys() == {"type", "title", "status", "detail", "instance", "code"}
    failed, line = bench.lines()
    assert (failed["event"], failed["level"], failed["request_id"]) == ("failed", "error", "trace-12345")
    assert "ValueError: the cause" in failed["exception"]
    assert (line["event"], line["status"]) == ("request", 500)
    assert b"dougong_internal_errors_total 1.0" in bench.metrics.exposition()


async def test_what_a_caller_caused_leaves_no_traceback():
    bench = Bench(raising(Problem("record.not_found")))

    await bench.request()

    assert [line["event"] for line in bench.lines()] == ["request"]


async def test_violations_are_sorted_and_at_most_a_hundred_are_shown():
    violations = [Violation("wrong", f"/{number:03}", say("错", "Wrong")) for number in reversed(range(120))]

    reply = await Bench(raising(Problem("record.invalid", violations=violations))).request()

    found = problem(reply, "record.invalid")
    assert [each["pointer"] for each in found["errors"]] == [f"/{number:03}" for number in range(100)]
    assert found["errors_total"] == 120


async def test_allow_names_the_methods_there_are():
    reply = await Bench(raising(Problem("request.method", extra={"allow": ["GET", "POST"]}))).request("PUT")

    assert reply.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "wanted, language, title",
    [
        ("en-GB,en;q=0.9", "en", "Record"),
        ("zh-CN", "zh", "记录"),
        ("fr, en;q=0.1, zh;q=0.2", "zh", "记录"),
        ("", "zh", "记录"),
        ("en;q=nonsense, *", "zh", "记录"),
        (";;;,,,=q", "zh", "记录"),
    ],
)
async def test_problems_speak_the_callers_language(wanted, language, title):
    error = Problem("record.not_found", say("记录不存在", "Record not there"))

    reply = await Bench(raising(error)).request(headers={"accept-language": wanted})

    assert problem(reply, "record.not_found")["detail"].startswith(title)
    assert reply.headers["content-language"] == language


async def test_a_failure_after_the_answer_began_ends_it_and_is_logged():
    async def half(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("in the middle")

    bench = Bench(half)
    messages = await bench.drive([])

    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert [line["event"] for line in bench.lines()] == ["failed", "request"]


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_a_body_declared_too_large_is_refused_before_it_is_read():
    bench = Bench(raising(AssertionError("not reached")))

    messages = await bench.drive([], headers=[(b"content-length", str(LIMIT + 1).encode())])

    assert messages[0]["status"] == 413
    assert document(messages)["limit_bytes"] == LIMIT


async def test_a_body_that_turns_out_too_large_is_refused_while_it_comes_CVE_2024_39895():
    read = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while True:
            read.append(len((await receive())["body"]))

    parts = [{"type": "http.request", "body": b"x" * 900, "more_body": True} for _ in range(100)]
    messages = await Bench(application).drive(parts)

    assert document(messages)["code"] == "limit.body"
    assert read == [900, 900]


async def test_a_body_at_the_limit_passes():
    reply = await Bench(echo).request("POST", content=b"x" * LIMIT)

    assert reply.json() == {"length": LIMIT}


@pytest.mark.parametrize("value", [b"abc", b"-1", b"1e3", b"", b"1, 1", b"9" * 30, "٣".encode()])
async def test_an_odd_content_length_is_refused(value):
    messages = await Bench(echo).drive([], headers=[(b"content-length", value)])

    assert document(messages)["code"] in ("request.header", "limit.body")


async def test_an_address_has_a_limit():
    reply = await Bench(echo).request(path="/?q=" + "x" * 33_000)

    problem(reply, "limit.url")


async def test_a_body_that_never_ends_is_given_up():
    bench = Bench(echo, request_seconds=0.05)

    messages = await bench.drive([{"type": "http.request", "body": b"half", "more_body": True}])

    assert document(messages)["code"] == "limit.time"
    assert messages[0]["status"] == 503


async def test_an_answer_that_has_begun_may_take_longer():
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        finished = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, finished.set)
        await finished.wait()
        await send({"type": "http.response.body", "body": b"done"})

    reply = await Bench(slow, request_seconds=0.02).request()

    assert (reply.status_code, reply.text) == (200, "done")


async def test_a_client_that_leaves_gets_no_answer_and_is_no_failure():
    bench = Bench(echo)

    messages = await bench.drive(
        [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    )

    assert messages == []
    assert [(line["event"], line["status"]) for line in bench.lines()] == [("request", 499)]


# --- request ids, headers, log ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["abcdefgh", "A.b_c-1234567890", "x" * 64])
async def test_a_good_request_id_is_kept(given):
    reply = await Bench(echo).request(headers={"x-request-id": given})

    assert reply.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["short", "x" * 65, "has space inside", "ünïcödé-id", "line\\nbreak", ""])
async def test_another_request_id_is_replaced(given):
    reply = await Bench(echo).request(headers={"x-request-id": given.encode()})

    assert reply.headers["x-request-id"] != given
    assert len(reply.headers["x-request-id"]) == 36


async def test_an_answer_keeps_the_policy_and_caching_it_chose():
    async def page(scope: Any, receive: Any, send: Any) -> None:
        await send_json(
            send, 200, 1, [(b"cache-control", b"max-age=5"), (b"content-security-policy", b"default-src *")]
        )

    reply = await Bench(page).request()

    assert reply.headers.get_list("cache-control") == ["max-age=5"]
    assert reply.headers.get_list("content-security-policy") == ["default-src *"]


async def test_one_line_is_logged_for_a_request_without_its_query_or_body():
    bench = Bench(echo)

    await bench.request("POST", "/echo/x?filter=canary", content=b"canary", headers={"cookie": "a=canary"})

    (line,) = bench.lines()
    assert "canary" not in json.dumps(line)
    assert line["at"] == "2026-11-22T08:00:00.000Z"
    assert {
        name: line[name] for name in ("event", "level", "method", "path", "route", "status", "client", "actor")
    } == {
        "event": "request",
        "level": "info",
        "method": "POST",
        "path": "/echo/x",
        "route": "/echo/{anything}",
        "status": 200,
        "client": "127.0.0.1",
        "actor": "somebody",
    }


async def test_counts_are_by_route_and_never_by_address_or_invented_method():
    bench = Bench(echo)
    for number in range(3):
        await bench.request("POST", f"/echo/{number}")
    await bench.request("INVENTED", "/echo/1")

    text = bench.metrics.exposition().decode()

    assert 'dougong_requests_total{method="POST",route="/echo/{anything}",status="200"} 3.0' in text
    assert 'dougong_requests_total{method="other",route="/echo/{anything}",status="200"} 1.0' in text
    assert 'dougong_request_seconds_count{method="POST",route="/echo/{anything}"} 3.0' in text
    assert "dougong_requests_in_flight 0.0" in text
    assert "INVENTED" not in text
    assert "/echo/1" not in text


async def test_websockets_are_refused():
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await Bench(echo).edge({"type": "websocket"}, None, send)  # type: ignore[arg-type]

    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- cross-origin -----------------------------------------------------------------------------------------------------

PAGE = "https://shop.example.com"


def preflight(origin: str) -> dict[str, str]:
    return {"origin": origin, "access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}


async def test_pages_elsewhere_are_let_in_only_by_the_settings():
    bench = Bench(echo)

    problem(await bench.request("OPTIONS", headers=preflight(PAGE)), "access.origin")
    reply = await bench.request(headers={"origin": PAGE})

    assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_a_configured_page_gets_a_preflight_and_may_read_answers_and_problems():
    bench = Bench(echo, cors_origins=(PAGE,))

    reply = await bench.request("OPTIONS", headers=preflight(PAGE))

    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert "PATCH" in reply.headers["access-control-allow-methods"]
    assert "If-Match" in reply.headers["access-control-allow-headers"]
    refused = await bench.request("POST", headers={"origin": PAGE}, content=b"x" * (LIMIT + 1))
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in ", ".join(refused.headers.get_list("vary"))
    problem(refused, "limit.body")


@pytest.mark.parametrize(
    "origin", ["https://shop.example.com.evil.test", "http://shop.example.com", "https://evil.test", "null", ""]
)
async def test_an_origin_is_compared_exactly_CVE_2023_45820(origin):
    bench = Bench(echo, cors_origins=(PAGE,))

    problem(await bench.request("OPTIONS", headers=preflight(origin)), "access.origin")
    reply = await bench.request(headers={"origin": origin})

    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["vary"] == "Origin"
