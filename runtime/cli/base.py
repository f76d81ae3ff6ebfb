"""What all commands share: the language, printing, settings and services."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from builder.store.migrate import migration_state
from builder.store.sole import sole_process
from runtime.app import make_services
from runtime.services import Services
from runtime.settings import Settings, load_settings

DONE = 0
REFUSED = 1
USAGE = 2
UNREACHABLE = 3


def shell_language() -> Language:
    """Return the language of this terminal: DOUGONG_LANGUAGE, or the locale; Chinese when neither says."""
    for name in ("DOUGONG_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "").lower()
        if value.split(".")[0] not in ("", "c", "posix"):
            return "zh" if value.startswith("zh") else "en"
    return "zh"


def told(zh: str, en: str) -> str:
    """Return a sentence in the terminal's language."""
    return say(zh, en).pick(shell_language())


def tell(zh: str, en: str, *, error: bool = False, **values: object) -> None:
    """Print a sentence in the terminal's language; ``error`` to standard error."""
    typer.echo(told(zh, en).format(**values), err=error)


def show_problem(problem: Problem) -> None:
    """Print a problem with everything that is wrong."""
    language = shell_language()
    typer.echo(problem.detail.pick(language), err=True)
    for violation in problem.violations:
        place = f"{violation.pointer}: " if violation.pointer else ""
        typer.echo(f"  - {place}{violation.message.pick(language)}", err=True)


def _refuse_other_forms(services: Services) -> None:
    found, wanted = migration_state(services.database)
    if found != wanted:
        text = say("请先运行 dougong migrate 升级数据库", "Run dougong migrate first: the database has another form")
        raise Problem("service.unavailable", text)


DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        help=told("数据库地址,优先于 DOUGONG_DATABASE_URL", "Address of the database; wins over DOUGONG_DATABASE_URL"),
    ),
]


@contextmanager
def opened(database_url: str | None, *, in_todays_form: bool = True) -> Iterator[Services]:
    """Make the services for one command and close the database after it.

    Raises:
        Problem: ``service.unavailable`` if the database has to be migrated first and ``in_todays_form`` is asked for.
    """
    services = make_services(load_settings(database_url=database_url))
    try:
        if in_todays_form:
            _refuse_other_forms(services)
        yield services
    finally:
        services.database.close()


@contextmanager
def held_alone(settings: Settings) -> Iterator[None]:
    """Be the one process that serves an SQLite file; on PostgreSQL there may be any number.

    Raises:
        Problem: ``service.unavailable`` if another one does.
    """
    if not settings.on_sqlite:
        yield
        return
    with sole_process(settings.database_url.removeprefix("sqlite:///")) as alone:
        if not alone:
            detail = say(
                "另一个进程正在使用这个 SQLite 文件;请先停止它。要用多个进程,请改用 PostgreSQL(dougong move)",
                "Another process serves this SQLite file; stop it first. For several processes use PostgreSQL (dougong move)",
            )
            raise Problem("service.unavailable", detail)
        yield
