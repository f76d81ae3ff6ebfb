"""Templates: the app packages that come with the product (``templates_lib``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from builder.fields.base import label_text
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import Text, say
from builder.packages.folder import read_folder
from builder.packages.package import Package
from builder.packages.sample import count_rows

_HOME = "templates_lib"


class TemplateInfo(NamedTuple):
    """What a person sees when choosing a template."""

    key: str
    label: Text
    help: Text
    entity_count: int
    sample_count: int
    """How many sample records it brings, people not counted."""


@cache  # the files come with the program and do not change while it runs
def list_templates() -> tuple[TemplateInfo, ...]:
    """Describe every template, in the order of keys."""
    return tuple(_describe(read_folder(folder)) for folder in _folders())


def _describe(package: Package) -> TemplateInfo:
    app = package.definition.app
    count = len(package.definition.entities)
    return TemplateInfo(app.key, label_text(app.label), label_text(app.help), count, count_rows(package.sample))


def get_template(key: str) -> Package:
    """Return a template by the key of its app.

    Raises:
        Problem: ``template.not_found``.
    """
    folders = {folder.name: folder for folder in _folders()}
    if key not in folders:
        hint = nearest_hint(key, folders)
        raise Problem("template.not_found", say(f"没有模板“{key}”{hint.zh}", f'There is no template "{key}"{hint.en}'))
    return read_folder(folders[key])


def _folders() -> Iterator[Traversable]:
    for entry in sorted(files(_HOME).iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.joinpath("app.json").is_file():
            yield entry
