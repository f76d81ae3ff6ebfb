"""``dougong test``: play the scenarios of an app package."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from builder.checks.run import run_checks
from builder.kernel.canonical import dump_json
from builder.registry.publishing import refuse_errors
from runtime.app import scratch_rehearsals
from runtime.cli.apps import find_package
from runtime.cli.base import REFUSED, shell_language, tell, told
from runtime.scenarios.rehearsing import find_scenarios


def play(
    source: Annotated[
        str,
        typer.Argument(
            metavar="TEMPLATE|FOLDER|FILE", help=told("模板的键,或应用包", "A template's key, or an app package")
        ),
    ],
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", help=told("只演这个场景;可多次给出", "Only this scenario; may be given again")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=told("输出 JSON", "Write JSON"))] = False,
) -> None:
    """Play an app's scenarios on scratch databases; exit code 1 if a sentence is not so. Nothing is sent, nothing is kept."""
    definition = find_package(source).definition
    refuse_errors(run_checks(definition))
    if not find_scenarios(definition, scenario or ()):
        tell("应用“{app}”没有场景", "The app {app} has no scenarios", app=definition.key, error=True)
        return
    report = scratch_rehearsals().run(definition, scenario or ())
    if as_json:
        sys.stdout.buffer.write(dump_json(report.to_json(shell_language())) + b"\n")
    else:
        for line in report.sentences(shell_language()):
            typer.echo(line)
    if not report.passed:
        raise typer.Exit(REFUSED)
