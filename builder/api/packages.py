"""App packages: templates, install, import, export."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from builder.api.context import Author, Context, author_id, language_of, reply
from builder.packages import read_package, write_json, write_zip
from builder.packages.package import Package
from builder.packages.templates import get_template, list_templates
from builder.registry.apps import create_app, export_app, import_draft
from builder.registry.publishing import publish_draft

JSON = Any
_ZIP = "application/zip"


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["packages"])
    registry = context.registry
    Builder = Annotated[Author, Depends(context.authorize("builder"))]

    async def raw_body(request: Request) -> tuple[bytes, str | None]:
        return await request.body(), request.headers.get("content-type")

    @router.get("/templates")
    def templates(request: Request, author: Builder) -> Response:
        """List the bundled apps."""
        language = language_of(context, request)
        lines = [info._asdict() for info in list_templates()]
        return reply(
            [{**line, "label": line["label"].pick(language), "help": line["help"].pick(language)} for line in lines]
        )

    @router.post("/templates/{key}/install", status_code=201)
    def install(key: str, author: Builder, sample: bool = True) -> Response:
        """Create and publish a bundled app, with its sample records unless ``sample=false``."""
        package = get_template(key)
        create_app(registry, package.definition, author_id(author))
        return reply(_publish(package, author, "install", sample=sample), status=201)

    @router.post("/import")
    def import_package(
        author: Builder,
        body: Annotated[tuple[bytes, str | None], Depends(raw_body)],
        publish: bool = False,
        sample: bool = False,
    ) -> Response:
        """Read a package (JSON or zip) into the draft of its app, which is made if it is not there; ``publish=true`` publishes it."""
        package = read_package(body[0], body[1])
        line, is_new = import_draft(registry, package.definition, author_id(author))
        status = 201 if is_new else 200
        if publish:
            return reply(_publish(package, author, "import", sample=sample), status=status)
        return reply({"app": line.key, "draft_revision": line.draft_revision}, status=status)

    @router.get("/apps/{app}/export")
    def export(
        app: str,
        author: Builder,
        form: Annotated[Literal["json", "zip"], Query(alias="format")] = "json",
        version: int | None = None,
    ) -> Response:
        """Write the draft, or a version, as a package; equal apps give equal bytes."""
        package = Package(export_app(registry, app, version))
        name = f'attachment; filename="{app}.{form}"'
        if form == "zip":
            return Response(write_zip(package), media_type=_ZIP, headers={"content-disposition": name})
        return Response(write_json(package), media_type="application/json", headers={"content-disposition": name})

    def _publish(package: Package, author: Author, note: str, *, sample: bool) -> dict[str, JSON]:
        made = publish_draft(
            registry, package.key, base_version=None, plan_hash=None, author=author_id(author), note=note
        )
        count = context.load_sample(package) if sample and package.sample else 0
        return {"app": package.key, "version": made.published.app.version, "sample_count": count}

    return router
