"""Letters that must not lie around: handed in at once and never stored, because what they hold opens an account.

What is lost with the process is asked for again by whoever waits for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.kernel.text import say
from runtime.channels.base import Letter, Outcome, Refused, Roads, Sending
from runtime.connections.service import Connections


@dataclass(frozen=True, slots=True)
class DirectLetters:
    """Sends by the connection that the settings name."""

    connections: Connections
    roads: Roads
    clock: Clock
    ids: Ids
    key: str | None

    async def send(self, letter: Letter) -> Outcome:
        """Hand one letter in."""
        ready = None if self.key is None else await asyncio.to_thread(self.connections.find_ready, self.key)
        if ready is None or ready.channel.carries == "calls":
            return Refused(say("没有可用的发信连接", "There is no connection to send letters by"), final=True)
        sending = Sending(self.ids.record_id(), [letter], ready.options, ready.secrets, self.clock.now())
        return await ready.channel.deliver(sending, self.roads)
