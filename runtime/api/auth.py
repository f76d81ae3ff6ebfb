"""Routes of one's own identity: log in and out, one-time links, password, sessions, tokens. Thin: rules live in ``runtime.identity``."""

from __future__ import annotations

import segno
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from runtime.access.gate import require_person
from runtime.api.bodies import (
    ActorAnswer,
    Answer,
    CodeBody,
    FactorAnswer,
    LoginAnswer,
    LoginBody,
    PasswordBody,
    PasswordRulesAnswer,
    ProofBody,
    ProviderAnswer,
    RecoveryAnswer,
    ResetBody,
    SessionAnswer,
    SetupBody,
    TokenAnswer,
    TokenBody,
    UserAnswer,
    WaysAnswer,
)
from runtime.api.caller import Caller, Here, Speaks, client_of, origin_of
from runtime.api.credentials import request_credential
from runtime.api.http import require_same_origin
from runtime.identity.actors import SESSION_COOKIE, Actor
from runtime.identity.sessions import Login
from runtime.services import Services

router = APIRouter(tags=["identity"])


@router.post("/api/auth/login")
def log_in(body: LoginBody, request: Request, response: Response, here: Here) -> Answer[LoginAnswer]:
    """Open a session. Ten failures in fifteen minutes, per user name and per address, answer 429."""
    _refuse_other_sites(here, request)
    origin = origin_of(request)
    login = here.identity.sessions.log_in(
        body.username,
        body.password,
        origin.address,
        code=body.code,
        new_password=body.new_password,
        client=client_of(request),
        request_id=origin.request_id,
    )
    return _opened(here, response, login, body.mode)


@router.post("/api/auth/setup")
def set_up(body: SetupBody, request: Request, response: Response, here: Here) -> Answer[LoginAnswer]:
    """Use a one-time link: set a password (the first admin chooses a user name too) and open a session."""
    _refuse_other_sites(here, request)
    login = here.identity.setup.redeem(
        body.link,
        body.password,
        username=body.username,
        name=body.name,
        origin=origin_of(request),
        client=client_of(request),
        code=body.code,
    )
    return _opened(here, response, login, body.mode)


@router.get("/api/auth/ways")
def ways_in(here: Here) -> Answer[WaysAnswer]:
    """Say how one gets in here and what new passwords have to be; for login pages, so it is open to everybody."""
    rules = here.identity.passwords.rules
    shown = PasswordRulesAnswer(
        least_length=rules.least_length, kinds=rules.kinds, days=rules.days, former=rules.former
    )
    label = None if here.provider is None else here.provider.settings.label
    provider = None if label is None else ProviderAnswer(label=label, url="/api/auth/oidc/login")
    return Answer(data=WaysAnswer(password=shown, reset_by_mail=here.resets.is_on, provider=provider))


@router.post("/api/auth/reset", status_code=202)
async def ask_for_reset(body: ResetBody, request: Request, here: Here, speaks: Speaks) -> None:
    """Ask for a link to set a new password, by mail. The answer is the same whether there is such an account or not."""
    _refuse_other_sites(here, request)
    await here.resets.ask(body.email, origin_of(request), speaks)


@router.post("/api/auth/logout", status_code=204)
def log_out(request: Request, response: Response, here: Here, caller: Caller) -> None:
    """End this session."""
    require_person(caller)
    end_this_session(here, request, response, caller)


@router.get("/api/me")
async def me(caller: Caller) -> Answer[ActorAnswer]:
    """Say who is calling."""
    return Answer(data=ActorAnswer.of(caller))


@router.patch("/api/auth/password", status_code=204)
def change_password(body: PasswordBody, request: Request, here: Here, caller: Caller) -> None:
    """Change one's own password; all other sessions end."""
    here.identity.sessions.change_password(
        person_of(caller),
        body.current,
        body.password,
        session_hash=_session_hash(here, request),
        by=origin_of(request, caller),
    )


@router.get("/api/auth/sessions")
def list_sessions(request: Request, here: Here, caller: Caller) -> Answer[list[SessionAnswer]]:
    """List one's own open sessions, the newest first."""
    found = here.identity.sessions.list_sessions(person_of(caller), current=_session_hash(here, request))
    return Answer(data=[SessionAnswer.of(session) for session in found])


