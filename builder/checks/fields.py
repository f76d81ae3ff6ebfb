"""The options of fields make sense together."""

from __future__ import annotations

from collections.abc import Iterator

from builder.checks.finding import Finding, error
from builder.definition.entity import SEARCHABLE, Entity
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.fields.base import Field, Invalid
from builder.kernel.text import say


def check_defaults(definition: Definition) -> Iterator[Finding]:
    """A default is a value the field itself would take."""
    for document, pointer, field in _each_field(definition):
        if field.default is None:
            continue
        if not field.stored or field.assigned:
            message = say("这种字段不能有默认值", "A field of this type takes no default")
            yield error("field.default", document, f"{pointer}/default", message)
            continue
        try:
            field.coerce(field.default)
        except Invalid as invalid:
            message = say(f"默认值有误:{invalid.message.zh}", f"The default is not valid: {invalid.message.en}")
            yield error("field.default", document, f"{pointer}/default", message)


def check_field_sets(definition: Definition) -> Iterator[Finding]:
    """Only fields with a column can be unique or indexed."""
    for document, pointer, field in _each_field(definition):
        for option in ("unique", "indexed", "required"):
            counted = option == "required" and field.type == "multi_reference"
            if getattr(field, option) and not field.stored and not counted:
                message = say(
                    "这种字段没有存储列,不能设此项",
                    "This field has no column of its own, so this option has no meaning",
                )
                yield error("field.not_stored", document, f"{pointer}/{option}", message)
    for entity in definition.entities:
        unstored = {field.key for field in entity.fields if not field.stored}
        for member in ("unique", "indexes"):
            for index, keys in enumerate(getattr(entity, member)):
                for position, key in enumerate(keys):
                    if key in unstored:
                        message = say(f"字段“{key}”没有存储列", f'The field "{key}" has no column')
                        yield error("field.not_stored", _document(entity), f"/{member}/{index}/{position}", message)


def check_title(definition: Definition) -> Iterator[Finding]:
    """The title field can be shown in one line."""
    for entity in definition.entities:
        field = next((field for field in entity.fields if field.key == entity.title_field), None)
        if field is not None and (not field.stored or field.type in ("long_text", "json", "multi_select", "boolean")):
            message = say("标题字段应是能显示在一行里的字段", "The title field should be one that fits a line")
            yield error("entity.title", _document(entity), "/title_field", message)


def check_search(definition: Definition) -> Iterator[Finding]:
    """Only texts are searched."""
    for entity in definition.entities:
        types = {field.key: field.type for field in entity.fields}
        for index, key in enumerate(entity.search or ()):
            if key in types and types[key] not in SEARCHABLE:
                message = say(
                    f"字段“{key}”不是文本,不能搜索", f'The field "{key}" is no text, so it cannot be searched'
                )
                yield error("entity.search", _document(entity), f"/search/{index}", message)


def _each_field(definition: Definition) -> Iterator[tuple[DocumentId, str, Field]]:
    for entity in definition.entities:
        for index, field in enumerate(entity.fields):
            yield _document(entity), f"/fields/{index}", field


def _document(entity: Entity) -> DocumentId:
    return DocumentId(ENTITIES.name, entity.key)
