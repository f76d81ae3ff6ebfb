"""Keys are unique and free; labels should be; an app is not larger than its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from builder.checks.finding import Finding, error, warning
from builder.definition.entity import RESERVED_KEYS
from builder.definition.kinds import BY_NAME, ENTITIES, Definition, DocumentId
from builder.fields.base import label_text
from builder.kernel.limits import ENTITIES_PER_APP
from builder.kernel.text import say

_APP_PREFIXES = ("ix_", "uq_", "fk_")  # of the names of indexes and foreign keys
_KEY_SUFFIX = "_pkey"  # PostgreSQL's name for the index of a primary key ends so


def check_size(definition: Definition) -> Iterator[Finding]:
    """No more entities than the limit."""
    count = len(definition.entities)
    if count > ENTITIES_PER_APP:
        message = say(
            f"应用有 {count} 个实体,最多 {ENTITIES_PER_APP} 个",
            f"The app has {count} entities, at most {ENTITIES_PER_APP}",
        )
        yield error("limit.entities", DocumentId("app", definition.key), "", message)


def check_keys(definition: Definition) -> Iterator[Finding]:
    """Keys of documents of a kind and of an entity's fields occur once, and none is reserved."""
    yield from _reserved(definition.key, DocumentId("app", definition.key), "/key", _APP_PREFIXES)
    for document, count in Counter(document for document, _ in definition.documents()).items():
        if count > 1:
            title = BY_NAME[document.kind].title
            message = say(
                f"有 {count} 个{title.zh}的键都是“{document.key}”", f'{title.en}: {count} have the key "{document.key}"'
            )
            yield error("key.duplicate", document, "/key", message)
    for entity in definition.entities:
        document = DocumentId(ENTITIES.name, entity.key)
        yield from _reserved(entity.key, document, "/key")
        seen: set[str] = set()
        for index, field in enumerate(entity.fields):
            pointer = f"/fields/{index}/key"
            yield from _reserved(field.key, document, pointer)
            if field.key in RESERVED_KEYS:
                message = say(
                    f"“{field.key}”是系统字段,请换一个键", f'"{field.key}" is a system field; choose another key'
                )
                yield error("key.reserved", document, pointer, message)
            if field.key in seen:
                message = say(f"字段键“{field.key}”重复", f'The field key "{field.key}" occurs twice')
                yield error("key.duplicate", document, pointer, message)
            seen.add(field.key)


def _reserved(key: str, document: DocumentId, pointer: str, prefixes: tuple[str, ...] = ()) -> Iterator[Finding]:
    """In the database ``app__entity`` is a table, ``ix_app__entity__field`` an index; keys must not be able to look like a part of either."""
    if "__" in key:
        message = say(
            f"“{key}”中有连续两个下划线,它们在数据库中分隔名称",
            f'"{key}" has two underscores in a row, which separate names in the database',
        )
        yield error("key.reserved", document, pointer, message)
    if key.endswith(_KEY_SUFFIX) or key.startswith(prefixes):
        message = say(
            f"数据库自己使用形如“{key}”的名称,请换一个键",
            f'The database uses names like "{key}" itself; choose another key',
        )
        yield error("key.reserved", document, pointer, message)


def check_labels(definition: Definition) -> Iterator[Finding]:
    """Two fields of one entity with the same label confuse people and ``{label}`` in formulas."""
    for entity in definition.entities:
        counts = Counter(label_text(field.label).zh for field in entity.fields)
        for index, field in enumerate(entity.fields):
            label = label_text(field.label).zh
            if counts[label] > 1:
                message = say(f"字段名称“{label}”重复", f'Several fields are called "{label}"')
                yield warning(
                    "label.duplicate", DocumentId(ENTITIES.name, entity.key), f"/fields/{index}/label", message
                )
