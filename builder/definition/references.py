"""Where documents name each other. Checks find broken references with it; a rename rewrites along it. Marks stand in the models (``Refers``)."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from builder.definition.entity import Entity
from builder.definition.kinds import Definition, DocumentId
from builder.fields.base import Model, Refers
from builder.kernel.problems import escape_pointer

JSON = Any


class Reference(NamedTuple):
    """One place that names another document or field."""

    document: DocumentId
    pointer: str
    kind: str
    """``entity`` or ``field``."""
    entity: str
    """The entity named, or the entity whose field is named."""
    field: str
    """Empty for an entity."""


def find_references(definition: Definition) -> Iterator[Reference]:
    """Yield every reference of an app."""
    for document_id, document in definition.documents():
        own = document.key if isinstance(document, Entity) else ""
        for pointer, mark, value, holder in _walk_model(document, ""):
            if mark.kind == "entity":
                yield Reference(document_id, pointer, "entity", value, "")
            else:
                owner = own if mark.of == "." else str(getattr(holder, mark.of))
                yield Reference(document_id, pointer, "field", owner, value)


_Found = tuple[str, Refers, str, Model]


def _walk_model(model: Model, pointer: str) -> Iterator[_Found]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if value is not None:
            yield from _walk(info.annotation, info.metadata, value, f"{pointer}/{escape_pointer(name)}", model)


def _walk(annotation: Any, metadata: Any, value: Any, pointer: str, holder: Model) -> Iterator[_Found]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _walk(inner, [*metadata, *more], value, pointer, holder)
    elif isinstance(value, Model):
        yield from _walk_model(value, pointer)
    elif isinstance(value, tuple):
        item_type = (get_args(annotation) or (Any,))[0]
        for index, item in enumerate(value):
            yield from _walk(item_type, (), item, f"{pointer}/{index}", holder)
    elif isinstance(value, str):
        mark = next((item for item in metadata if isinstance(item, Refers)), None)
        if mark is not None:
            yield pointer, mark, value, holder
        elif get_origin(annotation) in (Union, types.UnionType):
            for arm in get_args(annotation):
                if arm is not type(None):
                    yield from _walk(arm, (), value, pointer, holder)


def set_at(document: JSON, pointer: str, value: JSON) -> None:
    """Replace the value a JSON pointer points to, in place."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    node = document
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
