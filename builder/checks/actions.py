"""Actions set what can be set, with values that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from builder.checks.copies import check_tasks
from builder.checks.finding import Finding, error
from builder.checks.missing import is_given
from builder.compiled.computing import draft_schema
from builder.definition.actions.base import Each, OwnSetting, Setting, TargetSetting
from builder.definition.actions.move_stage import MoveStage
from builder.definition.actions.start_approval import StartApproval
from builder.definition.automation import Automation
from builder.definition.entity import Entity
from builder.definition.kinds import APPROVALS, PIPELINES, Definition
from builder.definition.references import Place, find_models
from builder.definition.triggers.all_done import AllDone
from builder.definition.triggers.app_event import AppEvent
from builder.definition.triggers.changed import Changed
from builder.definition.triggers.date import DateReached
from builder.definition.triggers.stage import StageMoved
from builder.definition.triggers.webhook import Webhook
from builder.fields.base import Field, Invalid
from builder.fields.children import ChildrenField
from builder.fields.date import DateField
from builder.fields.datetime import DatetimeField
from builder.fields.parts.choices import ChoiceField
from builder.fields.select import SelectField
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.schema import Schema
from formulas.types import Type


def check_actions(definition: Definition) -> Iterator[Finding]:
    """Every setting names a field that takes values, and its constant or formula fits."""
    schema: Schema | None = None
    for kind, of in ((OwnSetting, "/entity"), (Setting, "../entity"), (TargetSetting, "../entity")):
        for place in find_models(definition, kind):
            schema = schema or draft_schema(definition)
            yield from _check_setting(definition, schema, place, of)
    yield from check_tasks(definition)
    for place in find_models(definition, Each):
        yield from _check_each(definition, place)
    yield from _check_names(definition)


def _check_names(definition: Definition) -> Iterator[Finding]:
    """Transitions and approvals that actions name are such of the entity."""
    for place in find_models(definition, MoveStage):
        entity = str(getattr(place.within[0], "entity", ""))
        ways = [way.key for one in definition.of(PIPELINES) if one.entity == entity for way in one.transitions]
        yield from _check_name(place, "transition", ways, say("流转", "transition"))
    for place in find_models(definition, StartApproval):
        entity = str(getattr(place.within[0], "entity", ""))
        known = [one.key for one in definition.of(APPROVALS) if one.entity == entity]
        yield from _check_name(place, "approval", known, say("审批", "approval"))


def _check_name(place: Place, member: str, known: Sequence[str], what: Text) -> Iterator[Finding]:
    name = str(getattr(place.model, member))
    if name not in known:
        hint = nearest_hint(name, known)
        message = say(f"没有{what.zh}“{name}”{hint.zh}", f'There is no {what.en} "{name}"{hint.en}')
        yield error(f"action.{member}", place.document, f"{place.pointer}/{member}", message)


def _check_setting(definition: Definition, schema: Schema, place: Place, of: str) -> Iterator[Finding]:
    setting: Any = place.model
    home = place.within[0]
    entity = str(getattr(home if of == "/entity" else place.within[-1], "entity", ""))
    field = _field(definition, entity, setting.field)
    if field is None:
        return  # the name is reported where it stands
    if is_given(field):
        message = say(f"“{field.key}”的值由系统给出,不能设置", f'The system gives the value of "{field.key}"')
        yield error("action.field", place.document, f"{place.pointer}/field", message)
        return
    if not isinstance(setting, Setting) and _is_stage(definition, entity, field.key):
        message = say(
            f"“{field.key}”由流程掌管,只能通过流转改变:请用动作 move_stage",
            f'"{field.key}" is the stage of a pipeline, which only transitions change: use the action move_stage',
        )
        yield error("action.field", place.document, f"{place.pointer}/field", message)
        return
    if setting.value is not None:
        wrong = _refusal(field, setting.value)
        if wrong is not None:
            yield error("action.value", place.document, f"{place.pointer}/value", wrong)
    for member, owner in (("formula", str(getattr(home, "entity", ""))), ("own", entity)):
        text = getattr(setting, member, None)
        if isinstance(text, str):
            yield from _check_formula(schema, place, field, owner, member, text)


def _is_stage(definition: Definition, entity: str, key: str) -> bool:
    """Whether a field says where in a pipeline a record is."""
    return any(one.entity == entity and key in (one.field, one.node_field) for one in definition.of(PIPELINES))


def _check_formula(
    schema: Schema, place: Place, field: Field, entity: str, member: str, text: str
) -> Iterator[Finding]:
    try:
        found = check(text, schema, entity).type
    except FormulaErrors:
        return  # reported where it stands
    if not _fits(found, field.formula_type()):
        zh = f"公式给出{found.name.zh},“{field.key}”需要{field.formula_type().name.zh}"
        en = f'The formula gives {found.name.en}, "{field.key}" needs {field.formula_type().name.en}'
        yield error("action.type", place.document, f"{place.pointer}/{member}", say(zh, en))


def _fits(found: Type, wanted: Type) -> bool:
    """Whether an action can turn a value of one type into the other (``runtime/automations/actions/base.py``)."""
    if found.kind in (wanted.kind, "blank") or (found.is_number and wanted.is_number):
        return True
    if wanted.kind == "text":
        return found.kind in ("option", "integer", "decimal", "date", "datetime", "duration", "person", "record")
    if wanted.kind == "option":
        return found.kind == "text"
    if wanted.kind == "set":
        return wanted.element is None or found.kind == wanted.element.kind or found.kind in ("text", "option")
    if wanted.kind in ("person", "department", "record"):
        return found.kind in ("text", "person", "department", "record")
    return {found.kind, wanted.kind} == {"date", "datetime"} or wanted.kind == "json"


def _refusal(field: Field, value: Any) -> Text | None:
    try:
        field.coerce(list(value) if isinstance(value, tuple) else value)
    except Invalid as invalid:
        return invalid.message
    return None


def _check_each(definition: Definition, place: Place) -> Iterator[Finding]:
    each = place.model
    assert isinstance(each, Each)
    if each.relation is None:
        return
    owner = definition.find_entity(str(getattr(place.within[0], "entity", "")))
    *steps, last = each.relation.split(".")
    for step in steps:
        field = _field(definition, owner.key if owner else "", step)
        owner = definition.find_entity(str(getattr(field, "entity", "")))
    listed = _field(definition, owner.key if owner else "", last)
    if listed is not None and not (isinstance(listed, ChildrenField) and listed.entity == each.entity):
        message = say(
            f"“{each.relation}”不是“{each.entity}”的子表", f'"{each.relation}" is not a list of "{each.entity}"'
        )
        yield error("action.each", place.document, f"{place.pointer}/relation", message)


def check_triggers(definition: Definition) -> Iterator[Finding]:
    """Triggers watch fields that can be watched so."""
    for place in find_models(definition, Automation):
        automation = place.model
        assert isinstance(automation, Automation)
        trigger = automation.trigger
        wrong: tuple[str, Text] | None = None
        if isinstance(trigger, StageMoved):
            field = _field(definition, automation.entity, trigger.field)
            wrong = _wrong_stage(field, (*trigger.entered, *trigger.left))
        elif isinstance(trigger, Changed):
            yield from _check_changes(definition, place, automation.entity, trigger)
        elif isinstance(trigger, AllDone):
            field = _field(definition, automation.entity, trigger.relation)
            if field is not None and not (isinstance(field, ChildrenField) and field.entity == trigger.entity):
                text = say(
                    f"“{trigger.relation}”不是“{trigger.entity}”的子表", f'This is not a list of "{trigger.entity}"'
                )
                wrong = ("relation", text)
        elif isinstance(trigger, DateReached):
            field = _field(definition, automation.entity, trigger.field)
            if field is not None and not isinstance(field, DateField | DatetimeField):
                wrong = ("field", say("须是日期或日期时间字段", "This has to be a date or an instant"))
        elif isinstance(trigger, AppEvent) and trigger.app == definition.key:
            text = say(
                "同一应用的事件请用 created、changed 或 deleted 触发",
                "For events of this app itself use created, changed or deleted",
            )
            wrong = ("app", text)
        if wrong is not None:
            yield error("trigger.field", place.document, f"/trigger/{wrong[0]}", wrong[1])
        if isinstance(trigger, AppEvent | Webhook):
            yield from _check_messages(definition, place, automation.entity, trigger)


def _check_changes(definition: Definition, place: Place, entity: str, trigger: Changed) -> Iterator[Finding]:
    """What a field was or becomes are values it can have, as they are stored: the trigger would never fit otherwise."""
    for number, change in enumerate(trigger.changes):
        field = _field(definition, entity, change.field)
        if field is None or not field.stored:
            continue
        for member in ("was", "becomes"):
            for index, value in enumerate(getattr(change, member) or ()):
                wrong = _never_stored(field, value) if value is not None else None
                if wrong is not None:
                    yield error("trigger.value", place.document, f"/trigger/changes/{number}/{member}/{index}", wrong)


def _never_stored(field: Field, value: Any) -> Text | None:
    wrong = _refusal(field, value)
    if wrong is None and isinstance(field, SelectField) and value not in field.option_keys:
        key = field.find_key(value)
        return say(
            f"这里写选项的键“{key}”,不写名称“{value}”", f'Write the key of the option, "{key}", not its label "{value}"'
        )
    return wrong


def _check_messages(
    definition: Definition, place: Place, entity: str, trigger: AppEvent | Webhook
) -> Iterator[Finding]:
    """What messages set can be set, and what they are matched by has one value in the database."""
    for name, pairs in (("match", trigger.match), ("set", trigger.set)):
        for number, pair in enumerate(pairs):
            field = _field(definition, entity, pair.field)
            if field is None:
                continue
            pointer = f"/trigger/{name}/{number}"
            if is_given(field) or (name == "match" and (not field.stored or field.formula_type().kind == "set")):
                text = say(f"“{field.key}”不能用在这里", f'"{field.key}" cannot be used here')
                yield error("trigger.field", place.document, f"{pointer}/field", text)
            elif pair.value is not None and (wrong := _refusal(field, pair.value)) is not None:
                yield error("trigger.value", place.document, f"{pointer}/value", wrong)


def _wrong_stage(field: Field | None, stages: tuple[str, ...]) -> tuple[str, Text] | None:
    if field is None:
        return None
    if not isinstance(field, ChoiceField):
        return "field", say("须是单选字段", "This has to be a select field")
    for stage in stages:
        if stage not in field.option_keys:
            hint = nearest_hint(stage, field.option_keys)
            return "field", say(f"没有选项“{stage}”{hint.zh}", f'There is no option "{stage}"{hint.en}')
    return None


def _field(definition: Definition, entity: str, key: str) -> Field | None:
    owner: Entity | None = definition.find_entity(entity)
    return next((field for field in owner.fields if field.key == key), None) if owner else None
