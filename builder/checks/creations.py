"""Actions and messages that make records give all that these need: what is left out would be refused when it is too late to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from builder.checks.blanks import Steps, blank_paths, known_paths
from builder.checks.finding import Finding, error, warning
from builder.checks.missing import OPEN, missing_fields, role_defaults
from builder.compiled.computing import draft_schema
from builder.definition.actions.create_record import CreateRecord
from builder.definition.actions.create_task import CreateTask
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS, ROLES, Definition, DocumentId
from builder.definition.references import Place, find_models
from builder.definition.reminder import Reminder
from builder.definition.triggers.app_event import AppEvent
from builder.definition.triggers.date import DateReached
from builder.definition.triggers.schedule import Schedule
from builder.definition.triggers.webhook import Webhook
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.schema import Schema

_BY_ITSELF = (AppEvent, DateReached, Schedule, Webhook)
"""Triggers behind which nobody stands."""


def check_creations(definition: Definition) -> Iterator[Finding]:
    """Every record that an automation, a stage, an approval or a reminder makes has its required fields."""
    schema: Schema | None = None
    for kind in (CreateRecord, CreateTask):
        for place in find_models(definition, kind):
            schema = schema or draft_schema(definition)
            yield from _action(definition, schema, place)
    for automation in definition.of(AUTOMATIONS):
        if isinstance(automation.trigger, AppEvent | Webhook) and automation.trigger.create:
            schema = schema or draft_schema(definition)
            yield from _message(definition, schema, automation, automation.trigger)


def _action(definition: Definition, schema: Schema, place: Place) -> Iterator[Finding]:
    action: Any = place.model
    entity = definition.find_entity(action.entity)
    if entity is None:
        return  # reported where it stands
    given: dict[str, Any] = {each.field: _known(each.value, each.formula, each.item) for each in action.values}
    if isinstance(action, CreateTask):
        given |= {key: OPEN for key in (action.snapshot_field, action.link_field) if key is not None}
    filled = role_defaults(definition.of(ROLES), entity) if _in_a_name(place) else frozenset()
    name, of, alone = _name(place), label_text(entity.label), _nobody_acts(place)
    for field, always in missing_fields(definition, schema, entity, given, filled, alone=alone):
        label = label_text(field.label)
        how = say(
            f"请在 values 中给出“{field.key}”,或给该字段设默认值",
            f'give "{field.key}" in values, or give the field a default',
        )
        if always:
            zh = f"动作“{name.zh}”新建“{of.zh}”时缺少必填字段“{label.zh}”,运行时会失败:{how.zh}"
            en = f'The action "{name.en}" makes {of.en} without {label.en}, which is required, so it would fail: {how.en}'
            yield error("action.required", place.document, f"{place.pointer}/values", say(zh, en))
        else:
            zh = f"动作“{name.zh}”新建“{of.zh}”时没有给出“{label.zh}”,它在某些条件下必填,那时会失败:{how.zh}"
            en = f'The action "{name.en}" makes {of.en} without {label.en}, which is required under a condition and fails then: {how.en}'
            yield warning("action.required", place.document, f"{place.pointer}/values", say(zh, en))
    sources = dict(_blank_sources(definition, schema, place))
    if not sources:
        return
    blank = given | dict.fromkeys(sources)
    for field, _ in missing_fields(definition, schema, entity, blank, filled, alone=alone):
        if field.key in sources:
            index, path = sources[field.key]
            label, where = label_text(field.label), ".".join(path)
            zh = (
                f"动作“{name.zh}”新建“{of.zh}”时,必填字段“{label.zh}”取自可能为空的“{where}”,为空时会失败:"
                f"请给动作加条件 NOT(ISBLANK({where})),用 COALESCE 给出后备值,或把“{where}”设为必填"
            )
            en = (
                f'The action "{name.en}" makes {of.en} with {label.en}, which is required, out of {where}, which may be blank; then it fails: '
                f"give the action the condition NOT(ISBLANK({where})), a fallback by COALESCE, or make {where} required"
            )
            yield warning("action.blank", place.document, f"{place.pointer}/values/{index}", say(zh, en))


def _blank_sources(definition: Definition, schema: Schema, place: Place) -> Iterator[tuple[str, tuple[int, Steps]]]:
    """Yield the fields that get their value from a path that may be blank and that nothing has looked at, with place and path."""
    action, home = cast(Any, place.model), cast(Any, place.within[0])
    known = known_paths(definition, schema, place)
    for index, each in enumerate(action.values):
        if each.formula is None:
            continue
        try:
            tree = check(each.formula, schema, home.entity).tree
        except FormulaErrors:
            continue  # reported where it stands
        paths = sorted(blank_paths(definition, tree, home.entity) - known)
        if paths:
            yield each.field, (index, paths[0])


def _known(value: Any, formula: str | None, item: str | None) -> Any:
    return OPEN if formula is not None or item is not None else value


def _name(place: Place) -> Text:
    """The action's label, or its kind and where it stands."""
    action: Any = place.model
    if action.label is not None:
        return label_text(action.label)
    number = int(place.pointer.rsplit("/", 1)[-1]) + 1
    return say(f"第 {number} 个:{action.type}", f"number {number}: {action.type}")


def _in_a_name(place: Place) -> bool:
    """Whether the action is done in somebody's name, with what their roles fill in."""
    home = place.within[0]
    return isinstance(home, Automation) and home.run_as != "system"


def _nobody_acts(place: Place) -> bool:
    home = place.within[0]
    if isinstance(home, Automation):
        return isinstance(home.trigger, _BY_ITSELF) and home.run_as != "owner"
    return isinstance(home, Reminder)


def _message(
    definition: Definition, schema: Schema, automation: Automation, trigger: AppEvent | Webhook
) -> Iterator[Finding]:
    entity = definition.find_entity(automation.entity)
    if entity is None:
        return
    pairs = (*trigger.match, *trigger.set)
    given: Mapping[str, Any] = {pair.field: OPEN if pair.at is not None else pair.value for pair in pairs}
    here = DocumentId(AUTOMATIONS.name, automation.key)
    for field, always in missing_fields(definition, schema, entity, given, alone=True):
        label = label_text(field.label)
        zh = f"消息会新建“{label_text(entity.label).zh}”,但必填字段“{label.zh}”既不在 match 中,也不在 set 中"
        en = f"A message makes {label_text(entity.label).en}, but {label.en} is required and stands neither in match nor in set"
        how = say(
            '请在 set 中给出它,给该字段设默认值,或写 "create": false',
            'give it in set, give the field a default, or say "create": false',
        )
        if always:
            yield error("trigger.required", here, "/trigger/set", say(f"{zh}:{how.zh}", f"{en}: {how.en}"))
        else:
            some = say(f"{zh}(在某些条件下必填):{how.zh}", f"{en} (under a condition): {how.en}")
            yield warning("trigger.required", here, "/trigger/set", some)
