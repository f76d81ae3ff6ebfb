"""Apps as a whole, and their drafts as one document."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from builder.api.context import Author, Context, author_id, exact_body, moment, precondition, reply
from builder.definition.app import App
from builder.definition.kinds import APP, Definition, assemble, dump_definition
from builder.definition.parse import DocumentInvalid, parse_definition, parse_document
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.registry.apps import (
    AppLine,
    create_app,
    delete_app,
    describe_deletion,
    export_app,
    get_app,
    list_apps,
    put_draft,
)

JSON = Any


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["apps"])
    registry = context.registry
    Builder = Annotated[Author, Depends(context.authorize("builder"))]
    Admin = Annotated[Author, Depends(context.authorize("admin"))]

    @router.get("/apps")
    def list_all(author: Builder) -> Response:
        """List the apps."""
        with registry.database.snapshot() as connection:
            return reply([_line(line) for line in list_apps(connection)])

    @router.post("/apps", status_code=201)
    def create(author: Builder, body: Annotated[JSON, Depends(exact_body)]) -> Response:
        """Create an app: from its ``app`` document alone, or from a whole definition."""
        line = create_app(registry, _read_new(body), author_id(author))
        return reply(_line(line), status=201, revision=line.draft_revision)

    @router.get("/apps/{app}")
    def get(app: str, author: Builder) -> Response:
        """Return one app: its published version and its draft's revision."""
        with registry.database.snapshot() as connection:
            line = get_app(connection, app)
        return reply(_line(line), revision=line.draft_revision)

    @router.get("/apps/{app}/deletion")
    def preview_deletion(app: str, author: Admin) -> Response:
        """Say what deleting the app would destroy."""
        return reply(describe_deletion(registry, app))

    @router.delete("/apps/{app}")
    def delete(app: str, author: Admin, confirm: str | None = None) -> Response:
        """Destroy the app with all of its data; ``confirm`` repeats its key."""
        return reply(delete_app(registry, app, confirm=confirm))

    @router.get("/apps/{app}/draft")
    def get_draft(app: str, author: Builder) -> Response:
        """Return the whole draft; its ETag changes with every document."""
        with registry.database.snapshot() as connection:
            line = get_app(connection, app)
        return reply(dump_definition(export_app(registry, app)), revision=line.draft_revision)

    @router.put("/apps/{app}/draft")
    def replace_draft(
        app: str, request: Request, author: Builder, body: Annotated[JSON, Depends(exact_body)]
    ) -> Response:
        """Replace the whole draft."""
        definition = _read_definition(body)
        if definition.key != app:
            raise _other_key(app, definition.key)
        line = put_draft(registry, definition, author_id(author), expected=precondition(request, required=True))
        return reply(_line(line), revision=line.draft_revision)

    return router


def _line(line: AppLine) -> dict[str, JSON]:
    return {**line._asdict(), "created_at": moment(line.created_at)}


def _read_new(body: JSON) -> Definition:
    if isinstance(body, dict) and APP.name in body:
        return _read_definition(body)
    try:
        document = parse_document(APP, body)
    except DocumentInvalid as invalid:
        raise invalid.problem() from None
    assert isinstance(document, App)
    return assemble([document])


def _read_definition(body: JSON) -> Definition:
    try:
        return parse_definition(body)
    except DocumentInvalid as invalid:
        raise invalid.problem() from None


def _other_key(app: str, found: str) -> Problem:
    message = say(f"地址中的应用是“{app}”,内容中是“{found}”", f'The address says "{app}", the body "{found}"')
    return Problem("definition.invalid", message, violations=[Violation("key.mismatch", "/app/key", message)])
