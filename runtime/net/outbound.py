"""The one way out over HTTP: looks at every address before it connects, and connects to the address it looked at.

Never: redirects, proxies or credentials from the environment, private addresses (unless the settings allow them), answers without an
end. Source: OWASP SSRF Prevention Cheat Sheet; advisories CVE-2026-73410 (rebinding), CVE-2026-67311 (redirect), CVE-2026-31818 (empty default).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from builder.kernel.text import Text, say

if TYPE_CHECKING:
    import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

SECONDS = 15.0
ANSWER_BYTES = 1024 * 1024
_SCHEMES = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class OutboundRefused(Exception):
    """The address is not one we go to; trying again changes nothing."""

    def __init__(self, message: Text) -> None:
        self.message = message
        super().__init__(message.en)


class OutboundFailed(Exception):
    """Nobody answered, or not in time, or too much; it may go better another time."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Allowed:
    """Where we may go although it is not public: host names, addresses and networks, each with or without a port."""

    entries: tuple[str, ...] = ()

    def has(self, host: str, address: Address, port: int) -> bool:
        """Tell whether an entry covers this target."""
        return any(_covers(entry.strip(), host, address, port) for entry in self.entries)


@dataclass
class Outbound:
    """Sends requests to the outside."""

    allowed: Allowed = field(default_factory=Allowed)
    resolve: Resolve | None = None
    transport: httpx.AsyncBaseTransport | None = None
    """Tests may give one; by default a connection of its own for each request."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        seconds: float = SECONDS,
        most_bytes: int = ANSWER_BYTES,
    ) -> Answer:
        """Send one request and return the whole answer, whatever its status.

        Raises:
            OutboundRefused, OutboundFailed.
        """
        import httpx  # a fifth of a second: not before something is sent

        try:
            async with asyncio.timeout(seconds):
                return await self._send(method, url, dict(headers or {}), content, seconds, most_bytes)
        except TimeoutError:
            raise OutboundFailed(f"no answer within {seconds:g} s") from None
        except httpx.HTTPError as error:
            raise OutboundFailed(str(error) or type(error).__name__) from None

    async def _send(
        self, method: str, url: str, headers: dict[str, str], content: bytes, seconds: float, most_bytes: int
    ) -> Answer:
        import httpx

        host, port = _target(url)
        usual = _SCHEMES[urlsplit(url).scheme]
        address = await self._vetted(host, port)
        pinned = httpx.URL(url).copy_with(host=str(address), port=port)
        named = f"[{host}]" if ":" in host else host
        sent = {
            **headers,
            "host": named if port == usual else f"{named}:{port}",
            "accept-encoding": "identity",
        }
        async with httpx.AsyncClient(
            verify=self._trusted,
            trust_env=False,
            follow_redirects=False,
            timeout=seconds,
            transport=self.transport,
            http2=False,
        ) as client:
            # the name is checked in the certificate, the address is the one that was looked at
            request = client.build_request(
                method, pinned, headers=sent, content=content, extensions={"sni_hostname": host}
            )
            reply = await client.send(request, stream=True)
            try:
                return Answer(reply.status_code, dict(reply.headers), await _read(reply, most_bytes))
            finally:
                await reply.aclose()

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        """Whom we believe, read once: reading all authorities for each request took longer than the request."""
        import httpx

        return httpx.create_ssl_context(trust_env=False)

    async def _vetted(self, host: str, port: int) -> Address:
        """Return the address to connect to; every address that the name has must be one we may go to."""
        found = await (self.resolve or _resolve)(host, port)
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not addresses:
            raise OutboundFailed(f"{host} has no address")
        for address in addresses:
            if not (is_public(address) or self.allowed.has(host, address, port)):
                raise OutboundRefused(
                    say(
                        f"{host} 指向 {address},不是公网地址;要访问它,请在设置 outbound_allow 中写上",
                        f"{host} leads to {address}, which is not a public address; the setting outbound_allow names what is allowed",
                    )
                )
        return addresses[0]


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner: Sequence[Address | None] = (
            address.ipv4_mapped,
            address.sixtofour,
            ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None,
            address.teredo[1] if address.teredo else None,
        )
        wrapped = [item for item in inner if item is not None]
        if wrapped:
            return all(is_public(item) for item in wrapped)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _target(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutboundRefused(say(f"不是网址({error})", f"not an address: {error}")) from None
    if parts.scheme not in _SCHEMES or not host:
        raise OutboundRefused(
            say("只能是带主机名的 http 或 https 地址", "only http and https addresses with a host are reached")
        )
    if parts.username is not None or parts.password is not None:
        raise OutboundRefused(say("地址里不能写用户名或密码", "an address must not carry a user name or password"))
    return host, port or _SCHEMES[parts.scheme]


async def _resolve(host: str, port: int) -> list[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(f"{host} cannot be resolved: {error}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _read(reply: httpx.Response, most_bytes: int) -> bytes:
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > most_bytes:
            raise OutboundFailed(f"the answer is larger than {most_bytes} bytes")
    return bytes(body)


def _covers(entry: str, host: str, address: Address, port: int) -> bool:
    """``127.0.0.1``, ``10.0.0.0/8``, ``erp.local``, each also with ``:port`` (an IPv6 address then in brackets)."""
    name, wanted = entry, None
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        wanted = rest.removeprefix(":") or None
    elif entry.count(":") == 1:
        name, _, wanted = entry.partition(":")
    if wanted is not None and wanted != str(port):
        return False
    try:
        return address in ipaddress.ip_network(name, strict=False)
    except ValueError:
        return name.lower() == host.lower()
