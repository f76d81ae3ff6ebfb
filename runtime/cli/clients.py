"""``dougong client``: a typed client of a published app."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from builder.kernel.canonical import dump_json
from builder.registry.registry import load_published, no_app
from runtime.api.openapi import app_openapi
from runtime.cli.base import DatabaseUrl, opened, shell_language, tell, told
from runtime.clients.python import write_python
from runtime.clients.typescript import write_typescript


class ClientLanguage(StrEnum):
    """What a client is written in."""

    ts = "ts"
    python = "python"


def client(
    app: Annotated[str, typer.Argument(help=told("应用的键", "Key of the app"))],
    lang: Annotated[ClientLanguage, typer.Option(help=told("语言", "Language"))] = ClientLanguage.ts,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=told("写入的文件;不填则输出", "File; standard output if left out")),
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write a typed client of an app as it is published now."""
    with opened(database_url) as services:
        published = load_published(services.registry, app)
    if published is None:
        raise no_app(app)
    document = json.loads(dump_json(app_openapi(published.app, shell_language())))
    text = write_typescript(document) if lang is ClientLanguage.ts else write_python(document)
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    tell("已写入 {output}", "Wrote {output}", output=output)
