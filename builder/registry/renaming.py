"""Giving entities and fields of a draft another key, with every reference to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.kinds import BY_NAME, ENTITIES, Definition, DocumentId, assemble, dump_document
from builder.definition.parse import DocumentInvalid, parse_document
from builder.definition.references import find_references, set_at
from builder.definition.renames import Renamed, follow_renames
from builder.fields.base import is_key
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.registry.drafts import get_document, load_draft, lock_draft, replace_draft
from builder.registry.registry import Registry, find_published
from builder.registry.rewriting import FieldRename, rewrite_texts

JSON = Any


class _Wish(NamedTuple):
    entity: str
    field: str
    """Empty: the entity itself."""
    new_key: str


def rename_entity(registry: Registry, app: str, key: str, new_key: str, author: str | None) -> list[str]:
    """Give an entity another key and rewrite every reference to it; return the documents that changed.

    Raises:
        Problem: ``definition.not_found``, ``definition.exists``, ``definition.invalid``.
    """
    return _rename(registry, app, _Wish(key, "", new_key), author)


def rename_field(registry: Registry, app: str, entity: str, key: str, new_key: str, author: str | None) -> list[str]:
    """Give a field another key and rewrite every reference to it; return the documents that changed.

    Raises:
        Problem: ``definition.not_found``, ``definition.exists``, ``definition.invalid``.
    """
    return _rename(registry, app, _Wish(entity, key, new_key), author)


def _rename(registry: Registry, app: str, wish: _Wish, author: str | None) -> list[str]:
    if not is_key(wish.new_key):
        message = say(
            "键以小写字母开头,只含小写字母、数字和下划线",
            "A key starts with a lower-case letter and has letters, digits and _",
        )
        raise Problem("definition.invalid", message, violations=[Violation("pattern", "/key", message)])
    with registry.database.transaction() as connection:
        lock_draft(connection, app)
        definition = load_draft(connection, app)
        before = {document_id: dump_document(document) for document_id, document in definition.documents()}
        bodies = {document_id: dump_document(document) for document_id, document in definition.documents()}
        own = _find_entity(connection, app, bodies, wish.entity)
        target = _find_field(own, wish.field) if wish.field else own
        siblings = own["fields"] if wish.field else [body for d, body in bodies.items() if d.kind == ENTITIES.name]
        if wish.new_key in {sibling["key"] for sibling in siblings}:
            raise _taken(wish.new_key)
        published = find_published(registry, connection, app)
        mark = _mark(published.app.definition if published else None, definition, wish)
        _rewrite_references(definition, bodies, wish)
        if wish.field:
            rewrite_texts(definition, bodies, FieldRename(wish.entity, wish.field, wish.new_key))
        target["key"] = wish.new_key
        if mark != _UNCHANGED:
            target.pop("renamed_from", None)
        if mark not in (None, _UNCHANGED):
            target["renamed_from"] = mark
        replace_draft(registry, connection, _parse_all(bodies), author)
    return [
        f"{document_id.kind}/{document_id.key}" for document_id, body in bodies.items() if body != before[document_id]
    ]


_UNCHANGED = ""


def _mark(published: Definition | None, draft: Definition, wish: _Wish) -> str | None:
    """Return what ``renamed_from`` shall say; None: nothing."""
    if published is None:
        return _UNCHANGED
    pairs = follow_renames(published.entities, draft.entities)
    former, present = published.find_entity(pairs.get(wish.entity, "")), draft.find_entity(wish.entity)
    if not wish.field:
        return _mark_of(published.entities, pairs.get(wish.entity), wish.new_key)
    if former is None or present is None:
        return _UNCHANGED
    return _mark_of(former.fields, follow_renames(former.fields, present.fields).get(wish.field), wish.new_key)


def _mark_of(published: Sequence[Renamed], was: str | None, new_key: str) -> str | None:
    if was is None:
        return _UNCHANGED
    same = next((item for item in published if item.key == new_key), None)
    if new_key == was:
        return same.renamed_from if same else None  # renamed back before it was published
    if same is not None and same.renamed_from == was:
        detail = say(
            f"已发布的“{new_key}”正是由“{was}”改名而来;请先发布它的移除,再改名",
            f'The published "{new_key}" was itself renamed from "{was}"; publish its removal before this rename',
        )
        raise Problem("definition.exists", detail)
    return was


def _rewrite_references(definition: Definition, bodies: Mapping[DocumentId, JSON], wish: _Wish) -> None:
    for reference in find_references(definition):
        named_field = reference.kind == "field" and (reference.key, reference.field) == (wish.entity, wish.field)
        named_entity = not wish.field and reference.kind == "entity" and reference.key == wish.entity
        if named_field or named_entity:
            set_at(bodies[reference.document], reference.pointer, wish.new_key)


def _find_entity(connection: sa.Connection, app: str, bodies: Mapping[DocumentId, JSON], key: str) -> JSON:
    own = bodies.get(DocumentId(ENTITIES.name, key))
    if own is None:
        get_document(connection, app, ENTITIES.name, key)  # raises with the nearest name
    return own


def _find_field(entity: JSON, key: str) -> JSON:
    fields: Iterable[JSON] = entity.get("fields", [])
    found = next((field for field in fields if field["key"] == key), None)
    if found is None:
        hint = nearest_hint(key, [field["key"] for field in fields])
        raise Problem("definition.not_found", say(f"没有字段“{key}”{hint.zh}", f'There is no field "{key}"{hint.en}'))
    return found


def _taken(key: str) -> Problem:
    return Problem("definition.exists", say(f"键“{key}”已被使用", f'The key "{key}" is taken'))


def _parse_all(bodies: Mapping[DocumentId, JSON]) -> Definition:
    try:
        return assemble(parse_document(BY_NAME[document_id.kind], body) for document_id, body in bodies.items())
    except DocumentInvalid as invalid:
        raise invalid.problem() from None
