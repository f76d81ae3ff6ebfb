"""``dougong files …``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from builder.kernel.clock import SystemClock
from runtime.cli.base import DatabaseUrl, opened, tell, told
from runtime.files.cleaning import Cleared, clear_away
from runtime.services import Services

group = typer.Typer(no_args_is_help=True)


@group.callback()
def _files() -> None:
    """Files of records."""


@group.command(
    "clean",
    help=told(
        "清除没有记录使用的文件和未完成的上传",
        "Clear away files that no record holds and uploads that were never finished",
    ),
)
def clean(
    hours: Annotated[int, typer.Option(min=1, help=told("未被使用多少小时后清除", "Hours without use"))] = 24,
    database_url: DatabaseUrl = None,
) -> None:
    """Clear away and say what went. Safe beside a running service."""
    with opened(database_url) as services:
        cleared = asyncio.run(_clean(services, timedelta(hours=hours)))
        tell(
            "已清除 {files} 个文件、{contents} 份内容({size} 字节)、{parts} 个未完成的上传",
            "Cleared away {files} files, {contents} contents ({size} bytes), {parts} unfinished uploads",
            files=cleared.files,
            contents=cleared.contents,
            size=cleared.bytes,
            parts=cleared.parts,
        )


async def _clean(services: Services, grace: timedelta) -> Cleared:
    database, files = services.database, services.files
    await database.start()
    try:
        return await clear_away(
            database,
            files.store,
            files.folder,
            now=services.clock.now(),
            machine_now=SystemClock().now(),
            grace=grace,
        )
    finally:
        await files.store.close()
        await database.stop()
