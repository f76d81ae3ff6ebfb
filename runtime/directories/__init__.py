"""Where a company keeps its people: DingTalk, WeCom. A kind is one file and one line here; each is read, never written."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.directories.base import Source
from runtime.directories.dingtalk import DingTalkDirectory
from runtime.directories.wecom import WeComDirectory

ALL: tuple[Source, ...] = (DingTalkDirectory(), WeComDirectory())
BY_KIND: Mapping[str, Source] = {source.kind: source for source in ALL}
