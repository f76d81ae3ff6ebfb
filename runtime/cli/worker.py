"""``dougong worker``: deliveries, timers and jobs beside the servers (PostgreSQL)."""

from __future__ import annotations

import asyncio
import signal

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.store.statement import SQLITE
from runtime.cli.base import DatabaseUrl, opened, tell
from runtime.services import Services


def worker(database_url: DatabaseUrl = None) -> None:
    """Work until SIGTERM or Ctrl-C; what is under way is finished or left to another worker. Start as many as you like."""
    with opened(database_url) as services:
        if services.database.dialect == SQLITE:
            detail = say(
                "SQLite 数据库只由服务进程处理后台工作;要另开 worker,请改用 PostgreSQL",
                "An SQLite file has one process: the server does this work itself. Use PostgreSQL for workers of their own",
            )
            raise Problem("service.unavailable", detail)
        asyncio.run(_work(services))


async def _work(services: Services) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await services.database.start()
    services.ticker.start()
    tell("开始处理后台工作", "Working")
    try:
        await stop.wait()
    finally:
        await services.ticker.stop()
        await services.database.stop()
