"""Routes of public forms: shown to and filled in by anybody. Rules live in ``runtime/sharing``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from builder.kernel.canonical import parse_json
from runtime.api.bodies import Answer, Body
from runtime.api.caller import Here, Speaks
from runtime.api.http import REQUEST_ID, client_address

router = APIRouter(tags=["forms"])


class HandInBody(Body):
    """What was filled in, by key of the field, with the answer to the captcha where the form has one."""

    values: dict[str, Any]
    captcha: Annotated[str, Field(max_length=8_000)] | None = None


@router.get("/api/{app}/forms/{form}")
async def show_form(app: str, form: str, request: Request, here: Here, speaks: Speaks) -> Answer[dict[str, Any]]:
    """Return what a page needs to show a public form: its fields, and a new challenge against robots."""
    return Answer(data=await here.forms.describe(app, form, client_address(request.scope), speaks))


@router.post("/api/{app}/forms/{form}", status_code=201)
async def hand_in(
    app: str, form: str, body: HandInBody, request: Request, here: Here, speaks: Speaks
) -> Answer[dict[str, str]]:
    """Hand a form in. The answer thanks and tells nothing of the record."""
    thanks = await here.forms.hand_in(
        app,
        form,
        parse_json(await request.body())["values"],  # numbers as they were written
        body.captcha,
        address=client_address(request.scope),
        request_id=request.scope[REQUEST_ID],
    )
    return Answer(data={"thanks": thanks.pick(speaks)})