@router.delete("/api/auth/sessions/{session_id}", status_code=204)
def end_session(session_id: str, request: Request, here: Here, caller: Caller) -> None:
    """End one of one's own sessions, such as the one on a phone that was lost."""
    here.identity.sessions.end_session(person_of(caller), session_id, origin_of(request, caller))


@router.post("/api/auth/factor", status_code=201)
def start_factor(here: Here, caller: Caller) -> Answer[FactorAnswer]:
    """Begin to set up a second factor: scan the code with an authenticator app, then confirm with what it shows."""
    started = here.identity.factors.start(here.identity.users.get_user(person_of(caller)))
    svg = segno.make(started.url, error="m").svg_inline(scale=4)
    return Answer(data=FactorAnswer(secret=started.secret, url=started.url, qr=svg))


@router.post("/api/auth/factor/confirm")
def confirm_factor(body: CodeBody, request: Request, here: Here, caller: Caller) -> Answer[RecoveryAnswer]:
    """Activate the second factor; from the next login on it is asked for."""
    user = here.identity.users.get_user(person_of(caller))
    codes = here.identity.factors.confirm(user, body.code, origin_of(request, caller))
    return Answer(data=RecoveryAnswer(recovery_codes=codes))


@router.post("/api/auth/factor/remove", status_code=204)
def remove_factor(body: ProofBody, request: Request, here: Here, caller: Caller) -> None:
    """Give up one's second factor; asks for the password, so that a session left open cannot."""
    origin = origin_of(request, caller)
    here.identity.sessions.prove(person_of(caller), body.password, origin)
    here.identity.factors.remove(person_of(caller), origin)


@router.get("/api/auth/tokens")
def list_tokens(here: Here, caller: Caller) -> Answer[list[TokenAnswer]]:
    """List one's own tokens that can still be used."""
    return Answer(data=[TokenAnswer.of(token) for token in here.identity.tokens.list_tokens(person_of(caller))])


@router.post("/api/auth/tokens", status_code=201)
def create_token(body: TokenBody, request: Request, here: Here, caller: Caller) -> Answer[TokenAnswer]:
    """Make a token; its secret is shown this once."""
    user = here.identity.users.get_user(person_of(caller))
    secret, token = here.identity.tokens.create_token(
        user, body.name, body.scopes, body.expires_at, by=origin_of(request, caller)
    )
    return Answer(data=TokenAnswer.of(token, secret))


@router.delete("/api/auth/tokens/{token_id}", status_code=204)
def revoke_token(token_id: str, request: Request, here: Here, caller: Caller) -> None:
    """Revoke a token: one's own, or as admin anybody's. It is refused from the next request on."""
    owner = person_of(caller)
    here.identity.tokens.revoke_token(
        token_id, owner=None if caller.role == "admin" else owner, by=origin_of(request, caller)
    )


def end_this_session(here: Services, request: Request, response: Response, caller: Actor) -> None:
    """End the session that a request was made with, here and in the browser."""
    here.identity.sessions.log_out(_session_hash(here, request), origin_of(request, caller))
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=here.settings.secure_cookie)


def set_session_cookie(here: Services, response: Response, secret: str) -> None:
    """Hand a session to a browser, out of reach of scripts."""
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=here.settings.session_hours * 3600,
        path="/",
        httponly=True,
        samesite="lax",
        secure=here.settings.secure_cookie,
    )


def person_of(caller: Actor) -> str:
    """Return the id of a caller who is a logged-in person; a token is not."""
    user_id = require_person(caller).user_id
    assert user_id is not None, "only the system has no user, and it makes no requests"
    return user_id


def _session_hash(here: Services, request: Request) -> str:
    credential = request_credential(here, request.scope)
    assert credential is not None, "the caller was identified by it"
    return credential.hash


def _refuse_other_sites(here: Services, request: Request) -> None:
    # no cookie is needed here, but another site must not be able to log a visitor in as somebody else
    require_same_origin(request.scope, here.settings.public_url, here.settings.cors_origins, certain=False)


def _opened(here: Services, response: Response, login: Login, mode: str) -> Answer[LoginAnswer]:
    if mode == "bearer":
        secret = login.secret
    else:
        secret = None
        set_session_cookie(here, response, login.secret)
    return Answer(data=LoginAnswer(user=UserAnswer.of(login.user), expires_at=login.expires_at, secret=secret))
