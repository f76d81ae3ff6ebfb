"""What every channel is: options, secrets, a rate, and how one message is delivered. One file a kind; see ``runtime/channels/__init__.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any, ClassVar, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import Language, Text, say
from runtime.net.outbound import Answer, Outbound, OutboundFailed, OutboundRefused
from runtime.net.smtp import MailServer, send_mail

JSON = Any

#: Statuses that are worth another try, among those that say the request was wrong.
_AGAIN = frozenset({408, 409, 425, 429})
_LONGEST_WAIT = 24 * 3600
_SHOWN = 300


class ChannelOptions(BaseModel):
    """Options of a connection: nothing secret, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rate(NamedTuple):
    """At most ``most`` messages in ``seconds``."""

    most: int
    seconds: int


class Recipient(NamedTuple):
    """Whom a letter is for, as far as the channel needs it."""

    user_id: str | None
    name: str
    email: str | None
    phone: str | None


class Letter(NamedTuple):
    """A text for people. ``link`` leads to the record, if the public address is known."""

    subject: Text
    text: Text
    recipient: Recipient | None
    mentions: tuple[str, ...]
    """Phones of people whom a robot shall name."""
    link: str | None
    language: Language


class Call(NamedTuple):
    """A request for another system; path and query are added to the connection's address."""

    method: str
    path: str
    query: Mapping[str, str]
    body: JSON


Payload = Letter | Call


class Delivered(NamedTuple):
    """It arrived; ``answer`` is what a system said, read as JSON where it is."""

    answer: JSON = None


class Refused(NamedTuple):
    """It did not. ``final``: trying again changes nothing."""

    reason: Text
    final: bool
    retry_after_seconds: float | None = None


Outcome = Delivered | Refused


class MailRoad(Protocol):
    """Hands in one mail; blocks."""

    def __call__(self, server: MailServer, message: EmailMessage, recipient: str, sender: str) -> None:
        """Send."""
        ...


@dataclass(frozen=True)
class Roads:
    """The ways out. Scenarios put their own in, which only write down."""

    outbound: Outbound = field(default_factory=Outbound)
    mail: MailRoad = send_mail


class Sending(NamedTuple):
    """One delivery: messages of one connection (several only if the channel merges), with the key of the first."""

    key: str
    payloads: Sequence[Payload]
    options: Any
    """The channel's own ``Options``."""
    secrets: Mapping[str, str]
    now: datetime


class Channel(Protocol):
    """One kind of connection."""

    kind: ClassVar[str]
    title: ClassVar[Text]

    @property
    def Options(self) -> type[ChannelOptions]:
        """The model of its options."""
        ...

    secret_names: ClassVar[tuple[str, ...]]
    """Names of what is kept sealed; the first ``needed`` ones have to be given."""
    needed: ClassVar[int]
    rate: ClassVar[Rate | None]
    merges: ClassVar[bool]
    """Whether several letters may go out as one."""
    carries: ClassVar[Literal["letters", "calls", "both"]]
    to_each: ClassVar[Literal["email", "phone", "none"]]
    """What a recipient needs to get a letter of their own; none: the letter goes to a group."""

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Deliver; whatever goes wrong outside is an outcome, never an exception."""
        ...


async def send_http(
    roads: Roads, method: str, url: str, headers: Mapping[str, str], body: JSON | bytes
) -> Answer | Refused:
    """Send a request with a JSON body (or bytes as they are; None for none); what is not 2xx is refused."""
    content = b"" if body is None else body if isinstance(body, bytes) else dump_json(body)
    typed = {**headers} if body is None else {"content-type": "application/json", **headers}
    try:
        answer = await roads.outbound.send(method, url, headers=typed, content=content)
    except OutboundRefused as error:
        zh, en = error.message
        return Refused(say(f"地址不允许访问:{zh}", f"The address is not allowed: {en}"), final=True)
    except OutboundFailed as error:
        return Refused(say(f"没有成功:{error}", f"It did not get through: {error}"), final=False)
    if 200 <= answer.status < 300:
        return answer
    said = shown(answer.body)
    reason = say(f"对方回答 HTTP {answer.status}:{said}", f"The other side answered HTTP {answer.status}: {said}")
    final = 300 <= answer.status < 500 and answer.status not in _AGAIN
    return Refused(reason, final, retry_after(answer.headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After`` in seconds; a date is left to the own schedule."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None


def read_answer(body: bytes) -> JSON:
    """Read an answer as JSON; None if it is none."""
    try:
        return parse_json(body)
    except Problem:
        return None


def find_at(value: JSON, pointer: str) -> JSON:
    """Return what a JSON pointer (RFC 6901) leads to; None if it leads nowhere."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def shown(body: bytes) -> str:
    """Return the beginning of an answer for people."""
    return body[:_SHOWN].decode("utf-8", "replace").strip()


def only_letters(sending: Sending) -> list[Letter]:
    """Return the letters of a sending."""
    return [payload for payload in sending.payloads if isinstance(payload, Letter)]


def cut(text: str, most_bytes: int) -> str:
    """Cut a text to a number of UTF-8 bytes, at a character."""
    if len(text.encode()) <= most_bytes:
        return text
    return text.encode()[: most_bytes - 3].decode("utf-8", "ignore") + "…"


def safe_url(url: str) -> str:
    """Return the address if it is http or https with a host.

    Raises:
        ValueError.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("write it as https://host/path")
    return url
