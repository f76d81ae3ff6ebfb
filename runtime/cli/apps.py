"""``dougong install | plan | publish | export | import``: apps from the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from unicodedata import east_asian_width

import typer

from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.packages import (
    Package,
    get_template,
    list_templates,
    read_folder,
    read_package,
    write_folder,
    write_json,
    write_zip,
)
from builder.packages.sample import count_rows
from builder.publish.plan import Plan
from builder.registry.apps import export_app, import_draft
from builder.registry.publishing import check_draft, plan_draft, publish_draft
from runtime.cli.base import REFUSED, DatabaseUrl, opened, shell_language, tell, told
from runtime.install import install_package
from runtime.records.loading import Progress as Count
from runtime.services import Services

AUTHOR = "cli"
_COLUMN = 10
_WEIGHTS = {
    "error": say("错误", "error"),
    "warning": say("提示", "warning"),
    "safe": say("安全", "safe"),
    "backfill": say("重算", "backfill"),
    "lossy": say("丢数据", "lossy"),
    "blocked": say("不能发布", "blocked"),
}
"""How findings and steps of a plan are called."""

AppKey = Annotated[str, typer.Argument(metavar="APP", help=told("应用的键", "The app's key"))]
AcceptLossy = Annotated[
    bool,
    typer.Option("--accept-lossy", help=told("同意隐藏或留空数据的步骤", "Agree to steps that hide or blank data")),
]


def install(
    source: Annotated[
        str,
        typer.Argument(
            metavar="TEMPLATE|FOLDER|FILE", help=told("模板的键,或应用包", "A template's key, or an app package")
        ),
    ],
    sample: Annotated[bool, typer.Option(help=told("同时载入样例数据", "Load its sample records too"))] = True,
    database_url: DatabaseUrl = None,
) -> None:
    """Create an app from a package and publish it, with its sample records; a second run changes nothing."""
    package = find_package(source)
    with opened(database_url) as services, _progress(count_rows(package.sample) if sample else 0) as count:
        loaded = asyncio.run(_install(services, package, count, sample=sample))
    tell("已安装 {app},载入 {count} 条记录", "Installed {app} with {count} records", app=package.key, count=loaded)


async def _install(services: Services, package: Package, count: Count, *, sample: bool) -> int:
    await services.database.start()
    try:
        return await install_package(services, package, sample=sample, progress=count)
    finally:
        await services.database.stop()


def plan(app: AppKey, database_url: DatabaseUrl = None) -> None:
    """Show what publishing the draft would do; exit code 1 if it is blocked or has errors."""
    with opened(database_url) as services:
        _show_warnings(services, app)
        made = plan_draft(services.registry, app)
    _show_plan(made)
    if made.risk == "blocked":
        raise typer.Exit(REFUSED)


def publish(
    app: AppKey,
    accept_lossy: AcceptLossy = False,
    note: Annotated[str | None, typer.Option(help=told("版本说明", "A note for the version"))] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Publish the draft as the next version, all or nothing."""
    with opened(database_url) as services:
        made = publish_draft(
            services.registry,
            app,
            base_version=None,
            plan_hash=None,
            accept_lossy=accept_lossy,
            note=note,
            author=AUTHOR,
        )
    _show_plan(made.plan)
    tell("已发布版本 {version}", "Published version {version}", version=made.published.app.version)


def export(
    app: AppKey,
    target: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|FILE.zip|FILE.json|-", help=told("写到哪里;- 为标准输出", "Where to; - is standard output")
        ),
    ] = "-",
    version: Annotated[
        int | None, typer.Option(help=told("版本;不填则为草稿", "A version; the draft if left out"))
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write an app as a package."""
    with opened(database_url) as services:
        package = Package(export_app(services.registry, app, version))
    if target == "-":
        sys.stdout.buffer.write(write_json(package))
    elif target.endswith(".zip"):
        Path(target).write_bytes(write_zip(package))
    elif target.endswith(".json"):
        Path(target).write_bytes(write_json(package))
    else:
        write_folder(package, Path(target))
    if target != "-":
        tell("已导出到 {target}", "Exported to {target}", target=target)


def import_(
    source: Annotated[str, typer.Argument(metavar="FOLDER|FILE|-", help=told("应用包", "An app package"))],
    then_publish: Annotated[bool, typer.Option("--publish", help=told("随后发布", "Publish it then"))] = False,
    accept_lossy: AcceptLossy = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Read a package into the draft of its app, which is made if it is not there."""
    package = _read(source)
    with opened(database_url) as services:
        line, _ = import_draft(services.registry, package.definition, AUTHOR)
    tell(
        "{app} 的草稿现为修订 {revision}",
        "The draft of {app} is at revision {revision}",
        app=line.key,
        revision=line.draft_revision,
    )
    if then_publish:
        publish(line.key, accept_lossy=accept_lossy, note="import", database_url=database_url)


# -- details --------------------------------------------------------------------------------------------------------------


def find_package(source: str) -> Package:
    """Return the package a command was given: a folder, a file, a template's key or standard input.

    A package that stands where the command is called comes before a template of that name: it is what somebody has exported and changed.
    """
    if source == "-" or (Path(source) / "app.json").is_file():
        return _read(source)
    if source in {info.key for info in list_templates()} or not Path(source).exists():
        return get_template(source)  # says which template is near if there is none
    return _read(source)


def _read(source: str) -> Package:
    if source == "-":
        return read_package(sys.stdin.buffer.read())
    path = Path(source)
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise Problem("package.invalid", say(f"没有文件 {source}", f"There is no file {source}"))
    return read_package(path.read_bytes())


@contextmanager
def _progress(total: int) -> Iterator[Count]:
    """Show a bar on standard error while records come in; nothing when there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not total) as bar:
        task = bar.add_task(told("载入记录", "Loading records"), total=total)
        yield lambda count: bar.update(task, completed=count)


def _show_warnings(services: Services, app: str) -> None:
    for finding in check_draft(services.registry, app):
        place = f"{finding.document.kind}/{finding.document.key}{finding.pointer}"
        typer.echo(f"{_padded(_WEIGHTS[finding.severity])}{place}: {finding.message.pick(shell_language())}", err=True)


def _padded(text: Text) -> str:
    """Write a word so that what follows stands in one column; a Chinese character takes two places."""
    word = text.pick(shell_language())
    return word + " " * (_COLUMN - sum(2 if east_asian_width(each) in "WF" else 1 for each in word))


def _show_plan(made: Plan) -> None:
    steps = made.to_json(shell_language())["steps"]
    if not steps:
        tell("没有改动", "Nothing changes")
    for step in steps:
        typer.echo(f"{_padded(_WEIGHTS[step['risk']])}{step['summary']}")
        if step["note"]:
            typer.echo(f"{'':<{_COLUMN}}{step['note']}")
