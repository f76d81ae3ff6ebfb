"""``dougong token …``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.cli.base import DatabaseUrl, opened, tell, told
from runtime.identity.scopes import READ, SCOPES

group = typer.Typer(no_args_is_help=True)


@group.command(
    "add", help=told("为用户新建令牌;密文只显示这一次", "Make a token for a user; its secret is shown this once")
)
def add(
    username: str,
    name: Annotated[str, typer.Option(help=told("用途", "What it is for"))] = "cli",
    scope: Annotated[list[str] | None, typer.Option(help=f"{', '.join(SCOPES)}, app:<key>")] = None,
    days: Annotated[int | None, typer.Option(min=1, help=told("有效天数", "Days until it expires"))] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a token and print its secret on a line of its own."""
    with opened(database_url) as services:
        user = services.identity.users.find_by_username(username)
        if user is None:
            raise Problem("identity.not_found", say(f"没有用户 {username}", f"There is no user {username}"))
        expires_at = None if days is None else services.clock.now() + timedelta(days=days)
        secret, token = services.identity.tokens.create_token(user, name, scope or [READ], expires_at)
        tell(
            "令牌({scopes}),只显示这一次:",
            "Token ({scopes}), shown this once:",
            scopes=", ".join(token.scopes),
            error=True,
        )
        typer.echo(secret)


@group.command("revoke", help=told("撤销令牌", "Revoke a token"))
def revoke(token_id: str, database_url: DatabaseUrl = None) -> None:
    """End a token."""
    with opened(database_url) as services:
        services.identity.tokens.revoke_token(token_id, owner=None)
        tell("已撤销", "Revoked")


@group.command("list", help=told("列出用户的令牌", "List a user's tokens"))
def list_all(username: str, database_url: DatabaseUrl = None) -> None:
    """Print one line per token: id, scopes, name; tab separated."""
    with opened(database_url) as services:
        user = services.identity.users.find_by_username(username)
        if user is None:
            raise Problem("identity.not_found", say(f"没有用户 {username}", f"There is no user {username}"))
        for token in services.identity.tokens.list_tokens(user.id):
            typer.echo("\t".join((token.id, ",".join(token.scopes), token.name)))
