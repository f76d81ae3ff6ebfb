"""``dougong user …``."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.base import DatabaseUrl, opened, tell, told
from runtime.identity.setup import SETUP_PATH
from runtime.identity.users import User

group = typer.Typer(no_args_is_help=True)


@group.command("add", help=told("新建用户并给出一次性链接", "Make a user and print a one-time link"))
def add(
    username: str,
    role: Annotated[str, typer.Option(help="member, builder, admin")] = "member",
    name: Annotated[str | None, typer.Option(help=told("姓名", "Name"))] = None,
    email: Annotated[str | None, typer.Option(help=told("邮箱", "E-mail address"))] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help=told("从标准输入读取密码", "Read the password from standard input"))
    ] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a user."""
    password = typer.get_text_stream("stdin").readline().rstrip("\r\n") if password_stdin else None
    with opened(database_url) as services:
        values = {"username": username, "role": role, "name": name, "email": email}
        user = services.identity.users.create_user(values, password=password)
        tell("已新建用户 {name}({role})", "Made the user {name} ({role})", name=user.username, role=user.role)
        if password is None:
            secret, _ = services.identity.setup.issue_link(user)
            link = services.settings.address + SETUP_PATH + secret
            tell(
                "24 小时内有效的设置密码链接:\n{link}",
                "Link to choose a password, valid for 24 hours:\n{link}",
                link=link,
            )


@group.command("list", help=told("列出用户", "List the users"))
def list_all(database_url: DatabaseUrl = None) -> None:
    """Print one line per user: name, role, state, full name; tab separated."""
    with opened(database_url) as services:
        users = page = services.identity.users.list_users(limit=500)
        while page:
            page = services.identity.users.list_users(after=page[-1].username, limit=500)
            users = users + page
    for user in users:
        typer.echo("\t".join((user.username, user.role, _state(user), user.name)))


def _state(user: User) -> str:
    if not user.active:
        return told("停用", "off")
    return told("启用", "active") if user.has_password else told("未设密码", "no password")
