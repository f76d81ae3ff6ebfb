"""The frozen copies of tasks have a place, and tell what they are thought to tell."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error, warning
from builder.compiled.copies import roles_without_titles
from builder.definition.actions.create_task import CreateTask
from builder.definition.entity import Entity
from builder.definition.kinds import Definition
from builder.definition.references import Place, find_models
from builder.fields.base import Field, label_text
from builder.fields.json import JsonField
from builder.fields.reference import ReferenceField
from builder.kernel.text import say


def check_tasks(definition: Definition) -> Iterator[Finding]:
    """Every action that makes tasks with a copy."""
    for place in find_models(definition, CreateTask):
        action = place.model
        assert isinstance(action, CreateTask)
        entity = definition.find_entity(action.entity)
        target = _field(entity, action.snapshot_field)
        if target is not None and not isinstance(target, JsonField):
            message = say("快照须存入 JSON 字段", "The copy needs a field of type json")
            yield error("action.snapshot", place.document, f"{place.pointer}/snapshot_field", message)
        if action.once and action.link_field is None:
            message = say("once 需要 link_field", "once needs link_field")
            yield error("action.once", place.document, f"{place.pointer}/once", message)
        if entity is not None:
            yield from _nameless(definition, place, action, entity)


def _nameless(definition: Definition, place: Place, action: CreateTask, entity: Entity) -> Iterator[Finding]:
    """References of which the copy keeps the id alone, because some of its readers may not know the title."""
    for number, path in enumerate(action.snapshot):
        owner = definition.find_entity(str(getattr(place.within[0], "entity", "")))
        field: Field | None = None
        for step in path.split("."):
            field = _field(owner, step)
            owner = definition.find_entity(field.entity) if isinstance(field, ReferenceField) else None
        if owner is None:
            continue
        title = owner.title_field or next((each.key for each in owner.fields if each.type == "text"), None)
        roles = [] if title is None else roles_without_titles(definition, entity, action.snapshot_field, owner, title)
        if roles:
            first = label_text(roles[0].label)
            zh = f"角色“{first.zh}”能看快照,但不能看“{path}”的标题,快照中只留编号;要交给他们看,请列出 {path}.{title}"
            en = f'The role "{first.en}" reads the copy but not the title of "{path}": the copy keeps its id alone. To hand it on, list {path}.{title}'
            yield warning("action.nameless", place.document, f"{place.pointer}/snapshot/{number}", say(zh, en))


def _field(entity: Entity | None, key: str) -> Field | None:
    return next((field for field in entity.fields if field.key == key), None) if entity else None
