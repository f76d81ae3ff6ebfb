"""Feishu / Lark group robot: card messages, signed. Source: open.larkoffice.com, custom robots (limits and signature: research/jobs.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from builder.kernel.text import Text, say
from runtime.channels.base import JSON, Letter, Rate, Sending
from runtime.channels.robots import Errors, Robot, RobotOptions, markdown_of, title_of

_TEXT_BYTES = 15_000


def sign(secret: str, seconds: int) -> str:
    """Return the signature: the text is the key, and nothing is signed."""
    digest = hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


class Feishu(Robot):
    """A robot of a Feishu group."""

    kind: ClassVar[str] = "feishu"
    title: ClassVar[Text] = say("飞书群机器人", "Feishu robot")
    secret_names: ClassVar[tuple[str, ...]] = ("token", "secret")
    rate: ClassVar[Rate | None] = Rate(100, 60)
    errors: ClassVar[Errors] = Errors(
        members=("code", "StatusCode"),
        busy={11232: 30.0, 9499: 30.0, 99991400: 60.0},
        never=frozenset({19021, 19022, 19024, 19001}),  # signature, address not allowed, keyword missing, unknown robot
    )

    class Options(RobotOptions):
        """Where the robot is."""

        url: str = "https://open.feishu.cn/open-apis/bot/v2/hook"

    def write(self, sending: Sending, letters: Sequence[Letter]) -> tuple[str, JSON]:
        """One card."""
        card: JSON = {
            "header": {"title": {"tag": "plain_text", "content": title_of(letters)}},
            "elements": [{"tag": "markdown", "content": markdown_of(letters, _TEXT_BYTES)}],
        }
        body: JSON = {"msg_type": "interactive", "card": card}
        if sending.secrets.get("secret"):
            seconds = int(sending.now.timestamp())
            body = {"timestamp": str(seconds), "sign": sign(sending.secrets["secret"], seconds), **body}
        url = f"{sending.options.url}/{quote(sending.secrets['token'], safe='')}"
        return url, body
