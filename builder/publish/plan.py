"""The plan: steps with their risk, their effect on the records there are, and their SQL on both databases."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from builder.checks.finding import Finding
from builder.kernel.canonical import content_hash
from builder.kernel.text import Language
from builder.publish.diff import Change, diff
from builder.publish.kept import list_kept
from builder.publish.lineage import Lineage
from builder.publish.reindexing import search_steps
from builder.publish.step import Impact, Risk, Step, operations_on
from builder.store.statement import DIALECTS

JSON = Any
_ORDER: tuple[Risk, ...] = ("safe", "backfill", "lossy", "blocked")


@dataclass(frozen=True)
class Plan:
    """What a publish would do. ``hash`` names exactly this plan, but not the counts, which move with the records."""

    app: str
    base_version: int
    steps: tuple[Step, ...]
    impacts: tuple[Impact, ...]
    ddl: tuple[dict[str, list[str]], ...]
    hash: str
    lineage: Lineage
    """The ids of the version to be."""
    open: bool = False
    """Whether everybody with an account reads the app: it has no roles."""
    warnings: tuple[Finding, ...] = ()
    """What the app expects around it and is not there: it may come later."""

    @property
    def risk(self) -> Risk:
        """The highest risk of all steps."""
        return max((impact.risk for impact in self.impacts), key=_ORDER.index, default="safe")

    def to_json(self, language: Language, *, values: bool = False) -> dict[str, JSON]:
        """Write the plan for the API.

        Args:
            values: show values that do not fit: to who may see every record, and never where the plan is kept.
        """
        return {
            "app": self.app,
            "base_version": self.base_version,
            "hash": self.hash,
            "risk": self.risk,
            "warnings": [finding.to_json(language) for finding in self.warnings],
            "steps": [
                {
                    "kind": step.kind,
                    "entity": step.entity,
                    "field": step.field or None,
                    "risk": impact.risk,
                    "summary": step.summary().pick(language),
                    "note": impact.note.pick(language) or None,
                    "affected_count": impact.affected_count,
                    "total_count": impact.total_count,
                    "sample_ids": list(impact.sample_ids),
                    "samples": [{"id": key, "value": value} for key, value in impact.samples if values],
                    "ddl": ddl,
                }
                for step, impact, ddl in zip(self.steps, self.impacts, self.ddl, strict=True)
            ],
        }


def make_plan(connection: sa.Connection, change: Change) -> Plan:
    """Compare two apps and look at the records. Cost: reads each column whose rules become stricter once."""
    target = change.target
    steps, lineage = diff(change, list_kept(connection, target.key))
    steps += search_steps(connection, target, steps)
    written = {dialect: render(steps, dialect) for dialect in DIALECTS}
    ddl = tuple({dialect: written[dialect][place] for dialect in DIALECTS} for place in range(len(steps)))
    base_version = change.base.version if change.base else target.version - 1
    identity = [base_version, target.definition.hash(), [[s.kind, s.entity, s.field] for s in steps], list(ddl)]
    impacts = tuple(step.impact(connection) for step in steps)
    is_open = not (target.has_roles or (change.base is not None and change.base.has_roles))
    return Plan(target.key, base_version, tuple(steps), impacts, ddl, content_hash(identity), lineage, is_open)


def render(steps: Sequence[Step], dialect: str) -> list[list[str]]:
    """Return the SQL of each step's schema part on a dialect, without a database."""
    buffer = io.StringIO()
    operations = operations_on(None, dialect_name=dialect, opts={"as_sql": True, "output_buffer": buffer})
    rendered = []
    for step in steps:
        step.ddl(operations, dialect)
        rendered.append([" ".join(text.split()) for text in buffer.getvalue().split(";\n") if text.strip()])
        buffer.seek(0)
        buffer.truncate()
    return rendered
