"""What FastAPI's routes ask of a request: who calls, from where, in which language."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from builder.kernel.problems import Problem
from builder.kernel.text import Language, pick_language, say
from runtime.access.gate import require_actor, require_app, require_scope
from runtime.api.credentials import request_actor, request_credential
from runtime.api.http import REQUEST_ID, SAFE_METHODS, VIEW_AS, client_address, find_header
from runtime.identity import scopes
from runtime.identity.actors import Actor
from runtime.identity.audit import Origin
from runtime.records.caller import Caller as RecordsCaller
from runtime.records.caller import Door
from runtime.services import Services


async def records_caller(request: Request, door: Door) -> RecordsCaller:
    """Return who asks, as rooms of records take it.

    Raises:
        Problem: ``auth.required``, ``access.origin``.
    """
    services, actor = services_of(request), await actor_of(request)
    credential = request_credential(services, request.scope)
    known = None if credential is None else services.authenticator.remembered(credential)
    return RecordsCaller(actor, request.scope[REQUEST_ID], door, None if known is None else known.epoch)


def services_of(request: Request) -> Services:
    """Return the services of the instance that serves a request (FastAPI dependency)."""
    services: Services = request.app.state.services
    return services


async def actor_of(request: Request) -> Actor:
    """Return who calls (FastAPI dependency): within what their token is for, and not as somebody else.

    Raises:
        Problem: ``auth.required``, ``access.origin``, ``access.denied``, ``app.not_found``.
    """
    actor = require_actor(await request_actor(services_of(request), request.scope))
    app = request.path_params.get("app")
    if app is not None:
        require_app(actor, app)
    if request.method not in SAFE_METHODS:
        require_scope(actor, (scopes.WRITE, scopes.BUILDER, scopes.ADMIN))
    if find_header(request.scope, VIEW_AS) is not None:
        # passed over, it would let somebody who believes to look as another do things as themselves
        detail = say("此处不能以他人身份查看", "One cannot look as somebody else here")
        raise Problem("access.denied", detail)
    return actor


def origin_of(request: Request, caller: Actor | None = None) -> Origin:
    """Return who does something, for the security audit."""
    actor = None if caller is None else caller.user_id or caller.username
    return Origin(actor, client_address(request.scope), request.scope.get(REQUEST_ID, ""))


def client_of(request: Request) -> str:
    """Return what a request was made with, as it names itself."""
    return request.headers.get("user-agent", "")


def language_of(request: Request) -> Language:
    """Return the language a request asks for."""
    return pick_language(request.headers.get("accept-language"), services_of(request).settings.language)


Here = Annotated[Services, Depends(services_of)]
Caller = Annotated[Actor, Depends(actor_of)]
Speaks = Annotated[Language, Depends(language_of)]
