"""Who calls: the one way from a request's headers to an actor, for FastAPI routes and raw ASGI applications alike."""

from __future__ import annotations

from runtime.api.http import ACTOR_ID, SAFE_METHODS, Scope, find_header, list_header, require_same_origin
from runtime.identity.actors import Actor, Credential, find_credential
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
