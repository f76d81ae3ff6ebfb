"""Rules of records in the write path: defaults that are computed, what is judged before the write, and what the database judges after it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.computing import shape_of, with_variables
from builder.compiled.recompute import listed_ids
from builder.compiled.resolver import Joins
from builder.compiled.rules import NONE, FieldDefault, RecordRule
from builder.fields.base import Invalid, label_text
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from builder.store.statement import Query, Unit
from formulas.errors import CellError
from formulas.schema import Context
from formulas.sql import to_condition
from runtime.query.statements import sql_dialect
from runtime.query.variables import variables
from runtime.records.computing import own_context, reading
from runtime.records.lookups import Lookups, looked_up
from runtime.records.own_values import OwnValues
from runtime.records.rights import body_entity, seen_of

if TYPE_CHECKING:
    from runtime.records.writer import Writing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # the moment comes with each judgement
_CHUNK = 5_000
_SHOWN = 10


def fill_defaults(
    w: Writing,
    entity: CompiledEntity,
    values: dict[str, Any],
    given: Collection[str],
    pointer: str,
    violations: list[Violation],
) -> Unit[None]:
    """Compute the defaults of a new record's fields that the body does not give. Cost: statements only for those that look something up."""
    for default in w.app.rules.get(entity.key, NONE).defaults:
        if default.field.key in given:
            continue
        if default.looks_up:
            found = yield from looked_up(w, partial(_found_with, w, entity, default, values))
        else:
            found = default.program.run(OwnValues(values), own_context(w))
        _fill(default, found, values, pointer, violations)


def _found_with(
    w: Writing, entity: CompiledEntity, default: FieldDefault, values: Mapping[str, Any], lookups: Lookups
) -> Any:
    context = replace(own_context(w), directory=lookups)
    return default.program.run(_ValuesAndTargets(entity, values, lookups), context)


class _ValuesAndTargets(OwnValues):
    """The values of a record that is not there yet, and of the records that it will point to."""

    __slots__ = ("_entity", "_lookups")

    def __init__(self, entity: CompiledEntity, values: Mapping[str, Any], lookups: Lookups) -> None:
        super().__init__(values)
        self._entity = entity
        self._lookups = lookups

    def value(self, steps: tuple[str, ...]) -> Any:
        """The value of a field, or at the end of a path."""
        first, *rest = steps
        own = super().value(steps)
        field = self._entity.fields[first] if rest else None
        return self._lookups.reach(field.entity, own, tuple(rest)) if isinstance(field, ReferenceField) else own


def _fill(default: FieldDefault, found: Any, values: dict[str, Any], pointer: str, violations: list[Violation]) -> None:
    field = default.field
    if found is None or isinstance(found, CellError):
        return
    if default.type.kind == "person" and find_uuid(found) is None:
        return  # what the installation does by itself is nobody's
    try:
        values[field.key] = field.coerce(shape_of(default.type, field).to_json(found))
    except Invalid as invalid:
        label = label_text(field.label)
        message = say(
            f"“{label.zh}”的默认值不可用:{invalid.message.zh}",
            f"The default of {label.en} cannot be used: {invalid.message.en}",
        )
        violations.append(Violation(invalid.code, f"{pointer}/{field.key}" + invalid.path, message, invalid.params))


def judge_own(
    w: Writing,
    entity: CompiledEntity,
    values: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    pointer: str,
    violations: list[Violation],
    seen: CompiledEntity | None = None,
) -> None:
    """Note which rules over a record's own fields its values break; what is noted already is not said twice.

    Args:
        before: canonical values as they were; None for a new record.
        seen: the entity as the caller's body may name it; a field beyond it is not asked for.
    """
    rules = w.app.rules.get(entity.key, NONE).before
    if not rules:
        return
    reported = {violation.pointer for violation in violations}
    row, context = OwnValues(values), own_context(w, before)
    for rule in rules:
        assert rule.program is not None
        if rule.code == "required" and seen is not None and rule.field not in seen.fields:
            continue
        at = f"{pointer}/{rule.field}" if _is_named(w, rule) else pointer
        if (rule.code == "rule" or at not in reported) and rule.program.run(row, context) is True:
            violations.append(_broken(rule, at))


def _broken(rule: RecordRule, pointer: str, **params: Any) -> Violation:
    named = {"rule": rule.key} if rule.code == "rule" else {}
    return Violation(rule.code, pointer, rule.message, named | params)


def judge_related(w: Writing) -> Unit[None]:
    """Let the database judge, after a write and what was computed anew by it, the records whose rules read what changed.

    Raises:
        Problem: ``record.invalid``; the transaction must not be committed.
    """
    violations: list[Violation] = []
    for rules in w.app.rules.values():
        for rule in rules.after:
            ids = yield from reading(w, rule.entity, rule.dependencies)
            if ids:
                violations += yield from _judge(w, rule, sorted(ids))
    if violations:
        count = len(violations)
        raise Problem("record.invalid", errors_found(count), violations=violations)


def _judge(w: Writing, rule: RecordRule, ids: list[str]) -> Unit[list[Violation]]:
    statement = w.statements.kept(
        ("rule", rule.entity, rule.code, rule.key), lambda dialect: _breaking(w.app, rule, dialect)
    )
    moment = variables(w.app, w.caller.actor, w.now, always=True)
    violations: list[Violation] = []
    for start in range(0, len(ids), _CHUNK):
        listed = dump_json(ids[start : start + _CHUNK]).decode()
        broken = [str(row[0]) for row in (yield Query(statement, {"ids": listed, **moment}))]
        seen = (yield from seen_of(w, w.app.entities[rule.entity], broken)) if broken else set()
        violations += [_of_record(w, rule, record_id, record_id in seen) for record_id in broken]
    return violations


def _of_record(w: Writing, rule: RecordRule, record_id: str, is_seen: bool) -> Violation:
    """A record of the request is pointed to; another is named, if the caller sees it."""
    pointer = w.changes.pointers.get(record_id)
    if pointer is not None:
        return _broken(rule, f"{pointer}/{rule.field}" if _is_named(w, rule) else pointer)
    return _broken(rule, "", entity=rule.entity, record_id=record_id) if is_seen else _broken(rule, "")


def _is_named(w: Writing, rule: RecordRule) -> bool:
    """Whether the caller may name the field beside which a rule is said."""
    return bool(rule.field) and rule.field in body_entity(w, w.app.entities[rule.entity]).fields


def _breaking(app: CompiledApp, rule: RecordRule, dialect: str) -> sa.Select[Any]:
    app = app.whole
    entity = app.entities[rule.entity]
    rows = entity.table.alias("x")
    joins = Joins(app, entity, rows, sql_dialect(dialect))
    condition = to_condition(
        with_variables(rule.broken), joins, sql_dialect(dialect), Context(now=_EPOCH, zone=app.zone)
    )
    found = sa.select(rows.c.id).select_from(joins.from_clause()).where(rows.c.id.in_(listed_ids(dialect)), condition)
    return found.order_by(rows.c.id).limit(_SHOWN)
