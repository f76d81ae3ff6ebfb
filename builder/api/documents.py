"""The documents of a draft, one by one."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from builder.api.context import Author, Context, author_id, exact_body, precondition, read_object, reply
from builder.registry.drafts import (
    Draft,
    delete_document,
    get_document,
    get_kind,
    list_documents,
    patch_document,
    put_document,
)
from builder.registry.renaming import rename_entity, rename_field

JSON = Any


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["draft"])
    registry = context.registry
    Builder = Annotated[Author, Depends(context.authorize("builder"))]
    Body = Annotated[JSON, Depends(exact_body)]

    @router.post("/apps/{app}/entities/{key}/rename")
    def rename_an_entity(app: str, key: str, author: Builder, body: Body) -> Response:
        """Give an entity another key and rewrite every reference: ``{"key": "new"}``; answers the documents that changed."""
        wanted = read_object(body, {"key": str}, required=("key",))["key"]
        return reply({"changed": rename_entity(registry, app, key, wanted, author_id(author))})

    @router.post("/apps/{app}/entities/{key}/fields/{field}/rename")
    def rename_a_field(app: str, key: str, field: str, author: Builder, body: Body) -> Response:
        """Give a field another key and rewrite every reference: ``{"key": "new"}``; answers the documents that changed."""
        wanted = read_object(body, {"key": str}, required=("key",))["key"]
        return reply({"changed": rename_field(registry, app, key, field, wanted, author_id(author))})

    @router.get("/apps/{app}/{kind}")
    def list_kind(app: str, kind: str, author: Builder) -> Response:
        """List the documents of a kind."""
        with registry.database.snapshot() as connection:
            found = list_documents(connection, app, get_kind(kind).name)
        return reply(
            [draft.body for draft in found], meta={"revisions": {draft.key: draft.revision for draft in found}}
        )

    @router.post("/apps/{app}/{kind}", status_code=201)
    def create(app: str, kind: str, author: Builder, body: Body) -> Response:
        """Create a document; a key that is left out is made from its label."""
        return _answer(put_document(registry, app, get_kind(kind), None, body, author=author_id(author)), 201)

    @router.get("/apps/{app}/{kind}/{key}")
    def get(app: str, kind: str, key: str, author: Builder) -> Response:
        """Return a document with its ETag."""
        with registry.database.snapshot() as connection:
            return _answer(get_document(connection, app, get_kind(kind).name, key))

    @router.put("/apps/{app}/{kind}/{key}")
    def put(app: str, kind: str, key: str, request: Request, author: Builder, body: Body) -> Response:
        """Create or replace a document; replacing needs ``If-Match``."""
        expected = precondition(request, required=True)
        return _answer(
            put_document(registry, app, get_kind(kind), key, body, expected=expected, author=author_id(author))
        )

    @router.patch("/apps/{app}/{kind}/{key}")
    def patch(app: str, kind: str, key: str, request: Request, author: Builder, body: Body) -> Response:
        """Change members of a document (JSON merge patch, RFC 7396); needs ``If-Match``."""
        expected = precondition(request, required=True)
        return _answer(
            patch_document(registry, app, get_kind(kind), key, body, expected=expected, author=author_id(author))
        )

    @router.delete("/apps/{app}/{kind}/{key}", status_code=204)
    def delete(app: str, kind: str, key: str, request: Request, author: Builder) -> Response:
        """Take a document out of the draft; needs ``If-Match``. Its records stay until, and after, the draft is published."""
        delete_document(registry, app, get_kind(kind), key, expected=precondition(request, required=True))
        return Response(status_code=204)

    return router


def _answer(draft: Draft, status: int = 200) -> Response:
    return reply(draft.body, status=status, revision=draft.revision)
