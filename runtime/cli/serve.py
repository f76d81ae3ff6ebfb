"""``dougong serve``: the server process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from functools import partial
from typing import Annotated, Any

import typer
import uvicorn

from builder.kernel.clock import SystemClock
from runtime.app import App, create_app
from runtime.cli.base import DONE, REFUSED, DatabaseUrl, held_alone, tell, told
from runtime.cli.connections import StreamingConnection
from runtime.observe.logs import library_config
from runtime.settings import PREFIX, Settings, load_settings

_GRACE_SECONDS = 5
_START_SECONDS = 60  # a process that does not answer for so long is replaced; on a busy machine starting takes its time


def serve(
    host: Annotated[str | None, typer.Option(help=told("监听地址", "Address to listen at"))] = None,
    port: Annotated[int | None, typer.Option(help=told("端口", "Port"))] = None,
    database_url: DatabaseUrl = None,
    workers: Annotated[
        int | None,
        typer.Option(help=told("进程数;大于 1 需要 PostgreSQL", "Processes; more than one needs PostgreSQL")),
    ] = None,
    demo: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help=told(
                "首次启动时安装此模板;不写名称即为 lead",
                "Install this template at the first start; lead if none is named",
            ),
        ),
    ] = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are finished first."""
    given = {"host": host, "port": port, "database_url": database_url, "workers": workers, "demo": demo}
    settings = load_settings(**given)
    _allow_connections()
    with held_alone(settings):
        _serve(settings, given)


def _serve(settings: Settings, given: dict[str, Any]) -> None:
    asyncio.run(_prepare(create_app(settings, announce=_announce)))
    signal.signal(signal.SIGTERM, _leave)  # uvicorn hands the signal back when everything is finished
    if settings.workers == 1:
        _run(create_app(settings), settings)
        return
    os.environ |= {PREFIX + name.upper(): str(value) for name, value in given.items() if value is not None}
    _run("runtime.app:app_from_environment", settings, factory=True, workers=settings.workers)


def _run(app: App | str, settings: Settings, **more: Any) -> None:
    try:
        uvicorn.run(app, **_options(settings), **more)
    except SystemExit as end:  # a port that is taken, a failed start: uvicorn has told why, its numbers are not ours
        raise typer.Exit(REFUSED if end.code else DONE) from None


def _allow_connections() -> None:
    """Take as many descriptors as the system grants: each connection is one, and the usual 1,024 are a habit from before servers like this."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit; a system may refuse
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _leave(*_: object) -> None:
    sys.exit(0)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "http": partial(StreamingConnection, head_seconds=settings.request_seconds),
        "access_log": False,  # the edge writes one line a request
        "server_header": False,
        "proxy_headers": True,
        "forwarded_allow_ips": settings.trusted_proxies,
        "ws": "none",
        "lifespan": "on",
        "timeout_worker_healthcheck": _START_SECONDS,
        "timeout_graceful_shutdown": int(settings.request_seconds) + _GRACE_SECONDS,
        "log_config": library_config(SystemClock(), form=settings.log_format, level=settings.log_level),
    }


async def _prepare(app: App) -> None:
    """Do what the first start needs before there is a server: what is wrong is told in a sentence, and with several processes it is done once."""
    async with app.running():
        pass


def _announce(link: str) -> None:
    tell(
        "\n首次启动:请在 24 小时内打开此链接,设置管理员:\n\n    {link}\n",
        "\nFirst start: open this link within 24 hours to become the admin:\n\n    {link}\n",
        link=link,
    )
    sys.stdout.flush()
