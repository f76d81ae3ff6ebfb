"""``dougong doctor``: is everything as it should be?

A check looks at the services and yields one sentence per thing that is wrong; a new one is a function and a line in ``CHECKS``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import sqlalchemy as sa
import typer

from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from builder.registry.doctor import examine
from builder.store.migrate import migration_state
from builder.store.tables import user
from runtime import invariants
from runtime.cli.base import REFUSED, DatabaseUrl, opened, shell_language, tell
from runtime.services import Services
from runtime.settings import FILE_VARIABLE, PREFIX, Settings

Check = Callable[[Services], Iterator[Text]]

_OTHER_VARIABLES = (FILE_VARIABLE, "DOUGONG_CRASH_AT")
_TEST_VARIABLES = "DOUGONG_TEST_"


def check_settings(services: Services) -> Iterator[Text]:
    """Environment variables that look like settings and are none; an address people reach that is not protected."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if (
            not name.startswith(PREFIX)
            or name.startswith(_TEST_VARIABLES)
            or name.upper() in (*known, *_OTHER_VARIABLES)
        ):
            continue
        hint = nearest_hint(name, known)
        yield Text(f"没有设置项 {name}{hint.zh}", f"There is no setting {name}{hint.en}")
    if services.settings.host not in ("127.0.0.1", "::1", "localhost") and not services.settings.public_url:
        yield say(
            "服务对外监听,但未设 DOUGONG_PUBLIC_URL:链接与安全 Cookie 依赖它",
            "The service listens to other machines without DOUGONG_PUBLIC_URL, on which links and secure cookies rest",
        )


def check_migrations(services: Services) -> Iterator[Text]:
    """The database answers, and its platform tables have today's form."""
    found, wanted = migration_state(services.database)
    if found != wanted:
        yield say(
            f"数据库结构是 {found or '空'},应为 {wanted};请运行 dougong migrate",
            f"The database's form is {found or 'empty'} and should be {wanted}; run dougong migrate",
        )


def check_admin(services: Services) -> Iterator[Text]:
    """Somebody can manage the others."""
    select = sa.select(user.c.id).where(user.c.role == "admin", user.c.active, user.c.password_hash.is_not(None))
    try:
        with services.database.snapshot() as connection:
            found = connection.execute(select.limit(1)).first()
    except sa.exc.DBAPIError:
        return  # there are no tables; that is the other check's sentence
    if found is None:
        yield say("没有可以登录的管理员", "There is no admin who can log in")


def check_apps(services: Services) -> Iterator[Text]:
    """Every app's tables are what its published definition says, and its versions are whole."""
    found, wanted = migration_state(services.database)
    if found == wanted:
        yield from (finding.message for finding in examine(services.registry))


def check_process(services: Services) -> Iterator[Text]:
    """Deliveries, jobs, runs, approvals and timers are such as can be."""
    found, wanted = migration_state(services.database)
    if found == wanted:
        yield from invariants.audit_process(services)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", check_settings),
    ("migrations", check_migrations),
    ("admin", check_admin),
    ("apps", check_apps),
    ("process", check_process),
)


def doctor(database_url: DatabaseUrl = None) -> None:
    """Run all checks; exit code 1 if anything was found."""
    language = shell_language()
    count = 0
    with opened(database_url, in_todays_form=False) as services:
        tell("数据库:{url}", "Database: {url}", url=services.settings.shown_database_url)
        for name, check in CHECKS:
            sentences = list(check(services))
            count += len(sentences)
            typer.echo(f"{'ok' if not sentences else '!!':<4}{name}")
            for sentence in sentences:
                typer.echo(f"    {sentence.pick(language)}")
    if count:
        raise typer.Exit(REFUSED)
