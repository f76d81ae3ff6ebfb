"""The kinds of connections: channels, through which something leaves, and directories, from which people come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from builder.kernel.text import Text
from runtime import channels, directories
from runtime.channels.base import ChannelOptions


class ConnectionKind(Protocol):
    """What keeping a connection needs to know of its kind."""

    kind: ClassVar[str]
    title: ClassVar[Text]
    secret_names: ClassVar[tuple[str, ...]]
    needed: ClassVar[int]

    @property
    def Options(self) -> type[ChannelOptions]:
        """The model of its options."""
        ...


BY_KIND: Mapping[str, ConnectionKind] = {**channels.BY_KIND, **directories.BY_KIND}
