"""Texts for people: taken apart once per published version, and what people read in place of the values of their formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.templating import split
from builder.fields.parts.choices import ChoiceField
from builder.kernel.canonical import dump_json
from builder.kernel.clock import in_zone
from builder.kernel.ids import find_uuid
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Unit
from formulas.checker import check
from formulas.errors import CellError
from formulas.tree import Path, Tree
from formulas.values import display
from runtime.expressions.prepared import Prepared, end_of, prepare_tree
from runtime.identity.actors import SYSTEM
from runtime.records.writer import Writing

Named = Literal["person", "department"]
_TABLES: Mapping[Named, sa.Table] = {"person": tables.user, "department": tables.department}


class Shown(NamedTuple):
    """A formula whose value people read."""

    made: Prepared
    choices: ChoiceField | None
    """The field whose options its value names."""
    names: Named | None
    """Whose name stands for an id."""


class Wording(NamedTuple):
    """A text with its formulas, in both languages: pieces of text, and places of formulas."""

    formulas: tuple[Shown, ...]
    zh: tuple[str | int, ...]
    en: tuple[str | int, ...]

    def fill(self, shown: Sequence[Text]) -> Text:
        """Return the text with what people read for each formula."""
        zh = [part if isinstance(part, str) else shown[part].zh for part in self.zh]
        en = [part if isinstance(part, str) else shown[part].en for part in self.en]
        return say("".join(zh), "".join(en))


def prepare_wording(app: CompiledApp, entity: CompiledEntity, text: Text) -> Wording:
    """Take a text apart."""
    places: dict[str, int] = {}
    sides = [[part if is_text else places.setdefault(part, len(places)) for part, is_text in split(s)] for s in text]
    formulas = tuple(prepare_shown(app, entity, formula) for formula in places)
    return Wording(formulas, tuple(sides[0]), tuple(sides[1]))


def prepare_shown(app: CompiledApp, entity: CompiledEntity, formula: str) -> Shown:
    """Make a formula ready; a reference is read as the title of the record it points to."""
    made = prepare_tree(app, entity, _titled(app, check(formula, app, entity.key).tree))
    field = end_of(app, entity, made.source.steps) if isinstance(made.source, Path) else None
    kinds = {made.type.kind, made.type.element.kind if made.type.element is not None else ""}
    names = next((named for named in _TABLES if named in kinds), None)
    return Shown(made, field if isinstance(field, ChoiceField) else None, names)


def _titled(app: CompiledApp, tree: Tree) -> Tree:
    target = app.entities.get(tree.type.entity or "") if isinstance(tree, Path) else None
    if target is None or not isinstance(tree, Path) or target.title_key is None or tree.steps[-1] == "id":
        return tree
    info = app.find_field(target.key, target.title_key)
    return tree if info is None else Path((*tree.steps, target.title_key), info.type)


def find_names(w: Writing, formulas: Sequence[Shown], values: Sequence[Any]) -> Unit[Mapping[str, str]]:
    """Return the names of the people and departments among values."""
    found: dict[str, str] = {}
    for named, table in _TABLES.items():
        ids = {
            item
            for shown, value in zip(formulas, values, strict=True)
            if shown.names == named
            for item in (value if isinstance(value, tuple) else (value,))
            if isinstance(item, str) and find_uuid(item) is not None  # what the installation did by itself is nobody's
        }
        if ids:
            statement = w.statements.kept(("names", named), partial(_select_names, w, table))
            rows = yield Query(statement, {"ids": dump_json(sorted(ids)).decode()})
            found |= {str(row[0]): row[1] for row in rows}
    return found


def _select_names(w: Writing, table: sa.Table, _: str) -> sa.Select[Any]:
    return sa.select(table.c.id, table.c.name).where(table.c.id.in_(w.statements.listed()))


def write_shown(app: CompiledApp, shown: Shown, value: Any, names: Mapping[str, str]) -> Text:
    """Write a value for people."""
    if value is None or isinstance(value, CellError):
        return say("", "")
    if shown.choices is not None:
        listed = value if isinstance(value, tuple) else (value,)
        labels = [shown.choices.option_label(key) for key in listed]
        return say("、".join(label.zh for label in labels), ", ".join(label.en for label in labels))
    if isinstance(value, bool):
        return say("是", "yes") if value else say("否", "no")
    kind = shown.made.type.kind
    if kind == "datetime":
        local = in_zone(value, app.zone).strftime("%Y-%m-%d %H:%M")
        return say(local, local)
    if isinstance(value, tuple):
        parts = [names.get(item, item) if isinstance(item, str) else display(item) for item in value]
        return say("、".join(parts), ", ".join(parts))
    if kind == "person" and value == SYSTEM.username:
        return say("系统", "the system")
    text = names.get(value, value) if isinstance(value, str) else display(value)
    return say(text, text)
