"""Feishu / Lark group robot: card messages, signed. Source: open.larkoffice.com, custom robots (limits and signature: research/jobs.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from builder.kernel.text import Text, say
from runtime.channels.base import (
    JSON,
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
from runtime.channels.parts import markdown_of, title_of

_TEXT_BYTES = 15_000
_BUSY = {11232: 30.0, 9499: 30.0, 99991400: 60.0}
_NEVER = frozenset({19021, 19022, 19024, 19001})  # signature, address not allowed, keyword missing, unknown robot


def sign(secret: str, seconds: int) -> str:
    """Return the signature: the text is the key, and nothing is signed."""
    digest = hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Feishu:
    """A robot of a Feishu group."""

    kind: ClassVar[str] = "feishu"
    title: ClassVar[Text] = say("飞书群机器人", "Feishu robot")
    secret_names: ClassVar[tuple[str, ...]] = ("token", "secret")
    needed: ClassVar[int] = 1
    rate: ClassVar[Rate | None] = Rate(100, 60)
    merges: ClassVar[bool] = True
    carries: ClassVar[Literal["letters", "calls", "both"]] = "letters"
    to_each: ClassVar[Literal["email", "phone", "none"]] = "none"

    class Options(ChannelOptions):
        """Where the robot is."""

        url: str = Field(
            "https://open.feishu.cn/open-apis/bot/v2/hook", description="The robot's address without its token."
        )

        _safe = field_validator("url")(safe_url)

    async def deliver(self, sending: Sending, roads: Roads) -> Outcome:
        """Send one card."""
        letters = only_letters(sending)
        card: JSON = {
            "header": {"title": {"tag": "plain_text", "content": title_of(letters)}},
            "elements": [{"tag": "markdown", "content": markdown_of(letters, _TEXT_BYTES)}],
        }
        body: JSON = {"msg_type": "interactive", "card": card}
        if sending.secrets.get("secret"):
            seconds = int(sending.now.timestamp())
            body = {"timestamp": str(seconds), "sign": sign(sending.secrets["secret"], seconds), **body}
        url = f"{sending.options.url}/{quote(sending.secrets['token'], safe='')}"
        answer = await send_http(roads, "POST", url, {}, body)
        if isinstance(answer, Refused):
            return answer
        return vendor_outcome(answer, ("code", "StatusCode"), busy=_BUSY, never=_NEVER)
