"""WeCom (企业微信) group robot: markdown messages; its key is the only secret. Source: developer.work.weixin.qq.com, group robots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import quote

from builder.kernel.text import Text, say
from runtime.channels.base import JSON, Letter, Sending
from runtime.channels.robots import Errors, Robot, RobotOptions, markdown_of, mentions_of

_TEXT_BYTES = 4_000


class WeCom(Robot):
    """A robot of a WeCom group."""

    kind: ClassVar[str] = "wecom"
    title: ClassVar[Text] = say("企业微信群机器人", "WeCom robot")
    secret_names: ClassVar[tuple[str, ...]] = ("key",)
    errors: ClassVar[Errors] = Errors(
        members=("errcode",),
        busy={45009: 60.0, -1: 5.0},
        # no such robot, wrong type or parameter, robot removed
        never=frozenset({93000, 40008, 40058, 93004, 93008}),
    )

    class Options(RobotOptions):
        """Where the robot is."""

        url: str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"

    def write(self, sending: Sending, letters: Sequence[Letter]) -> tuple[str, JSON]:
        """One markdown message; people to be named get a short text besides, markdown cannot name them."""
        url = f"{sending.options.url}?key={quote(sending.secrets['key'], safe='')}"
        body = {"msgtype": "markdown", "markdown": {"content": markdown_of(letters, _TEXT_BYTES)}}
        phones = mentions_of(letters)
        if phones and len(letters) == 1:
            letter = letters[0]
            content = f"{letter.subject.pick(letter.language)}\n{letter.text.pick(letter.language)}"
            body = {"msgtype": "text", "text": {"content": content[:600], "mentioned_mobile_list": phones}}
        return url, body
