"""Reminders make sense: their moments can be worked out by the database, their people and relations are such, their steps come one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from builder.checks.finding import Finding, error, warning
from builder.compiled.computing import draft_schema, with_variables
from builder.compiled.reminders import anchor_texts
from builder.definition.kinds import REMINDERS, Definition, DocumentId
from builder.definition.reminder import AbsenceOccasion, Reminder, ReminderStep, StreakOccasion, UnchangedOccasion
from builder.definition.spans import read_span
from builder.fields.base import Field
from builder.fields.children import ChildrenField
from builder.kernel.text import Text, say
from formulas.checker import check
from formulas.errors import FormulaErrors
from formulas.moments import MEMBERSHIPS
from formulas.schema import Schema
from formulas.sql import has_sql_form
from formulas.tree import Call, Tree, walk

_OWNERS = ("user", "reference", "department", "created_by", "updated_by")
_MOMENTS = ("date", "datetime", "created_at", "updated_at")
_WORKING_HOURS = 8
_OF_THE_VIEWER = frozenset(("CURRENTUSER", "CURRENTDEPARTMENT", "CURRENTMANAGER", *MEMBERSHIPS))


def check_reminders(definition: Definition) -> Iterator[Finding]:
    """Find what is wrong with reminders beyond names and types of formulas."""
    schema: Schema | None = None
    for document in definition.of(REMINDERS):
        owner = definition.find_entity(document.entity)
        if owner is None:
            continue  # the name of the entity is reported where it stands
        here = DocumentId(REMINDERS.name, document.key)
        fields = {field.key: field for field in owner.fields}
        yield from _check_occasion(definition, document, fields, here)
        yield from _check_steps(document, here)
        schema = schema or draft_schema(definition)
        yield from _check_formulas(document, fields, schema, here)


def _check_occasion(
    definition: Definition, document: Reminder, fields: Mapping[str, Field], here: DocumentId
) -> Iterator[Finding]:
    when = document.when
    by = fields.get(when.by or "") if isinstance(when, AbsenceOccasion | StreakOccasion) else None
    if by is not None and by.type not in _OWNERS:
        text = say("by 应是人员、部门或关联字段", "by is a field that holds a person, a department or another record")
        yield error("reminder.by", here, "/when/by", text)
    order = fields.get(when.order or "") if isinstance(when, StreakOccasion) else None
    if order is not None and order.type not in _MOMENTS:
        yield error("reminder.order", here, "/when/order", _no_moment())
    relation = fields.get(when.relation or "") if isinstance(when, AbsenceOccasion) else None
    if relation is None or not isinstance(when, AbsenceOccasion):
        return
    if not isinstance(relation, ChildrenField):
        text = say("relation 应是子记录字段", "relation is a children field")
        yield error("reminder.relation", here, "/when/relation", text)
    elif relation.entity != when.entity:
        text = say(f"子记录的实体是“{relation.entity}”", f'The records of this relation are of "{relation.entity}"')
        yield error("reminder.relation", here, "/when/entity", text)
    target = definition.find_entity(when.entity or "")
    moment = next((field for field in target.fields if field.key == when.moment), None) if target else None
    if moment is not None and moment.type not in _MOMENTS:
        yield error("reminder.moment", here, "/when/moment", _no_moment())


def _no_moment() -> Text:
    return say("应是日期或日期时间字段", "Expected a date or a date and time field")


def _check_steps(document: Reminder, here: DocumentId) -> Iterator[Finding]:
    last: float | None = None
    for place, step in enumerate(document.steps):
        if not step.actions:
            text = say("这一步没有动作,到时什么也不会发生", "This step has no actions: nothing happens when it comes")
            yield warning("reminder.idle", here, f"/steps/{place}/actions", text)
        at = _rough_hours(step)
        if last is not None and at <= last:
            text = say(
                "应晚于上一步,否则会与它同时执行", "It has to come later than the step before it, or both come at once"
            )
            yield error("reminder.order", here, f"/steps/{place}", text)
        last = at


def _rough_hours(step: ReminderStep) -> float:
    """Return when a step comes, in hours by which steps can be compared; a working day counts as eight of them."""
    span = read_span(step.after if step.after is not None else step.before or "0 h")
    day = _WORKING_HOURS if span.working else 24
    hours = span.days * day if span.in_days else span.length.total_seconds() / 3600
    return hours if step.after is not None else -hours


def _check_formulas(
    document: Reminder, fields: Mapping[str, Field], schema: Schema, here: DocumentId
) -> Iterator[Finding]:
    """The database works moments and conditions out; what changes by itself is seen only when the record changes or a step is due."""
    when = document.when
    if isinstance(when, UnchangedOccasion) and not set(when.fields) <= fields.keys():
        return
    texts = [("/when/moment", text) for text in anchor_texts(document, fields)]
    given = [("/condition", document.condition), ("/pause", document.pause)]
    if isinstance(when, StreakOccasion):
        given.append(("/when/where", when.where))
    texts += [(pointer, text) for pointer, text in given if text is not None]
    for pointer, text in texts:
        try:
            found = check(text, schema, document.entity)
        except FormulaErrors:
            continue  # reported where the formula stands
        missing = [
            getattr(node, "function", "")
            for node in walk(with_variables(found.tree))
            if not (has_sql_form(node, "postgresql") and has_sql_form(node, "sqlite"))
        ]
        if missing:
            message = say(
                f"{missing[0]} 不能用在提醒里;请建一个公式字段再引用它",
                f"{missing[0]} cannot be used in a reminder; make a formula field and name that",
            )
            yield error("reminder.formula", here, pointer, message)
        elif pointer != "/when/moment" and (asked := _about_the_viewer(found.tree)):
            message = say(
                f"{asked} 说的是正在查看的人:步骤到期时没有人在看,条件不成立",
                f"{asked} is about whoever looks: nobody does when a step is due, so this does not hold then",
            )
            yield warning("reminder.nobody", here, pointer, message)
        elif found.volatile and pointer != "/when/moment":
            message = say(
                "条件随时间变化:只在记录变化或步骤到期时重新判断",
                "This condition changes with time: it is looked at when the record changes and when a step is due",
            )
            yield warning("reminder.volatile", here, pointer, message)


def _about_the_viewer(tree: Tree) -> str | None:
    """The first function in a condition that is about whoever looks."""
    named = (node.function for node in walk(tree) if isinstance(node, Call))
    return next((name for name in named if name in _OF_THE_VIEWER), None)
