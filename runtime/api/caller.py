"""Who calls: the one way from a request's headers to an actor, for FastAPI routes and raw ASGI applications alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from builder.kernel.text import Language, pick_language
from runtime.access.gate import require_actor
from runtime.api.http import (
    ACTOR_ID,
    REQUEST_ID,
    SAFE_METHODS,
    Scope,
    client_address,
    find_header,
    list_header,
    require_same_origin,
)
from runtime.identity.actors import Actor, Credential, find_credential
from runtime.identity.audit import Origin
from runtime.services import Services


def request_credential(services: Services, scope: Scope) -> Credential | None:
    """Return what a request presents; a cookie counts for a changing method only if our own page sent it.

    Raises:
        Problem: ``auth.required`` for an Authorization header of an unknown form, ``access.origin``.
    """
    credential = find_credential(find_header(scope, b"authorization"), "; ".join(list_header(scope, b"cookie")))
    if credential is not None and credential.by_cookie and scope["method"] not in SAFE_METHODS:
        require_same_origin(scope, services.settings.public_url, services.settings.cors_origins)
    return credential


async def request_actor(services: Services, scope: Scope, *, epoch: int | None = None) -> Actor | None:
    """Return the actor of a request; None = anonymous.

    Args:
        epoch: the current identity epoch, if another statement brought it.

    Raises:
        Problem: ``auth.required`` for credentials that prove nobody, ``access.origin``.
    """
    credential = request_credential(services, scope)
    actor = None if credential is None else await services.authenticator.identify(credential, epoch=epoch)
    if actor is not None:
        scope[ACTOR_ID] = actor.user_id
    return actor


def services_of(request: Request) -> Services:
    """Return the services of the instance that serves a request (FastAPI dependency)."""
    services: Services = request.app.state.services
    return services


async def actor_of(request: Request) -> Actor:
    """Return who calls, or raise ``auth.required`` (FastAPI dependency)."""
    return require_actor(await request_actor(services_of(request), request.scope))


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
