"""DingTalk group robot: markdown messages, signed. Source: open.dingtalk.com, custom robots (limits and signature: research/jobs.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from builder.kernel.text import Text, say
from runtime.channels.base import JSON, Letter, Sending
from runtime.channels.robots import Errors, Robot, RobotOptions, markdown_of, mentions_of, title_of

_TEXT_BYTES = 18_000


def sign(secret: str, milliseconds: int) -> str:
    """Return the signature as it stands in the query: base64 of HMAC-SHA256, url-encoded."""
    digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    return quote(base64.b64encode(digest).decode(), safe="")


class DingTalk(Robot):
    """A robot of a DingTalk group."""

    kind: ClassVar[str] = "dingtalk"
    title: ClassVar[Text] = say("钉钉群机器人", "DingTalk robot")
    secret_names: ClassVar[tuple[str, ...]] = ("access_token", "secret")
    errors: ClassVar[Errors] = Errors(
        members=("errcode",),
        busy={130101: 600.0, 45009: 600.0, 88: 60.0},
        never=frozenset({310000, 300001, 400013}),  # wrong signature or keyword, unknown robot, group is gone
    )

    class Options(RobotOptions):
        """Where the robot is."""

        url: str = "https://oapi.dingtalk.com/robot/send"

    def write(self, sending: Sending, letters: Sequence[Letter]) -> tuple[str, JSON]:
        """One markdown message."""
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
        return url, body


def _milliseconds(now: datetime) -> int:
    return int(now.timestamp() * 1000)
