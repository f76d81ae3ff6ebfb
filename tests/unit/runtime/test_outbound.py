"""The one way out: where it goes, where it never goes. Cases of published advisories are named by their ids."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress

import pytest

from runtime.net.outbound import Allowed, Outbound, OutboundFailed, OutboundRefused, is_public
from tests.support.receiver import Reply, http_receiver

pytestmark = pytest.mark.anyio


def resolving(*addresses: str):
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
async def test_private_addresses_are_not_reached_whatever_they_are_wrapped_in_CVE_2023_26492_CVE_2026_31878_CVE_2026_40346_CVE_2026_49979(
    address,
):
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(OutboundRefused) as refused:
        await Outbound(resolve=resolving(address)).send("GET", "http://example.com/")
    assert all("outbound_allow" in text for text in refused.value.message)  # how to mend it, in both languages


@pytest.mark.parametrize("address", ["1.1.1.1", "203.107.6.88", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
async def test_public_addresses_are(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://0x7f000001/", "http://2130706433/", "http://127.1/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://user:pw@1.1.1.1/", "file:///etc/hosts", "ftp://1.1.1.1/",
        "gopher://1.1.1.1/", "http:///x", "http://[::1", "//1.1.1.1/", "", "http://1.1.1.1:99999/",
    ],
)  # fmt: skip
async def test_cve_2026_24767_no_spelling_of_an_address_leads_inside(url):
    with pytest.raises((OutboundRefused, OutboundFailed)):
        await Outbound().send("GET", url, seconds=2)


async def test_cve_2026_73410_a_name_that_changes_its_address_after_the_look_is_of_no_use():
    """DNS rebinding: the connection goes to the address that was looked at, never to what the name says later."""
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    async with http_receiver() as inside:
        with pytest.raises(OutboundFailed):  # nobody answers at 1.1.1.1 in this closed network
            await Outbound(resolve=rebinding).send("GET", f"http://rebind.test:{inside.port}/", seconds=1)
        assert inside.requests == []
    assert asked == ["rebind.test"]


async def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(OutboundRefused):
        await Outbound(resolve=resolving("1.1.1.1", "10.0.0.7")).send("GET", "http://mixed.test/")


async def test_cve_2026_67311_redirects_are_not_followed():
    async with http_receiver() as receiver:
        target = f"{receiver.url}/secret"
        receiver.answer = lambda got: Reply(302, None, (("location", target),)) if got.path == "/" else Reply(200)
        outbound = Outbound(Allowed((f"127.0.0.1:{receiver.port}",)))
        answer = await outbound.send("POST", receiver.url + "/", content=b"x")
    assert answer.status == 302
    assert [request.path for request in receiver.requests] == ["/"]


async def test_cve_2026_31818_an_empty_list_allows_nothing():
    async with http_receiver() as receiver:
        for entries in ((), ("",), ("127.0.0.1:1",), ("10.0.0.0/8",), ("other.host",)):
            with pytest.raises(OutboundRefused):
                await Outbound(Allowed(entries)).send("GET", receiver.url)
        for entries in (("127.0.0.1",), ("127.0.0.0/8",), (f"127.0.0.1:{receiver.port}",)):
            assert (await Outbound(Allowed(entries)).send("GET", receiver.url)).status == 200


async def test_environment_proxies_are_not_used_CVE_2026_48152(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with http_receiver() as receiver:
        answer = await Outbound(Allowed(("127.0.0.1",))).send("GET", receiver.url)
    assert answer.status == 200


async def test_the_name_is_sent_as_the_host_although_the_address_is_what_is_reached():
    async with http_receiver() as receiver:
        outbound = Outbound(Allowed(("127.0.0.1",)), resolve=resolving("127.0.0.1"))
        await outbound.send("GET", f"http://erp.test:{receiver.port}/a?b=1", headers={"x-a": "1"})
    assert receiver.requests[0].headers["host"] == f"erp.test:{receiver.port}"
    assert (receiver.requests[0].path, receiver.requests[0].headers["x-a"]) == ("/a?b=1", "1")


async def test_answers_have_an_end_and_a_deadline():
    async with http_receiver() as receiver:
        outbound = Outbound(Allowed(("127.0.0.1",)))
        receiver.answer = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 2_000_000)
        with pytest.raises(OutboundFailed, match="larger"):
            await outbound.send("GET", receiver.url)
        packed = gzip.compress(b"0" * 50_000_000)
        head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
        receiver.answer = lambda _: Reply(raw=head + packed)
        with pytest.raises(OutboundFailed, match="larger"):
            await outbound.send("GET", receiver.url)
        receiver.answer = lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        with pytest.raises(OutboundFailed):
            await asyncio.wait_for(outbound.send("GET", receiver.url, seconds=0.3), 5)
