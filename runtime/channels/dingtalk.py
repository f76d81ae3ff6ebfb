"""DingTalk group robot: markdown messages, signed. Source: open.dingtalk.com, custom robots (limits and signature: research/jobs.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
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
from runtime.channels.parts import markdown_of, mentions_of, title_of

_TEXT_BYTES = 18_000
_BUSY = {130101: 600.0, 45009: 600.0, 88: 60.0}
_NEVER = frozenset({310000, 300001, 400013})  # wrong signature or keyword, unknown robot, group is gone


def sign(secret: str, milliseconds: int) -> str:
    """Return the signature as it stands in the query: base64 of HMAC-SHA256, url-encoded."""
    digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(digest).decode(), safe="")


class DingTalk:
    """A robot of a DingTalk group."""

    kind: ClassVar[str] = "dingtalk"
    title: ClassVar[Text] = say("钉钉群机器人", "DingTalk robot")
    secret_names: ClassVar[tuple[str, ...]] = ("access_token", "secret")
    needed: ClassVar[int] = 1
    rate: ClassVar[Rate | None] = Rate(20, 60)
    merges: ClassVar[bool] = True
    carries: ClassVar[Literal["letters", "calls", "both"]] = "letters"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "none"

    class Options(ChannelOptions):
        """Where the robot is."""

        url: str = Field("https://oapi.dingtalk.com/robot/send", description="The robot's address without its token.")

        _safe = field_validator("url")(safe_url)

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Send one markdown message."""
        letters = only_letters(sending)
        url = f"{sending.options.url}?access_token={quote(sending.secrets['access_token'], safe='')}"
        if sending.secrets.get("secret"):
            milliseconds = _milliseconds(sending.now)
            url += f"&timestamp={milliseconds}&sign={sign(sending.secrets['secret'], milliseconds)}"
        phones = mentions_of(letters)
        text = markdown_of(letters, _TEXT_BYTES) + "".join(f" @{phone}" for phone in phones)
        body = {
            "msgtype": "markdown",
            "markdown": {"title": title_of(letters), "text": text},
            "at": {"atMobiles": phones, "isAtAll": False},
        }
        answer = await send_http(roads, "POST", url, {}, body)
        if isinstance(answer, Refused):
            return answer
        return vendor_outcome(answer, ("errcode",), busy=_BUSY, never=_NEVER)


def _milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)
