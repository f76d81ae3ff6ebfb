"""Trying a formula on an entity of a draft, before it is anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.compiled.computing import draft_schema
from builder.definition.kinds import Definition
from builder.kernel.problems import Problem, nearest_hint
from builder.kernel.text import Language, say
from builder.registry.drafts import load_draft
from builder.registry.registry import Registry
from formulas.checker import Checked, check
from formulas.errors import FormulaError, FormulaErrors
from formulas.schema import Schema

JSON = Any


@dataclass(frozen=True)
class FormulaReport:
    """What there is to say of a formula."""

    checked: Checked | None
    errors: tuple[FormulaError, ...]

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
                }
                for error in self.errors
            ],
        }


def _type_json(checked: Checked | None, language: Language) -> JSON:
    if checked is None:
        return None
    kind = checked.type
    name = kind.name.zh if language == "zh" else kind.name.en
    return {"kind": kind.kind, "name": name, "scale": kind.scale, "entity": kind.entity}


def check_formula(registry: Registry, app: str, entity: str, formula: str) -> FormulaReport:
    """Check a formula for records of an entity of the draft.

    Raises:
        Problem: ``app.not_found``, ``entity.not_found``.
    """
    with registry.database.snapshot() as connection:
        schema = _schema(load_draft(connection, app), entity)
    try:
        return FormulaReport(check(formula, schema, entity), ())
    except FormulaErrors as errors:
        return FormulaReport(None, errors.errors)


def _schema(draft: Definition, entity: str) -> Schema:
    if draft.find_entity(entity) is None:
        hint = nearest_hint(entity, [item.key for item in draft.entities])
        raise Problem(
            "entity.not_found", say(f"没有实体“{entity}”{hint.zh}", f'There is no entity "{entity}"{hint.en}')
        )
    return draft_schema(draft)
