"""The draft of an app: its documents, each with a revision for ``If-Match``."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from builder.definition.keys import fill_keys
from builder.definition.kinds import APP, BY_NAME, Definition, DocumentId, Kind, assemble, dump_document
from builder.definition.parse import DocumentInvalid, parse_document
from builder.fields.base import Model
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.registry.preconditions import ABSENT, ANYTHING, Precondition
from builder.registry.registry import Registry, no_app
from builder.store import tables

JSON = Any
M = TypeVar("M", bound=Model)


class Draft(NamedTuple):
    """One document of a draft."""

    kind: str
    key: str
    body: JSON
    revision: int
    """The draft's revision when this was last changed."""


def get_kind(name: str) -> Kind[Any]:
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
    """Return the whole draft, parsed.

    Raises:
        Problem: ``app.not_found``; ``definition.invalid`` if a document was stored by a release that knew other rules.
    """
    documents: list[Model] = []
    violations: list[Violation] = []
    for draft in list_documents(connection, app):
        try:
            documents.append(parse_document(get_kind(draft.kind), draft.body))
        except DocumentInvalid as invalid:
            at = f"/{draft.kind}/{draft.key}"
            violations += [Violation(v.code, at + v.pointer, v.message, v.params) for v in invalid.violations]
    if violations:
        raise DocumentInvalid(violations).problem()
    return assemble(documents)


def lock_draft(connection: sa.Connection, app: str) -> int:
    """Hold an app's draft until the end of the transaction, so that changes of it take turns; return its revision.

    Writers of records are not held up: they share the row's key only.

    Raises:
        Problem: ``app.not_found``.
    """
    row = tables.app
    held = sa.select(row.c.draft_revision).where(row.c.key == app).with_for_update(key_share=True)
    revision = connection.scalar(held)
    if revision is None:
        raise no_app(app)
    return int(revision)


def put_document(
    registry: Registry,
    app: str,
    kind: Kind[Any],
    key: str | None,
    body: JSON,
    *,
    expected: Precondition = ANYTHING,
    author: str | None,
) -> Draft:
    """Create or replace a document. With ``key`` None it must be new; a key that was left out is made from the label.

    Raises:
        Problem: ``definition.invalid`` with all violations, ``definition.changed``, ``definition.exists``, ``app.not_found``.
    """
    with registry.database.transaction() as connection:
        lock_draft(connection, app)
        before = {draft.key: draft.revision for draft in list_documents(connection, app, kind.name)}
        document = _parse(kind, _with_key(body, key) if key is not None else fill_keys(body, taken=before))
        _refuse_other_key(app, kind, key, _key_of(document))
        (ABSENT if key is None else expected).check(before.get(_key_of(document)))
        return _write(registry, connection, app, kind.name, document, author)


def patch_document(
    registry: Registry,
    app: str,
    kind: Kind[Any],
    key: str,
    patch: JSON,
    *,
    expected: Precondition = ANYTHING,
    author: str | None,
) -> Draft:
    """Change members of a document by a JSON merge patch (RFC 7396): null removes a member, lists are replaced as a whole.

    Raises:
        Problem: as ``put_document``, and ``definition.not_found``.
    """
    with registry.database.transaction() as connection:
        lock_draft(connection, app)
        found = get_document(connection, app, kind.name, key)
        expected.check(found.revision)
        document = _parse(kind, merge_patch(found.body, patch))
        _refuse_other_key(app, kind, key, _key_of(document))
        return _write(registry, connection, app, kind.name, document, author)


def merge_patch(target: JSON, patch: JSON) -> JSON:
    """Apply a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def delete_document(
    registry: Registry, app: str, kind: Kind[Any], key: str, *, expected: Precondition = ANYTHING
) -> None:
    """Take a document out of the draft; its table stays until the draft is published, and is then kept aside.

    Raises:
        Problem: ``definition.single`` for the one document an app cannot be without, ``definition.not_found``, ``definition.changed``.
    """
    if kind.single:
        raise Problem("definition.single", say("应用不能没有这份定义", "An app cannot be without this document"))
    with registry.database.transaction() as connection:
        lock_draft(connection, app)
        expected.check(get_document(connection, app, kind.name, key).revision)
        row = tables.document
        here = (row.c.app == app) & (row.c.kind == kind.name) & (row.c.key == key)
        connection.execute(sa.delete(row).where(here))
        touch(connection, app)


def replace_draft(registry: Registry, connection: sa.Connection, definition: Definition, author: str | None) -> None:
    """Make the draft equal to a definition; what does not change keeps its revision. The caller holds the draft."""
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
    if before.keys() - after.keys():
        touch(connection, app)


def touch(connection: sa.Connection, app: str) -> int:
    """Count a change of the draft; return its revision."""
    row = tables.app
    counted = sa.update(row).where(row.c.key == app).values(draft_revision=row.c.draft_revision + 1)
    return int(connection.scalar(counted.returning(row.c.draft_revision)) or 0)


# -- details ----------------------------------------------------------------------------------------------------------------


def _parse(kind: Kind[M], body: JSON) -> M:
    try:
        return parse_document(kind, body)
    except DocumentInvalid as invalid:
        raise invalid.problem() from None


def _with_key(body: JSON, key: str) -> JSON:
    return {"key": key, **body} if isinstance(body, dict) and "key" not in body else body


def _key_of(document: Model) -> str:
    return str(document.key)  # type: ignore[attr-defined]


def _refuse_other_key(app: str, kind: Kind[Any], key: str | None, found: str) -> None:
    wanted = app if kind is APP else key
    if wanted in (None, found):
        return
    message = say(
        f"地址中的键是“{wanted}”,文档中是“{found}”;改键请用 rename",
        f'The address says "{wanted}", the document "{found}"; use rename to change a key',
    )
    raise Problem("definition.invalid", message, violations=[Violation("key.mismatch", "/key", message)])


def _write(
    registry: Registry, connection: sa.Connection, app: str, kind: str, document: Model, author: str | None
) -> Draft:
    # the draft's own revision: a document that was deleted and made again never has a number somebody saw before
    revision = touch(connection, app)
    row = tables.document
    key = _key_of(document)
    body = dump_document(document)
    values = {
        "body": dump_json(body).decode(),
        "revision": revision,
        "updated_at": registry.clock.now(),
        "updated_by": author,
    }
    here = (row.c.app == app) & (row.c.kind == kind) & (row.c.key == key)
    if connection.execute(sa.update(row).where(here).values(values)).rowcount == 0:
        connection.execute(sa.insert(row).values(app=app, kind=kind, key=key, **values))
    return Draft(kind, key, body, revision)
