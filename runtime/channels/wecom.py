"""WeCom (企业微信) group robot: markdown messages; its key is the only secret. Source: developer.work.weixin.qq.com, group robots."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from builder.kernel.text import Text, say
from runtime.channels.base import (
    ChannelOptions,
    Outcome,
    Rate,
    Refused,
    Roads,
    Sending,
    only_letters,
    safe_url,
    send_http,
    vendor_outcome,
)
from runtime.channels.parts import markdown_of, mentions_of

_TEXT_BYTES = 4_000
_BUSY = {45009: 60.0, -1: 5.0}
_NEVER = frozenset({93000, 40008, 40058, 93004, 93008})  # no such robot, wrong type or parameter, robot removed


class WeCom:
    """A robot of a WeCom group."""

    kind: ClassVar[str] = "wecom"
    title: ClassVar[Text] = say("企业微信群机器人", "WeCom robot")
    secret_names: ClassVar[tuple[str, ...]] = ("key",)
    needed: ClassVar[int] = 1
    rate: ClassVar[Rate | None] = Rate(20, 60)
    merges: ClassVar[bool] = True
    carries: ClassVar[Literal["letters", "calls", "both"]] = "letters"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "none"

    class Options(ChannelOptions):
        """Where the robot is."""

        url: str = Field(
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send", description="The robot's address without its key."
        )

        _safe = field_validator("url")(safe_url)

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Send one markdown message; people to be named get a short text besides, markdown cannot name them."""
        letters = only_letters(sending)
        url = f"{sending.options.url}?key={quote(sending.secrets['key'], safe='')}"
        body = {"msgtype": "markdown", "markdown": {"content": markdown_of(letters, _TEXT_BYTES)}}
        phones = mentions_of(letters)
        if phones and len(letters) == 1:
            letter = letters[0]
            content = f"{letter.subject.pick(letter.language)}\n{letter.text.pick(letter.language)}"
            body = {"msgtype": "text", "text": {"content": content[:600], "mentioned_mobile_list": phones}}
        answer = await send_http(roads, "POST", url, {}, body)
        if isinstance(answer, Refused):
            return answer
        return vendor_outcome(answer, ("errcode",), busy=_BUSY, never=_NEVER)
