"""The draft of an app: its documents, each with a revision for ``If-Match``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.kinds import APP, BY_NAME, ENTITIES, Definition, DocumentId, Kind, assemble, dump_document
from builder.definition.parse import DocumentInvalid, parse_document
from builder.definition.references import find_references, set_at
from builder.fields.base import Model, is_key
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.registry.registry import Registry, find_published, no_app
from builder.store import tables

JSON = Any


class Draft(NamedTuple):
    """One document of a draft."""

    kind: str
    key: str
    body: JSON
    revision: int


def get_kind(name: str) -> Kind:
    """Return a kind of document by its name.

    Raises:
        Problem: ``definition.not_found`` with the nearest name.
    """
    found = BY_NAME.get(name)
    if found is None:
        hint = nearest_hint(name, BY_NAME)
        raise Problem(
            "definition.not_found", say(f"没有定义种类“{name}”{hint.zh}", f'There is no kind "{name}"{hint.en}')
        )
    return found


def list_documents(connection: sa.Connection, app: str, kind: str | None = None) -> list[Draft]:
    """Return the documents of a draft, by kind and key.

    Raises:
        Problem: ``app.not_found``.
    """
    if connection.scalar(sa.select(tables.app.c.key).where(tables.app.c.key == app)) is None:
        raise no_app(app)
    row = tables.document
    statement = sa.select(row.c.kind, row.c.key, row.c.body, row.c.revision).where(row.c.app == app)
    if kind is not None:
        statement = statement.where(row.c.kind == kind)
    ordered = statement.order_by(row.c.kind, row.c.key)
    return [Draft(k, key, parse_json(body), revision) for k, key, body, revision in connection.execute(ordered)]


def get_document(connection: sa.Connection, app: str, kind: str, key: str) -> Draft:
    """Return one document.

    Raises:
        Problem: ``app.not_found``, ``definition.not_found``.
    """
    documents = list_documents(connection, app, kind)
    found = next((draft for draft in documents if draft.key == key), None)
    if found is None:
        hint = nearest_hint(key, [draft.key for draft in documents])
        raise Problem(
            "definition.not_found", say(f"没有定义“{kind}/{key}”{hint.zh}", f'There is no "{kind}/{key}"{hint.en}')
        )
    return found


def load_draft(connection: sa.Connection, app: str) -> Definition:
    """Return the whole draft, parsed."""
    return assemble(parse_document(get_kind(draft.kind), draft.body) for draft in list_documents(connection, app))


def put_document(
    registry: Registry, app: str, kind: Kind, key: str | None, body: JSON, *, if_match: int | None, author: str | None
) -> Draft:
    """Create (``key`` None, or not there yet) or replace a document.

    Args:
        if_match: the revision the caller has seen; None = do not check; 0 = must not exist yet.

    Raises:
        Problem: ``definition.invalid`` with all violations, ``definition.changed``, ``definition.exists``, ``app.not_found``.
    """
    document = _parse(kind, _with_key(body, key))
    own_key = _key_of(document)
    if (key is not None and own_key != key) or (kind is APP and own_key != app):
        raise _key_mismatch(key or app, own_key)
    with registry.database.transaction() as connection:
        before = {draft.key: draft.revision for draft in list_documents(connection, app, kind.name)}
        if if_match == 0 and own_key in before:
            raise Problem(
                "definition.exists", say(f"“{kind.name}/{own_key}”已存在", f'"{kind.name}/{own_key}" exists already')
            )
        if if_match:
            _expect(before.get(own_key), if_match)
        revision = _write(registry, connection, app, kind.name, document, author)
    return Draft(kind.name, own_key, dump_document(document), revision)


def delete_document(registry: Registry, app: str, kind: Kind, key: str, *, if_match: int | None) -> None:
    """Take a document out of the draft; its table stays until the draft is published, and is then kept aside."""
    if kind.single:
        raise Problem("request.method", say("这份定义不能单独删除", "This document cannot be deleted on its own"))
    with registry.database.transaction() as connection:
        found = get_document(connection, app, kind.name, key)
        if if_match is not None:
            _expect(found.revision, if_match)
        row = tables.document
        here = (row.c.app == app) & (row.c.kind == kind.name) & (row.c.key == key)
        connection.execute(sa.delete(row).where(here))
        touch(connection, app)


def replace_draft(registry: Registry, connection: sa.Connection, definition: Definition, author: str | None) -> None:
    """Make the draft equal to a definition; revisions of unchanged documents stay."""
    app = definition.key
    before = {DocumentId(draft.kind, draft.key): draft.body for draft in list_documents(connection, app)}
    after = dict(definition.documents())
    for gone in before.keys() - after.keys():
        row = tables.document
        connection.execute(
            sa.delete(row).where((row.c.app == app) & (row.c.kind == gone.kind) & (row.c.key == gone.key))
        )
    for document_id, document in after.items():
        if before.get(document_id) != dump_document(document):
            _write(registry, connection, app, document_id.kind, document, author)
    touch(connection, app)


def touch(connection: sa.Connection, app: str) -> None:
    """Count a change of the draft."""
    connection.execute(
        sa.update(tables.app).where(tables.app.c.key == app).values(draft_revision=tables.app.c.draft_revision + 1)
    )


# -- rename -----------------------------------------------------------------------------------------------------------------


def rename_entity(registry: Registry, app: str, key: str, new_key: str, author: str | None) -> list[str]:
    """Give an entity another key and rewrite every reference to it; return the documents that changed."""
    return _rename(registry, app, key, "", new_key, author)


def rename_field(registry: Registry, app: str, entity: str, key: str, new_key: str, author: str | None) -> list[str]:
    """Give a field another key and rewrite every reference to it; return the documents that changed."""
    return _rename(registry, app, entity, key, new_key, author)


def _rename(registry: Registry, app: str, entity: str, field: str, new_key: str, author: str | None) -> list[str]:
    if not is_key(new_key):
        message = say(
            "键以小写字母开头,只含小写字母、数字和下划线",
            "A key starts with a lower-case letter and has letters, digits and _",
        )
        raise Problem("definition.invalid", message, violations=[Violation("pattern", "/key", message)])
    with registry.database.transaction() as connection:
        definition = load_draft(connection, app)
        published = find_published(registry, connection, app)
        bodies = {document_id: dump_document(document) for document_id, document in definition.documents()}
        own = bodies.get(DocumentId(ENTITIES.name, entity))
        if own is None:
            get_document(connection, app, ENTITIES.name, entity)  # raises with the nearest name
        assert own is not None
        for reference in find_references(definition):
            named_field = reference.kind == "field" and (reference.entity, reference.field) == (entity, field)
            named_entity = not field and reference.kind == "entity" and reference.entity == entity
            if named_field or named_entity:
                set_at(bodies[reference.document], reference.pointer, new_key)
        target = _find_field(own, field) if field else own
        _refuse_taken(
            new_key, [f["key"] for f in own["fields"]] if field else [d.key for d in bodies if d.kind == ENTITIES.name]
        )
        known = published.app.entities.get(own.get("renamed_from") or entity) if published else None
        old_key = target["key"]
        was_published = known is not None and (not field or old_key in known.fields)
        target["key"] = new_key
        if was_published:
            target.setdefault("renamed_from", old_key)
        if target.get("renamed_from") == new_key:
            del target["renamed_from"]  # renamed back before it was published
        before = {document_id: dump_document(document) for document_id, document in definition.documents()}
        changed = [document_id for document_id, body in bodies.items() if body != before[document_id]]
        replace_draft(
            registry, connection, assemble(_parse(BY_NAME[d.kind], body) for d, body in bodies.items()), author
        )
    return [f"{document_id.kind}/{document_id.key}" for document_id in changed]


def _find_field(entity: JSON, key: str) -> JSON:
    fields = entity.get("fields", [])
    found = next((field for field in fields if field["key"] == key), None)
    if found is None:
        hint = nearest_hint(key, [field["key"] for field in fields])
        raise Problem("definition.not_found", say(f"没有字段“{key}”{hint.zh}", f'There is no field "{key}"{hint.en}'))
    return found


def _refuse_taken(key: str, taken: Iterable[str]) -> None:
    if key in set(taken):
        raise Problem("definition.exists", say(f"键“{key}”已被使用", f'The key "{key}" is taken'))


# -- details ----------------------------------------------------------------------------------------------------------------


def _parse(kind: Kind, body: JSON) -> Model:
    try:
        return parse_document(kind, body)
    except DocumentInvalid as invalid:
        raise invalid.problem() from None


def _with_key(body: JSON, key: str | None) -> JSON:
    return {"key": key, **body} if key is not None and isinstance(body, dict) and "key" not in body else body


def _key_of(document: Model) -> str:
    return str(document.key)  # type: ignore[attr-defined]


def _key_mismatch(expected: str, found: str) -> Problem:
    message = say(
        f"地址中的键是“{expected}”,文档中是“{found}”;改键请用 rename",
        f'The address says "{expected}", the document "{found}"; use rename to change a key',
    )
    return Problem("definition.invalid", message, violations=[Violation("key.mismatch", "/key", message)])


def _expect(found: int | None, wanted: int) -> None:
    if found != wanted:
        detail = say(
            f"您看到的是修订 {wanted},现在是 {found or 0};请重新读取",
            f"You saw revision {wanted}, now it is {found or 0}; read it again",
        )
        raise Problem("definition.changed", detail, extra={"revision": found or 0})


def _write(
    registry: Registry, connection: sa.Connection, app: str, kind: str, document: Model, author: str | None
) -> int:
    row = tables.document
    key = _key_of(document)
    here = (row.c.app == app) & (row.c.kind == kind) & (row.c.key == key)
    values = {
        "body": dump_json(dump_document(document)).decode(),
        "updated_at": registry.clock.now(),
        "updated_by": author,
    }
    revision = int(connection.scalar(sa.select(row.c.revision).where(here)) or 0) + 1
    if revision > 1:
        connection.execute(sa.update(row).where(here).values(revision=revision, **values))
    else:
        connection.execute(sa.insert(row).values(app=app, kind=kind, key=key, revision=1, **values))
    touch(connection, app)
    return revision
