"""The ticker ends between two ticks, not in the middle of one."""

from __future__ import annotations

import asyncio
import io
import logging
from datetime import datetime

import pytest

from builder.kernel.clock import SystemClock
from runtime.observe.logs import make_log
from runtime.ticking.ticker import Ticker

pytestmark = pytest.mark.anyio


class Slow:
    """A work that takes as long as it is let, and always has more to do."""

    name = "slow"

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended = 0

    async def run_due(self, now: datetime) -> int:
        self.begun.set()
        await self.go_on.wait()
        self.ended += 1
        return 1


async def test_what_is_under_way_ends_and_nothing_begins_anew(
    anyio_backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    work, clock = Slow(), SystemClock()
    ticker = Ticker((work,), clock, make_log(clock, form="json", level="error", stream=io.BytesIO()))
    with caplog.at_level(logging.WARNING, "apscheduler"):
        ticker.start()
        await asyncio.wait_for(work.begun.wait(), 30)
        stopping = asyncio.create_task(ticker.stop())
        await asyncio.wait({stopping}, timeout=0.05)
        assert not stopping.done()
        work.go_on.set()
        await asyncio.wait_for(stopping, 30)
    assert work.ended == 1
    assert caplog.records == []
