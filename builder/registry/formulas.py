"""Trying a formula on an entity of a draft, before it is anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.compiled.computing import draft_schema
from builder.definition.kinds import Definition
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import Language, say
from builder.registry.drafts import load_draft
from builder.registry.previewing import StoredDirectory, find_row, typed_row
from builder.registry.registry import Registry, find_published
from formulas.checker import Checked, check, checked_tree, fits
from formulas.errors import CellError, FormulaError, FormulaErrors
from formulas.evaluate import Row, program
from formulas.filter_texts import FORMULA
from formulas.filter_writer import write_filter
from formulas.filters import parse_filter
from formulas.literals import write_value
from formulas.locate import locate
from formulas.schema import Context, Schema
from formulas.trace import Step, trace
from formulas.types import BOOLEAN
from formulas.writer import write

JSON = Any


@dataclass(frozen=True)
class FormulaReport:
    """What there is to say of a formula."""

    checked: Checked | None
    errors: tuple[FormulaError, ...]
    preview: Preview | None = None
    forms: Forms | None = None

    def to_json(self, language: Language) -> dict[str, JSON]:
        """Write the report for the API."""
        return {
            "ok": self.checked is not None,
            "type": _type_json(self.checked, language),
            "volatile": self.checked.volatile if self.checked else None,
            "reads": [
                {"entity": d.entity, "field": d.field, "path": list(d.path)}
                for d in (self.checked.dependencies if self.checked else ())
            ],
            "errors": [
                {
                    "kind": error.kind,
                    "message": error.message.zh if language == "zh" else error.message.en,
                    "at": list(error.at) if error.at else None,
                    "pointer": error.pointer,
                }
                for error in self.errors
            ],
            "formula": self.forms.formula if self.forms else None,
            "shown": self.forms.shown if self.forms else None,
            "filter": self.forms.filter if self.forms else None,
            "preview": self.preview.to_json(language) if self.preview else None,
        }


@dataclass(frozen=True)
class Forms:
    """The ways to write a formula: as text, as people read it (labels instead of keys), and a condition as a JSON filter."""

    formula: str | None
    """None for a JSON filter that is longer or larger than a text may be."""
    shown: str
    filter: JSON
    """None for what is no condition. What only a formula can say stands in it as text."""


@dataclass(frozen=True)
class Preview:
    """What a formula gives on one record, and how it comes about."""

    value: Any
    at: tuple[int, int] | None
    """Where an error comes from."""
    steps: tuple[Step, ...]

    def to_json(self, language: Language) -> dict[str, JSON]:
        """Write the value and its steps, the result last."""
        return {
            **_value_json(self.value, self.at, language),
            "steps": [
                {
                    "formula": step.text,
                    "shown": step.shown,
                    "depth": step.depth,
                    "counts": step.taken,
                    **_value_json(step.value, None, language),
                }
                for step in self.steps
            ],
        }


def _value_json(value: Any, at: tuple[int, int] | None, language: Language) -> dict[str, JSON]:
    if not isinstance(value, CellError):
        return {"value": write_value(value), "error": None}
    words = value.message.zh if language == "zh" else value.message.en
    return {"value": None, "error": {"kind": value.kind, "message": words, "at": list(at) if at else None}}


def _type_json(checked: Checked | None, language: Language) -> JSON:
    if checked is None:
        return None
    kind = checked.type
    name = kind.name.zh if language == "zh" else kind.name.en
    return {"kind": kind.kind, "name": name, "scale": kind.scale, "entity": kind.entity}


@dataclass(frozen=True)
class Trial:
    """A formula (or a JSON filter) to try, and on what: the id of a published record, or values typed in; neither: it is only checked."""

    app: str
    entity: str
    formula: str | Mapping[str, JSON]
    record_id: str | None = None
    values: Mapping[str, JSON] | None = None


def check_formula(registry: Registry, trial: Trial, user: str | None) -> FormulaReport:
    """Check a formula for records of an entity of the draft, and evaluate it on one.

    Raises:
        Problem: ``app.not_found``, ``entity.not_found``, ``record.not_found``, ``record.invalid``.
    """
    with registry.database.snapshot() as connection:
        draft = load_draft(connection, trial.app)
        schema = _schema(draft, trial.entity)
        try:
            checked = _checked(trial, schema)
        except FormulaErrors as errors:
            return FormulaReport(None, errors.errors)
        forms = _forms(trial, checked, schema)
        zone, directory = ZoneInfo(draft.app.time_zone), StoredDirectory(connection)
        context = Context(now=registry.clock.now(), user=user, zone=zone, directory=directory)
        row = _row(registry, connection, draft, trial, context)
        if row is None:
            return FormulaReport(checked, (), forms=forms)
        return FormulaReport(checked, (), _preview(trial, checked, forms, schema, row, context), forms)


def _preview(trial: Trial, checked: Checked, forms: Forms, schema: Schema, row: Row, context: Context) -> Preview:
    value = program(checked.tree).run(row, context)
    text = trial.formula if isinstance(trial.formula, str) else forms.formula
    if text is None:  # larger than a text may be: the result alone is told
        return Preview(value, None, ())
    at = locate(text, schema, trial.entity, row, context) if isinstance(value, CellError) else None
    return Preview(value, at, trace(checked.tree, row, context, schema, trial.entity))


def _checked(trial: Trial, schema: Schema) -> Checked:
    if isinstance(trial.formula, str):
        return check(trial.formula, schema, trial.entity)
    return checked_tree(parse_filter(trial.formula, schema, trial.entity), schema, trial.entity)


def _forms(trial: Trial, checked: Checked, schema: Schema) -> Forms:
    given = trial.formula if isinstance(trial.formula, str) else None
    shown = write(checked.tree, schema, trial.entity, labels=True)
    text = _text(checked, schema, trial.entity) or given
    if not fits(checked.type, BOOLEAN):
        return Forms(text, shown, None)
    known = trial.formula if given is None else {FORMULA: given}
    return Forms(text, shown, write_filter(checked.tree, schema, trial.entity, given=known))


def _text(checked: Checked, schema: Schema, entity: str) -> str | None:
    """The canonical text; None if it is longer or larger than a text may be."""
    text = write(checked.tree, schema, entity)
    try:
        check(text, schema, entity)
    except FormulaErrors:
        return None
    return text


def _row(
    registry: Registry, connection: sa.Connection, draft: Definition, trial: Trial, context: Context
) -> Row | None:
    if trial.values is not None:
        return typed_row(draft, trial.entity, trial.values)
    if trial.record_id is None:
        return None
    published = find_published(registry, connection, trial.app)
    known = find_uuid(trial.record_id)
    found = find_row(connection, published.app, trial.entity, known, context) if published and known else None
    if found is None:
        raise Problem("record.not_found", say("没有这条记录", "There is no such record"))
    return found


def _schema(draft: Definition, entity: str) -> Schema:
    if draft.find_entity(entity) is None:
        hint = nearest_hint(entity, [item.key for item in draft.entities])
        raise Problem(
            "entity.not_found", say(f"没有实体“{entity}”{hint.zh}", f'There is no entity "{entity}"{hint.en}')
        )
    return draft_schema(draft)
