"""The command ``dougong``: one file per group of commands; here they are put together.

Exit codes: 0 done, 1 refused or with findings, 2 wrong usage or settings, 3 the database cannot be reached.
A new group is one file with a ``typer.Typer`` (or plain commands) and one line in ``_make``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import sqlalchemy as sa
import typer

from builder.kernel.problems import Problem
from builder.store.database import DatabaseBusy
from runtime.cli import apps, clients, database, doctor, files, moving, scenarios, serve, tokens, users, worker
from runtime.cli.base import REFUSED, UNREACHABLE, USAGE, show_problem, tell, told

DEMO_TEMPLATE = "lead"
"""What ``--demo`` alone installs."""


def _make() -> typer.Typer:
    cli = typer.Typer(
        name="dougong",
        help=told(
            "斗拱:用 JSON 描述业务应用,发布即用。",
            "Dougong: describe a business app in JSON, publish it, and it is served.",
        ),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    cli.command("serve", help=told("提供服务", "Serve"))(serve.serve)
    cli.command("worker", help=told("处理后台工作(PostgreSQL)", "Work in the background (PostgreSQL)"))(worker.worker)
    cli.command("migrate", help=told("把数据库升级到当前结构", "Bring the database to today's form"))(database.migrate)
    cli.command("move", help=told("从 SQLite 搬到 PostgreSQL", "Move from SQLite to PostgreSQL"))(moving.move)
    cli.command("reseal", help=told("换密钥后重新封存", "Seal anew after a change of keys"))(database.reseal)
    cli.command("doctor", help=told("检查设置与数据库", "Check settings and database"))(doctor.doctor)
    cli.command("install", help=told("安装模板或应用包", "Install a template or an app package"))(apps.install)
    cli.command("plan", help=told("查看发布草稿会做什么", "Show what publishing a draft would do"))(apps.plan)
    cli.command("publish", help=told("发布草稿", "Publish a draft"))(apps.publish)
    cli.command("export", help=told("导出应用包", "Write an app as a package"))(apps.export)
    cli.command("import", help=told("把应用包读入草稿", "Read a package into a draft"))(apps.import_)
    cli.command("client", help=told("生成应用的带类型客户端", "Write a typed client of an app"))(clients.client)
    cli.command("test", help=told("演练应用的场景", "Play an app's scenarios"))(scenarios.play)
    cli.add_typer(users.group, name="user", help=told("用户", "Users"))
    cli.add_typer(files.group, name="files", help=told("文件", "Files"))
    cli.add_typer(tokens.group, name="token", help=told("API 令牌", "API tokens"))
    return cli


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code; what goes wrong is told in a sentence, never a traceback."""
    words = _with_demo_key(sys.argv[1:] if arguments is None else arguments)
    try:
        _make()(words)
    except Problem as problem:
        show_problem(problem)
        sys.exit(USAGE if problem.code == "settings.invalid" else REFUSED)
    except (sa.exc.OperationalError, sa.exc.InterfaceError, DatabaseBusy, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        tell("无法连接数据库:{reason}", "The database cannot be reached: {reason}", reason=reason, error=True)
        sys.exit(UNREACHABLE)


def _with_demo_key(arguments: Sequence[str]) -> list[str]:
    """Let ``--demo`` stand without a value."""
    words = list(arguments)
    for index, word in enumerate(words):
        if word == "--demo" and (index + 1 == len(words) or words[index + 1].startswith("-")):
            words[index] = f"--demo={DEMO_TEMPLATE}"
    return words


__all__ = ["DEMO_TEMPLATE", "main"]
