"""Where documents name each other. Checks find broken references with it; a rename rewrites along it. Marks stand in the models (``Refers``)."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from builder.definition.entity import Entity
from builder.definition.kinds import Definition, DocumentId
from builder.fields.base import Formula, Model, Refers, Template
from builder.kernel.problems import escape_pointer

JSON = Any

OF_FIELDS = ("field", "path", "order")
"""Kinds of references that lead to a field rather than to a document."""


class Reference(NamedTuple):
    """One place that names another document or field."""

    document: DocumentId
    pointer: str
    kind: str
    """``entity``, ``field``, ``path``, ``order`` (a path with or without ``-``), or the name of a kind of document."""
    key: str
    """The document named, or the entity whose field is named or from which a path leads on."""
    field: str
    """The field or path; empty for a document."""


class FormulaPlace(NamedTuple):
    """One place that holds a formula or a JSON filter."""

    document: DocumentId
    pointer: str
    entity: str
    """The entity over whose records it is."""
    gives: str
    text: str | dict[str, JSON]
    is_template: bool = False
    """A text for people with formulas inside (``builder/definition/templating.py``)."""
    in_database: bool = False
    """The database judges it."""


def find_references(definition: Definition) -> Iterator[Reference]:
    """Yield every reference of an app."""
    for found in _find_marks(definition):
        if isinstance(found.mark, Refers):
            if found.mark.kind in OF_FIELDS:
                yield Reference(found.document, found.pointer, found.mark.kind, found.owner, found.value)
            else:
                yield Reference(found.document, found.pointer, found.mark.kind, found.value, "")


def find_formulas(definition: Definition) -> Iterator[FormulaPlace]:
    """Yield every formula and filter of an app's documents that is marked as one (computed fields have their own way of checking)."""
    for found in _find_marks(definition):
        if isinstance(found.mark, Formula):
            mark = found.mark
            yield FormulaPlace(
                found.document, found.pointer, found.owner, mark.gives, found.value, in_database=mark.in_database
            )
        elif isinstance(found.mark, Template):
            yield FormulaPlace(found.document, found.pointer, found.owner, "any", found.value, is_template=True)


class Place(NamedTuple):
    """One model inside a document."""

    document: DocumentId
    pointer: str
    model: Model
    within: tuple[Model, ...]
    """What it stands in, the document first."""


def find_models(definition: Definition, kind: type[Model]) -> Iterator[Place]:
    """Yield every model of a kind that stands anywhere in an app's documents."""
    for document_id, document in definition.documents():
        for pointer, model, within in _walk_parts(document, "", ()):
            if isinstance(model, kind):
                yield Place(document_id, pointer, model, within)


def _walk_parts(part: Any, pointer: str, within: tuple[Model, ...]) -> Iterator[tuple[str, Model, tuple[Model, ...]]]:
    if isinstance(part, Model):
        yield pointer, part, within
        for name in type(part).model_fields:
            yield from _walk_parts(getattr(part, name), f"{pointer}/{escape_pointer(name)}", (*within, part))
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from _walk_parts(item, f"{pointer}/{index}", within)


class _Marked(NamedTuple):
    document: DocumentId
    pointer: str
    mark: Refers | Formula | Template
    value: Any
    owner: str
    """The entity that ``of`` names; empty if it names none."""


def _find_marks(definition: Definition) -> Iterator[_Marked]:
    for document_id, document in definition.documents():
        for pointer, mark, value, holders in _walk_model(document, "", ()):
            yield _Marked(document_id, pointer, mark, value, owner_of(mark.of, holders))


def owner_of(of: str, holders: tuple[Model, ...]) -> str:
    """Return the entity that ``of`` of a mark names; empty if it names none. ``holders`` lead from the document to the member's model."""
    if of in (".", ""):
        document = holders[0]
        return document.key if of and isinstance(document, Entity) else ""
    level = len(holders) - 1
    if of.startswith("/"):
        level, of = 0, of[1:]
    while of.startswith("../"):
        level, of = level - 1, of[3:]
    named: Any = holders[max(level, 0)]
    for step in of.split("/"):
        named = getattr(named, step, None)
    return str(named or "")


_Mark = Refers | Formula | Template
_Found = tuple[str, _Mark, Any, tuple[Model, ...]]


def _walk_model(model: Model, pointer: str, within: tuple[Model, ...]) -> Iterator[_Found]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if value is not None:
            at = f"{pointer}/{escape_pointer(name)}"
            yield from _walk(info.annotation, info.metadata, value, at, (*within, model))


def _walk(annotation: Any, metadata: Any, value: Any, pointer: str, holders: tuple[Model, ...]) -> Iterator[_Found]:
    mark = next((item for item in metadata if isinstance(item, _Mark)), None)
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _walk(inner, [*metadata, *more], value, pointer, holders)
    elif mark is not None and isinstance(value, str | dict):
        yield pointer, mark, value, holders
    elif get_origin(annotation) in (Union, types.UnionType):
        for arm in get_args(annotation):
            if _is_arm(arm, value):
                yield from _walk(arm, (), value, pointer, holders)
    elif isinstance(value, Model):
        yield from _walk_model(value, pointer, holders)
    elif isinstance(value, tuple):
        item_type = (get_args(annotation) or (Any,))[0]
        for index, item in enumerate(value):
            yield from _walk(item_type, (), item, f"{pointer}/{index}", holders)
    elif isinstance(value, Mapping):
        item_type = (get_args(annotation) or (Any, Any))[-1]
        for key, item in value.items():
            yield from _walk(item_type, (), item, f"{pointer}/{escape_pointer(key)}", holders)


def _is_arm(arm: Any, value: Any) -> bool:
    """Whether a value is of an arm of a union, by its outer type."""
    if get_origin(arm) is Annotated:
        return _is_arm(get_args(arm)[0], value)
    if get_origin(arm) in (Union, types.UnionType):
        return any(_is_arm(inner, value) for inner in get_args(arm))
    outer = get_origin(arm) or arm
    return isinstance(outer, type) and isinstance(value, outer)


def get_at(document: JSON, pointer: str) -> JSON:
    """Return the value a JSON pointer points to."""
    node = document
    for part in (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def set_at(document: JSON, pointer: str, value: JSON) -> None:
    """Replace the value a JSON pointer points to, in place."""
    above, _, last = pointer.rpartition("/")
    last, node = last.replace("~1", "/").replace("~0", "~"), get_at(document, above)
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
