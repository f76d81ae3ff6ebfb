"""Check, plan, publish, versions, rollback, what is kept aside."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from builder.api.context import Author, Context, author_id, exact_body, language_of, moment, read_object, reply
from builder.definition.kinds import dump_definition
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from builder.registry.apps import export_app
from builder.registry.aside import line_json, list_aside, purge_kept
from builder.registry.publishing import Publication, check_draft, plan_draft, plan_rollback, publish_draft, roll_back
from builder.registry.versions import compare, list_versions

JSON = Any


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["publish"])
    registry = context.registry
    Builder = Annotated[Author, Depends(context.authorize("builder"))]
    Admin = Annotated[Author, Depends(context.authorize("admin"))]
    Body = Annotated[JSON, Depends(exact_body)]

    @router.get("/apps/{app}/check")
    def check(app: str, request: Request, author: Builder) -> Response:
        """Return all findings of the draft, errors first."""
        language = language_of(context, request)
        return reply([finding.to_json(language) for finding in check_draft(registry, app)])

    @router.get("/apps/{app}/plan")
    def plan(app: str, request: Request, author: Builder, to_version: int | None = None) -> Response:
        """Say what publishing the draft (or going back to a version) would do, step by step, with its effect on the records there are."""
        made = plan_draft(registry, app) if to_version is None else plan_rollback(registry, app, to_version)
        return reply(made.to_json(language_of(context, request), values=made.open or author.oversees))

    @router.post("/apps/{app}/publish")
    def publish(app: str, request: Request, author: Builder, body: Body) -> Response:
        """Publish the draft: ``{"base_version", "plan_hash", "accept_lossy", "note"}``; all or nothing."""
        kinds = {"base_version": int, "plan_hash": str, "accept_lossy": bool, "note": str}
        order = read_object(body, kinds, required=("base_version", "plan_hash"))
        made = publish_draft(
            registry,
            app,
            base_version=order["base_version"],
            plan_hash=order["plan_hash"],
            accept_lossy=order.get("accept_lossy", False),
            note=order.get("note"),
            author=author_id(author),
        )
        return _published(made, language_of(context, request))

    @router.post("/apps/{app}/rollback")
    def rollback(app: str, request: Request, author: Builder, body: Body) -> Response:
        """Publish a former version again: ``{"version", "base_version"}``. Data written since stays."""
        order = read_object(body, {"version": int, "base_version": int}, required=("version",))
        base = order.get("base_version")
        made = roll_back(registry, app, order["version"], base_version=base, author=author_id(author))
        return _published(made, language_of(context, request))

    @router.get("/apps/{app}/versions")
    def versions(app: str, author: Builder) -> Response:
        """List the versions, latest first."""
        with registry.database.snapshot() as connection:
            lines = list_versions(connection, app)
        return reply([{**line._asdict(), "published_at": moment(line.published_at)} for line in lines])

    @router.get("/apps/{app}/versions/{version}")
    def version(app: str, version: int, author: Builder) -> Response:
        """Return the definition of a version."""
        return reply(dump_definition(export_app(registry, app, version)))

    @router.get("/apps/{app}/versions/{old}/diff/{new}")
    def diff(app: str, old: str, new: str, author: Builder) -> Response:
        """Compare two versions; either may be ``draft``."""
        before, after = (dump_definition(export_app(registry, app, _version_of(name))) for name in (old, new))
        return reply([change._asdict() for change in compare(before, after)])

    @router.get("/apps/{app}/kept")
    def kept(app: str, author: Builder) -> Response:
        """List what left the definition and is kept aside."""
        return reply([{**line_json(line), "kept_at": moment(line.kept_at)} for line in list_aside(registry, app)])

    @router.delete("/apps/{app}/kept/{kept_id}")
    def purge(app: str, kept_id: str, author: Admin, confirm: str | None = None) -> Response:
        """Destroy something kept aside for good; ``confirm`` repeats its id."""
        return reply(line_json(purge_kept(registry, app, kept_id, confirm=confirm)))

    return router


def _published(made: Publication, language: Language) -> Response:
    return reply({"version": made.published.app.version, "plan": made.plan.to_json(language)})


def _version_of(name: str) -> int | None:
    if name == "draft":
        return None
    if not (name.isascii() and name.isdigit() and len(name) < 10):
        raise Problem("version.not_found", say("版本是数字或 draft", "A version is a number or draft"))
    return int(name)
