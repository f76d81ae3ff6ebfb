"""Every name of another document leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.definition.references import find_references
from builder.fields.children import ChildrenField
from builder.fields.reference import ReferenceField
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say


def check_references(definition: Definition) -> Iterator[Finding]:
    """Entities and fields that are named exist."""
    fields = {entity.key: [field.key for field in entity.fields] for entity in definition.entities}
    for reference in find_references(definition):
        if reference.kind == "entity" and reference.entity not in fields:
            hint = nearest_hint(reference.entity, fields)
            message = say(f"没有实体“{reference.entity}”{hint.zh}", f'There is no entity "{reference.entity}"{hint.en}')
            yield error("reference.entity", reference.document, reference.pointer, message)
        elif (
            reference.kind == "field" and reference.entity in fields and reference.field not in fields[reference.entity]
        ):
            hint = nearest_hint(reference.field, fields[reference.entity])
            message = say(
                f"实体“{reference.entity}”没有字段“{reference.field}”{hint.zh}",
                f'The entity "{reference.entity}" has no field "{reference.field}"{hint.en}',
            )
            yield error("reference.field", reference.document, reference.pointer, message)


def check_children(definition: Definition) -> Iterator[Finding]:
    """A children field goes by way of a reference that points back here."""
    for entity in definition.entities:
        for index, field in enumerate(entity.fields):
            target = definition.find_entity(field.entity) if isinstance(field, ChildrenField) else None
            if target is None or not isinstance(field, ChildrenField):
                continue
            via = next((other for other in target.fields if other.key == field.via), None)
            if via is not None and not (isinstance(via, ReferenceField) and via.entity == entity.key):
                message = say(
                    f"“{target.key}.{via.key}”不是指向“{entity.key}”的关联字段",
                    f'"{target.key}.{via.key}" is not a reference to "{entity.key}"',
                )
                yield error("children.via", DocumentId(ENTITIES.name, entity.key), f"/fields/{index}/via", message)
