"""Every name of another document, and every field path, leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.definition.entity import RESERVED_KEYS, SYSTEM_KEYS
from builder.definition.kinds import BY_NAME, ENTITIES, Definition, DocumentId, key_of
from builder.definition.references import OF_FIELDS, Reference, find_references
from builder.fields.base import label_text
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.reference import ReferenceField
from builder.kernel.problems import key_hint, nearest_hint
from builder.kernel.text import Text, say
from formulas.schema import Schema


def check_references(definition: Definition) -> Iterator[Finding]:
    """Documents, fields and paths that are named exist."""
    fields = {
        entity.key: {field.key: label_text(field.label) for field in entity.fields} for entity in definition.entities
    }
    schema: Schema | None = None
    for reference in find_references(definition):
        message: Text | None
        if reference.kind not in OF_FIELDS:
            message = _missing_document(definition, reference)
        elif reference.key not in fields:
            continue  # the name of the entity is reported where it stands
        elif reference.kind == "field":
            message = _missing_field(fields, reference)
        else:
            schema = schema or draft_schema(definition)
            path = reference.field.removeprefix("-")
            message = wrong_step(schema, reference.key, path, through_many=reference.kind == "path")
        if message is not None:
            yield error(f"reference.{reference.kind}", reference.document, reference.pointer, message)


def _missing_document(definition: Definition, reference: Reference) -> Text | None:
    kind = ENTITIES if reference.kind == "entity" else BY_NAME[reference.kind]
    keys = [key_of(document) for document in definition.of(kind)]
    if reference.key in keys:
        return None
    hint = nearest_hint(reference.key, keys)
    return say(
        f"没有{kind.title.zh}“{reference.key}”{hint.zh}",
        f'There is no {kind.title.en.lower()} "{reference.key}"{hint.en}',
    )


def _missing_field(fields: Mapping[str, Mapping[str, Text]], reference: Reference) -> Text | None:
    if reference.field in fields[reference.key]:
        return None
    known = ((key, words) for key, label in fields[reference.key].items() for words in label)
    hint = key_hint(reference.field, known)
    return say(
        f"实体“{reference.key}”没有字段“{reference.field}”{hint.zh}",
        f'The entity "{reference.key}" has no field "{reference.field}"{hint.en}',
    )


def wrong_step(schema: Schema, entity: str, path: str, *, through_many: bool) -> Text | None:
    """Say what is wrong with a field path from an entity; None: it leads to a field."""
    owner: str | None = entity
    for step in path.split("."):
        found = schema.find_field(owner, step) if owner is not None else None
        if found is None:
            hint = key_hint(step, schema.fields(owner) if owner is not None else ())
            return say(f"没有字段“{step}”{hint.zh}", f'There is no field "{step}"{hint.en}')
        if found.many and not through_many:
            return say(f"不能按“{step}”排序", f'Cannot sort by "{step}"')
        owner = found.target_entity
    return None


def check_children(definition: Definition) -> Iterator[Finding]:
    """A children field goes by way of a reference that points back here."""
    for entity in definition.entities:
        for index, field in enumerate(entity.fields):
            target = definition.find_entity(field.entity) if isinstance(field, ChildrenField) else None
            if target is None or not isinstance(field, ChildrenField):
                continue
            via = next((other for other in target.fields if other.key == field.via), None)
            leads = isinstance(via, ReferenceField | MultiReferenceField) and via.entity == entity.key
            if via is not None and not leads:
                message = say(
                    f"“{target.key}.{via.key}”不是指向“{entity.key}”的关联字段",
                    f'"{target.key}.{via.key}" is not a reference to "{entity.key}"',
                )
                yield error("children.via", DocumentId(ENTITIES.name, entity.key), f"/fields/{index}/via", message)


def check_links(definition: Definition) -> Iterator[Finding]:
    """Names behind links mean one thing, their tables have names of their own, and what has no value of its own has no default."""
    tables = {entity.key for entity in definition.entities}
    for entity in definition.entities:
        for index, field in enumerate(entity.fields):
            if isinstance(field, MultiReferenceField):
                for pointer, code, message in _wrong_links(definition, tables, entity.key, field):
                    yield error(code, DocumentId(ENTITIES.name, entity.key), f"/fields/{index}{pointer}", message)


def _wrong_links(
    definition: Definition, tables: set[str], owner: str, field: MultiReferenceField
) -> Iterator[tuple[str, str, Text]]:
    target = definition.find_entity(field.entity)
    taken = {*SYSTEM_KEYS, *RESERVED_KEYS, *(other.key for other in target.fields)} if target else RESERVED_KEYS
    for place, attribute in enumerate(field.attributes):
        if attribute.key in taken:
            message = say(
                f"“{field.entity}”已有字段“{attribute.key}”,属性请用别的键",
                f'"{field.entity}" has a field "{attribute.key}" already; give the attribute another key',
            )
            yield f"/attributes/{place}/key", "multi_reference.attribute", message
    if f"{owner}__{field.key}" in tables:
        message = say(
            f"实体“{owner}__{field.key}”已占用关联表的名称",
            f'The entity "{owner}__{field.key}" has the name of the table of links',
        )
        yield "/key", "multi_reference.table", message
    for member in ("default_formula", "required_if", "visible_if"):
        if getattr(field, member) not in (None, False):
            message = say(f"多对多关联不支持 {member}", f"A field that leads to several records takes no {member}")
            yield f"/{member}", "multi_reference.option", message
