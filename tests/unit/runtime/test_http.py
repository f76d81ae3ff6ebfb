"""The small tools of HTTP: query strings, bodies, addresses, content types, cookies."""

from __future__ import annotations

from typing import Any

import pytest

from builder.kernel.problems import Problem
from runtime.api.http import (
    ClientGone,
    client_address,
    find_header,
    from_loopback,
    is_json,
    list_header,
    parse_query,
    read_body,
)
from runtime.identity.actors import find_cookie, find_credential

pytestmark = pytest.mark.anyio


def scope(**members: Any) -> dict[str, Any]:
    return {"headers": [], "query_string": b"", **members}


@pytest.mark.parametrize(
    "text, pairs",
    [
        (b"", []),
        (b"a=1&b=&a=2", [("a", "1"), ("b", ""), ("a", "2")]),
        (b"filter=level%20%3D%20%22A%22+x", [("filter", 'level = "A" x')]),
        ("名=值".encode().replace(b"\xe5", b"%E5").replace(b"\x90", b"%90").replace(b"\x8d", b"%8D"), None),
        (b"%E5%90%8D=%E5%80%BC", [("名", "值")]),
        (b"a=%ff", None),
        (b"a=\xff", None),
        (b"&&a&=b", [("a", ""), ("", "b")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"&".join(b"a=1" for _ in range(1000)), [("a", "1")] * 1000),
        (b"&".join(b"a=1" for _ in range(1001)), None),
    ],
)
def test_query_strings(text, pairs):
    if pairs is not None:
        assert parse_query(scope(query_string=text)) == pairs
        return
    with pytest.raises(Problem, match=r"request\.malformed"):
        parse_query(scope(query_string=text))


@pytest.mark.parametrize(
    "parts, outcome",
    [
        ([b"whole"], b"whole"),
        ([b""], b""),
        ([b"one", b"two", b""], b"onetwo"),
        ([b"12345", b"67890"], b"1234567890"),
        ([b"12345678901"], "limit.body"),
        ([b"12345", b"678901"], "limit.body"),
        ([b"one", None], ClientGone),
        ([None], ClientGone),
    ],
)
async def test_bodies_are_read_up_to_a_limit(parts, outcome):
    messages = [
        {"type": "http.disconnect"}
        if part is None
        else {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return messages.pop(0)

    if isinstance(outcome, bytes):
        assert await read_body(receive, 10) == outcome
    elif outcome is ClientGone:
        with pytest.raises(ClientGone):
            await read_body(receive, 10)
    else:
        with pytest.raises(Problem, match=r"limit\.body"):
            await read_body(receive, 10)


@pytest.mark.parametrize(
    "client, address, here",
    [
        (("127.0.0.1", 1), "127.0.0.1", True),
        (("::1", 1), "::/64", True),
        (("203.0.113.9", 1), "203.0.113.9", False),
        (("::ffff:203.0.113.9", 1), "203.0.113.9", False),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64", False),
        (("fe80::1%eth0", 1), "fe80::/64", False),
        (("testclient", 1), "testclient", False),
        (None, "", False),
    ],
)
def test_addresses(client, address, here):
    assert client_address(scope(client=client)) == address
    assert from_loopback(scope(client=client)) is here


@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip"])
def test_a_proxy_on_this_machine_is_not_this_machine(name):
    assert not from_loopback(scope(client=("127.0.0.1", 1), headers=[(name, b"1.2.3.4")]))


@pytest.mark.parametrize(
    "declared, is_it",
    [
        ("application/json", True),
        ("Application/JSON ; charset=UTF-8", True),
        ('application/json;charset="utf-8"', True),
        ("application/merge-patch+json", True),
        ("application/json; charset=gbk", False),
        ("application/jsonp", False),
        ("text/json", False),
        ("text/plain", False),
        ("", False),
        (None, False),
    ],
)
def test_what_counts_as_json(declared, is_it):
    assert is_json(declared) is is_it


def test_headers_by_name():
    twice = scope(headers=[(b"cookie", b"a"), (b"x", b"\xff"), (b"cookie", b"b")])

    assert find_header(twice, b"cookie") == "a"
    assert list_header(twice, b"cookie") == ["a", "b"]
    assert find_header(twice, b"x") == "ÿ"
    assert find_header(twice, b"y") is None


@pytest.mark.parametrize(
    "header, value",
    [
        ("s=1", "1"),
        ("a=0; s=1; s=2", "1"),
        ('s="1"', "1"),
        (" s = 1 ", "1"),
        ("as=1; S=2", None),
        ("s", ""),
        ("", None),
        (";;=;", None),
        ("s=a=b", "a=b"),
    ],
)
def test_cookies(header, value):
    assert find_cookie(header, "s") == value


def test_a_bearer_comes_before_a_cookie():
    found = find_credential("bearer  dgt_x ", "dougong_session=dgs_y")

    assert found is not None
    assert (found.is_token, found.by_cookie) == (True, False)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "dgt_x", "Bearer " + "x" * 201])
def test_another_authorization_proves_nobody(header):
    with pytest.raises(Problem, match=r"auth\.required"):
        find_credential(header, "dougong_session=dgs_y")
