"""``POST /api/{app}/hooks/{automation}``: messages of other systems. Their signature is what lets them in."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request

from builder.kernel.limits import HOOK_BYTES
from runtime.api.bodies import Answer
from runtime.api.caller import Here, language_of
from runtime.api.http import REQUEST_ID, client_address, read_body
from runtime.automations.service import run_json

router = APIRouter(tags=["automations"])
JSON = Any


class ReceivedAnswer(BaseModel):
    """What became of a message. ``repeated``: it was taken before, nothing happened now."""

    message_id: str
    repeated: bool
    run: dict[str, Any] | None


@router.post("/api/{app}/hooks/{automation}")
async def receive_message(app: str, automation: str, here: Here, request: Request) -> Answer[ReceivedAnswer]:
    """Take a signed message: ``dougong-timestamp`` (seconds) and ``dougong-signature``, ``v1=`` and the HMAC-SHA256 (hex) of ``{timestamp}.{body}``."""
    body = await read_body(request.receive, HOOK_BYTES)
    received = await here.hooks.receive(
        request.scope[REQUEST_ID], app, automation, request.headers, body, client_address(request.scope)
    )
    run = None if received.run is None else run_json(received.run, language_of(request))
    return Answer(data=ReceivedAnswer(message_id=received.message_id, repeated=received.is_repeated, run=run))
