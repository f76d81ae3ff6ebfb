"""What can be built with: JSON Schema, field types, the formula language."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from builder.api.context import Author, Context, exact_body, language_of, read_object, reply
from builder.definition.schema import document_schema, package_schema
from builder.fields import ALL
from builder.kernel.problems import Problem
from builder.kernel.text import Language, say
from builder.registry.drafts import get_kind
from builder.registry.formulas import Trial, check_formula
from formulas.reference import reference

JSON = Any


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["catalog"])
    Builder = Annotated[Author, Depends(context.authorize("builder"))]

    @router.get("/schema")
    def schema(author: Builder) -> Response:
        """Return the JSON Schema (Draft 2020-12) of an app package."""
        return reply(package_schema())

    @router.get("/schema/{kind}")
    def kind_schema(kind: str, author: Builder) -> Response:
        """Return the JSON Schema of one kind of document."""
        return reply(document_schema(get_kind(kind)))

    @router.get("/field-types")
    def field_types(request: Request, author: Builder) -> Response:
        """List the field types with their options."""
        language = language_of(context, request)
        return reply([_field_type(kind, language) for kind in ALL])

    @router.post("/formulas/check")
    def check(request: Request, author: Builder, body: Annotated[JSON, Depends(exact_body)]) -> Response:
        """Check a formula for an entity of a draft: ``{"app", "entity", "formula", "record"?, "values"?}``; or a JSON filter, as ``filter`` instead.

        Answers its type, what it reads, every error with its place, and its other forms: text, text with labels, JSON filter
        (what only a formula can say stands in it as text, under ``_formula``).
        On a record (an id, admins only) or on values also what it gives and how, step by step.
        """
        members = {"app": str, "entity": str, "formula": str, "filter": dict, "record": str, "values": dict}
        given = "filter" if isinstance(body, dict) and "filter" in body and "formula" not in body else "formula"
        asked = read_object(body, members, required=("app", "entity", given))
        if "record" in asked and not author.oversees:
            detail = say("只有管理员可以在已有记录上试算", "Only admins try formulas on records that are there")
            raise Problem("access.denied", detail)
        trial = Trial(asked["app"], asked["entity"], asked[given], asked.get("record"), asked.get("values"))
        return reply(check_formula(context.registry, trial, author.user_id).to_json(language_of(context, request)))

    @router.get("/formulas/functions")
    def functions(author: Builder, core: bool = False) -> Response:
        """List the functions of formulas with signature, help and examples in both languages; ``core``: the sixty that one needs first."""
        return reply([function for function in reference() if function["core"] or not core])

    return router


def _field_type(kind: Any, language: Language) -> dict[str, JSON]:
    options = kind.model_json_schema()
    return {
        "type": kind.model_fields["type"].default,
        "title": kind.title.pick(language),
        "description": (kind.__doc__ or "").strip(),
        "assigned": kind.assigned,
        "options": options,
    }
