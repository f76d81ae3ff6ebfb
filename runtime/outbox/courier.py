"""The courier: takes due rows, delivers them by their connections' channels, and marks each. At least once, never twice at once.

It is a ``Work`` of the tick (``runtime/ticking``). Connections are served side by side, the rows of one connection one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from builder.kernel.clock import Clock
from builder.kernel.ids import random_fraction
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from runtime.channels.base import Channel, Delivered, Letter, Outcome, Payload, Refused, Roads, Sending
from runtime.connections.service import Connections, Ready
from runtime.observe.logs import Log
from runtime.outbox.digests import merged
from runtime.outbox.payloads import read_payload
from runtime.outbox.rows import Claimed, OutboxRows

TRIES = 12
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=6)
_AT_ONCE = 100
_PER_CONNECTION = 20

Answered = Callable[[Claimed, object, Sequence[tuple[str, str]]], Awaitable[None]]
"""Is told what a system answered, and which members go into which fields."""


class Courier:
    """Delivers."""

    name = "outbox"

    def __init__(
        self,
        rows: OutboxRows,
        connections: Connections,
        clock: Clock,
        log: Log,
        *,
        roads: Roads,
        answered: Answered | None = None,
        chance: Callable[[], float] = random_fraction,
    ) -> None:
        """``chance`` returns a number from 0 to 1 for the jitter of waits; ``answered`` takes answers of calls."""
        self._rows = rows
        self._connections = connections
        self._clock = clock
        self._log = log
        self._roads = roads
        self._answered = answered
        self._chance = chance

    async def run_due(self, now: datetime) -> int:
        """Deliver what is due; return how many rows were looked at."""
        claimed = await asyncio.to_thread(self._rows.claim, _AT_ONCE, _PER_CONNECTION)
        groups: dict[str, list[Claimed]] = {}
        for row in claimed:
            groups.setdefault(row.connection, []).append(row)
        await asyncio.gather(*(self._serve(key, rows) for key, rows in groups.items()))
        return len(claimed)

    async def _serve(self, key: str, rows: list[Claimed]) -> None:
        """Deliver the rows of one connection in their order."""
        try:
            ready = await asyncio.to_thread(self._connections.find_ready, key)
        except Problem as problem:
            await self._all_failed(rows, problem.detail, final=False)
            return
        if ready is None:
            reason = say(f"连接“{key}”不存在或已停用", f'The connection "{key}" is not there or switched off')
            await self._all_failed(rows, reason, final=True)
            return
        waiting = list(rows)
        while waiting:
            turn = await asyncio.to_thread(self._rows.take_turn, key, ready.channel.rate)
            if turn is not None:
                await asyncio.to_thread(self._rows.block, key, turn)  # nobody looks at the others before
                await asyncio.to_thread(self._rows.put_back, waiting)
                return
            batch = _batch(ready.channel, waiting)
            waiting = [row for row in waiting if row not in batch]
            blocked = await self._deliver(ready, batch)
            if blocked is not None:
                await asyncio.to_thread(self._rows.block, key, blocked)

    async def _deliver(self, ready: Ready, batch: list[Claimed]) -> datetime | None:
        """Deliver rows that go out as one; return until when the target wants to be left alone."""
        read = [read_payload(row.payload) for row in batch]
        payloads = [payload for payload, _ in read]
        outcome = await self._try(ready, batch[0].key, payloads if ready.channel.merges else [merged(payloads)])
        if isinstance(outcome, Delivered):
            if self._answered is not None and read[0][1]:
                await self._answered(batch[0], outcome.answer, read[0][1])
            await asyncio.to_thread(self._rows.mark_done, batch)
            return None
        await self._all_failed(batch, outcome.reason, final=outcome.final, wait=outcome.retry_after_seconds)
        if outcome.retry_after_seconds is None:
            return None
        return self._clock.now() + timedelta(seconds=outcome.retry_after_seconds)

    async def _try(self, ready: Ready, key: str, payloads: list[Payload]) -> Outcome:
        carries = ready.channel.carries
        wrong = carries != "both" and any(isinstance(payload, Letter) != (carries == "letters") for payload in payloads)
        if wrong:
            return Refused(say("这种连接不能传送这类内容", "This kind of connection cannot carry that"), final=True)
        sending = Sending(key, payloads, ready.options, ready.secrets, self._clock.now())
        try:
            return await ready.channel.deliver(sending, self._roads)
        except Exception as error:  # noqa: BLE001 - one message that breaks its channel must not stop the others
            self._log.error("delivery.broken", key=key, kind=ready.channel.kind, exc_info=error)
            name = type(error).__name__
            return Refused(say(f"投递时出错:{name}", f"An error while delivering: {name}"), final=False)

    async def _all_failed(
        self, rows: Sequence[Claimed], reason: Text, *, final: bool, wait: float | None = None
    ) -> None:
        together: dict[str, datetime] = {}
        for row in rows:
            next_at = None if final or row.attempts + 1 >= TRIES else self._next_try(row.attempts, wait)
            if next_at is not None and row.digest is not None:  # what goes out as one is tried again as one
                next_at = together.setdefault(row.digest, next_at)
            await asyncio.to_thread(self._rows.mark_failed, row, reason, next_at)
            event = "delivery.dead" if next_at is None else "delivery.retry"
            self._log.warning(
                event, key=row.key, connection=row.connection, attempts=row.attempts + 1, reason=reason.en
            )

    def _next_try(self, attempts: int, wait: float | None) -> datetime:
        """Back off with full jitter, but never before the target wants to hear from us."""
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**attempts)
        seconds = max(longest.total_seconds() * self._chance(), wait or 0.0, 1.0)
        return self._clock.now() + timedelta(milliseconds=round(seconds * 1000))  # finer than clocks are kept


def _batch(channel: Channel, waiting: Sequence[Claimed]) -> list[Claimed]:
    """Return the rows that go out together: what waits for a robot becomes one message, and so does a person's digest."""
    if channel.merges:
        return list(waiting)
    digest = waiting[0].digest
    return [row for row in waiting if row.digest == digest] if digest is not None else [waiting[0]]
