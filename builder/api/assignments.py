"""Sentences to steps of assignment rules and back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from builder.api.context import Author, Context, exact_body, read_object, reply
from builder.definition.assignment import Step
from builder.definition.kinds import dump_document
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.assignment_texts import parse_text, render_step

JSON = Any


def make(context: Context) -> APIRouter:
    """Return the routes."""
    router = APIRouter(tags=["assignments"])
    Builder = Annotated[Author, Depends(context.authorize("builder"))]
    Body = Annotated[JSON, Depends(exact_body)]

    @router.post("/apps/{app}/assignments/parse")
    def parse(app: str, request: Request, author: Builder, body: Body) -> Response:
        """Turn a sentence into a step: ``{"entity", "text"}``; what is not understood is refused, with the words."""
        order = read_object(body, {"entity": str, "text": str}, required=("entity", "text"))
        step = parse_text(context.registry, app, order["entity"], order["text"])
        sentence = render_step(context.registry, app, order["entity"], step)
        return reply({"step": dump_document(step), "text": sentence})

    @router.post("/apps/{app}/assignments/render")
    def render(app: str, request: Request, author: Builder, body: Body) -> Response:
        """Turn a step into the sentence that means it: ``{"entity", "step"}``; a step that no sentence says is refused."""
        order = read_object(body, {"entity": str, "step": dict}, required=("entity", "step"))
        try:
            step = Step.model_validate(order["step"], strict=False)
        except ValidationError as error:
            raise Problem(
                "request.malformed", say("这不是一个分配步骤", f"This is no step: {error.errors()[0]['msg']}")
            ) from None
        return reply({"text": render_step(context.registry, app, order["entity"], step)})

    return router
