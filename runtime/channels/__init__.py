"""Channels: how messages leave the house. A kind is one file and one line here; ``tests/conformance`` drives each."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.channels.base import Channel
from runtime.channels.dingtalk import DingTalk
from runtime.channels.feishu import Feishu
from runtime.channels.http import Http
from runtime.channels.smtp import Smtp
from runtime.channels.webhook import Webhook
from runtime.channels.wecom import WeCom

ALL: tuple[Channel, ...] = (Smtp(), DingTalk(), WeCom(), Feishu(), Webhook(), Http())
BY_KIND: Mapping[str, Channel] = {channel.kind: channel for channel in ALL}
