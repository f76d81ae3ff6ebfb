"""Routes of logins by a provider (OpenID Connect): off to it, back from it, bound, unbound, logged out. Rules live in ``runtime.identity``."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from builder.kernel.problems import Problem
from runtime.access.gate import require_person
from runtime.api.auth import end_this_session, person_of, set_session_cookie
from runtime.api.bodies import Answer
from runtime.api.caller import Caller, Here, client_of, origin_of
from runtime.identity.provider import Provider, ProviderRefused, refused
from runtime.identity.provider_logins import LIFETIME, Begun, ProviderLogins
from runtime.services import Services

router = APIRouter(tags=["identity"])

COOKIE = "dougong_provider"
COOKIE_PATH = "/api/auth/oidc"
_SHORT = Query(max_length=4_000)
_LOGOUT_BYTES = 32 * 1024


class AddressAnswer(BaseModel):
    """Where the browser goes next; null: nowhere."""

    url: str | None


@router.get("/api/auth/oidc/login", response_class=RedirectResponse, status_code=303)
async def log_in_by_provider(
    request: Request, here: Here, next_path: Annotated[str, Query(alias="next", max_length=500)] = "/"
) -> Response:
    """Send the browser to the login provider; it comes back logged in to ``next``, a path on this service."""
    provider, logins = _configured(here)
    begun = await asyncio.to_thread(logins.begin, origin_of(request), next_path)
    response = RedirectResponse(await _login_url(provider, begun), status_code=303)
    _set_browser(here, response, begun)
    return response


@router.get("/api/auth/oidc/callback", response_class=RedirectResponse, status_code=303)
async def come_back_from_provider(
    request: Request,
    here: Here,
    state: Annotated[str, _SHORT] = "",
    code: Annotated[str, _SHORT] = "",
    error: Annotated[str, _SHORT] = "",
    iss: Annotated[str | None, _SHORT] = None,
) -> Response:
    """Take the provider's answer: check it, open a session, go on to where the login was to lead."""
    provider, logins = _configured(here)
    origin = origin_of(request)
    try:
        taken = await asyncio.to_thread(logins.take, state, request.cookies.get(COOKIE))
        await provider.require_issuer(iss)
        if error or not code:
            raise refused(f"the provider answered {error[:100] or 'without a code'}")
        claims = await provider.redeem(code, taken.verifier, taken.nonce)
        login = await asyncio.to_thread(logins.finish, claims, taken, origin, client_of(request))
    except Problem as problem:
        why = problem.why if isinstance(problem, ProviderRefused) else problem.code
        await asyncio.to_thread(logins.note_refused, origin, why)
        raise
    response = RedirectResponse(taken.next, status_code=303)
    response.delete_cookie(COOKIE, path=COOKIE_PATH)
    set_session_cookie(here, response, login.secret)
    return response


@router.post("/api/auth/oidc/bind")
async def bind_provider(request: Request, response: Response, here: Here, caller: Caller) -> Answer[AddressAnswer]:
    """Bind one's account of the provider: send the browser to the address of the answer."""
    provider, logins = _configured(here)
    user_id = person_of(caller)
    begun = await asyncio.to_thread(lambda: logins.begin(origin_of(request, caller), "/", user_id=user_id))
    _set_browser(here, response, begun)
    return Answer(data=AddressAnswer(url=await _login_url(provider, begun)))


@router.delete("/api/auth/oidc/bind", status_code=204)
def unbind_provider(request: Request, here: Here, caller: Caller) -> None:
    """Give the binding up; one needs a password then."""
    _, logins = _configured(here)
    logins.unbind(person_of(caller), origin_of(request, caller))


@router.post("/api/auth/oidc/logout")
async def log_out_everywhere(request: Request, response: Response, here: Here, caller: Caller) -> Answer[AddressAnswer]:
    """End this session; the answer says where to go to end the provider's as well."""
    provider, _ = _configured(here)
    require_person(caller)
    await asyncio.to_thread(end_this_session, here, request, response, caller)
    return Answer(data=AddressAnswer(url=await provider.logout_url()))


@router.post("/api/auth/oidc/backchannel", status_code=204)
async def provider_logged_out(request: Request, here: Here) -> None:
    """Be told by the provider that somebody logged out there: all their sessions here end. Signed, so it needs no credentials."""
    provider, logins = _configured(here)
    body = await request.body()
    given = parse_qs(body[:_LOGOUT_BYTES].decode("ascii", "replace")).get("logout_token", [""])
    subject = await provider.logged_out(given[0])
    await asyncio.to_thread(logins.end_sessions, subject, origin_of(request))


def _configured(here: Services) -> tuple[Provider, ProviderLogins]:
    if here.provider is None or here.provider_logins is None:
        raise Problem("auth.provider_off")
    return here.provider, here.provider_logins


async def _login_url(provider: Provider, begun: Begun) -> str:
    return await provider.login_url(begun.state, begun.nonce, begun.verifier)


def _set_browser(here: Services, response: Response, begun: Begun) -> None:
    # Lax: the provider sends the browser back by a link, and this cookie has to come along
    response.set_cookie(
        COOKIE,
        begun.browser,
        max_age=int(LIFETIME.total_seconds()),
        path=COOKIE_PATH,
        httponly=True,
        samesite="lax",
        secure=here.settings.secure_cookie,
    )
