"""``dougong move``: from the SQLite file of the beginning to PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from builder.registry.doctor import examine
from builder.registry.moving import move_database
from runtime import invariants
from runtime.app import make_services
from runtime.cli.base import REFUSED, DatabaseUrl, held_alone, opened, shell_language, tell, told
from runtime.settings import Settings, load_settings

Target = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="URL",
        help=told(
            "空的 PostgreSQL 数据库:postgresql://用户@主机:端口/库名",
            "An empty database of PostgreSQL: postgresql://user@host:port/name",
        ),
    ),
]


def move(to: Target, database_url: DatabaseUrl = None) -> None:
    """Move everything into PostgreSQL and look it over there; exit code 1 if the doctor finds anything. The file stays as it is.

    The server is stopped before: what it would write after the copy would be lost.
    """
    wanted = load_settings(database_url=to)
    with opened(database_url) as services, held_alone(services.settings):
        target = make_services(wanted).database
        try:
            moved = move_database(services.database, target)
        finally:
            target.close()
    tell(
        "已搬到 PostgreSQL:{tables} 张表,{rows} 行。",
        "Moved to PostgreSQL: {tables} tables, {rows} rows.",
        tables=moved.table_count,
        rows=moved.row_count,
    )
    if _look_over(wanted):
        raise typer.Exit(REFUSED)
    tell(
        "检查无误。请把 DOUGONG_DATABASE_URL 设为新地址再启动;密钥与上传的文件留在原处照旧使用。"
        "不要再启动原来的数据库文件:其中的待办会再做一遍。",
        "All is as it should be. Start with DOUGONG_DATABASE_URL set to the new address; keys and uploaded files stay where they"
        " are. Do not start the old file again: what waits in it would be done a second time.",
    )


def _look_over(settings: Settings) -> int:
    """Print what is wrong in the new database; return how much."""
    services = make_services(settings)
    try:
        found = [finding.message for finding in examine(services.registry)]
        found += invariants.audit_process(services)
    finally:
        services.database.close()
    for sentence in found:
        typer.echo(f"    {sentence.pick(shell_language())}")
    return len(found)
