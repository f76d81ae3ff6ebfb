"""Routes of public forms: shown to and filled in by anybody. Rules live in ``runtime/sharing``."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from builder.kernel.canonical import parse_json
from runtime.api.bodies import Answer, Body
from runtime.api.caller import Here, Speaks
from runtime.api.files import UPLOAD_SECONDS, uploaded
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


@router.post(
    "/api/{app}/forms/{form}/files",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
                },
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def bring_file(
    app: str,
    form: str,
    request: Request,
    here: Here,
    field: Annotated[str, Query(max_length=60, description="the field that the file is for")],
    captcha: Annotated[str | None, Query(max_length=8_000, description="answer to a challenge of its own")] = None,
) -> Answer[dict[str, Any]]:
    """Bring a file for a field of a form; its ``ticket`` then stands in ``values`` when the form is handed in."""
    async with asyncio.timeout(UPLOAD_SECONDS):
        name, chunks = await uploaded(request.scope, request.receive)
        address = client_address(request.scope)
        found = await here.forms.bring(app, form, field, name, chunks, captcha, address=address)
    return Answer(data=found.as_json())
