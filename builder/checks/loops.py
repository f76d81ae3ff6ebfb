"""Automations that would set themselves off for ever. They stop at the limit of depth, having written as often; nobody wants that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.checks.finding import Finding, warning
from builder.compiled.computing import draft_schema
from builder.definition.actions.create_record import CreateRecord
from builder.definition.actions.set_fields import SetFields
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS, Definition, DocumentId
from builder.definition.triggers.changed import Changed
from builder.definition.triggers.created import Created
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.schema import Schema


def check_loops(definition: Definition) -> Iterator[Finding]:
    """Only what is certain: no condition stands in the way, and each turn changes what starts the next."""
    rules = [rule for rule in definition.of(AUTOMATIONS) if rule.enabled and rule.condition in (None, {})]
    schema: Schema | None = None
    for rule in rules:
        if isinstance(rule.trigger, Changed):
            schema = schema or draft_schema(definition)
            yield from _of_changes(schema, rule, rule.trigger)
    yield from _of_creations([rule for rule in rules if isinstance(rule.trigger, Created)])


def _of_changes(schema: Schema, rule: Automation, trigger: Changed) -> Iterator[Finding]:
    """A field is counted on from itself, and that it changed is what starts it."""
    watched = {change.field for change in trigger.changes if change.was is None and change.becomes is None}
    for place, action in enumerate(rule.actions):
        if not isinstance(action, SetFields) or action.condition not in (None, {}):
            continue
        for number, setting in enumerate(action.set):
            starts = not trigger.changes or setting.field in watched
            if starts and _reads_itself(schema, rule.entity, setting):
                text = say(
                    f"“{setting.field}”由它自己算出,而它一变又触发本自动化,会反复执行到上限;请加条件,或改用 changes 里别的字段",
                    f'"{setting.field}" is made from itself, and its change starts this automation again, up to the limit;'
                    " add a condition, or watch other fields in changes",
                )
                yield _loop(rule, f"/actions/{place}/set/{number}", text)


def _reads_itself(schema: Schema, entity: str, setting: Any) -> bool:
    if setting.formula is None:
        return False
    try:
        read = check(setting.formula, schema, entity).dependencies
    except FormulaErrors:
        return False  # reported where the formula stands
    return any((one.entity, one.field, one.path) == (entity, setting.field, ()) for one in read)


def _of_creations(rules: list[Automation]) -> Iterator[Finding]:
    """A new record makes another one, and so on round to its own entity."""
    made: dict[str, set[str]] = {}
    steps: list[tuple[Automation, int, str]] = []
    for rule in rules:
        for place, action in enumerate(rule.actions):
            if isinstance(action, CreateRecord) and action.each is None and action.condition in (None, {}):
                made.setdefault(rule.entity, set()).add(action.entity)
                steps.append((rule, place, action.entity))
    for rule, place, entity in steps:
        if rule.entity in _reached(made, entity):
            text = say(
                f"新建“{entity}”又会引出新的“{rule.entity}”,自动化会互相触发到上限;请加条件",
                f'A new "{entity}" leads to another "{rule.entity}": automations start each other up to the limit; add a condition',
            )
            yield _loop(rule, f"/actions/{place}", text)


def _reached(made: dict[str, set[str]], entity: str) -> set[str]:
    found, ahead = {entity}, [entity]
    while ahead:
        new = made.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def _loop(rule: Automation, pointer: str, message: Text) -> Finding:
    return warning("automation.loop", DocumentId(AUTOMATIONS.name, rule.key), pointer, message)
