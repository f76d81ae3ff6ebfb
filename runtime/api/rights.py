"""What administrators ask about rights: why somebody may do something, and what an app looks like through their eyes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from builder.kernel.canonical import dump_json
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.access.gate import require_role
from runtime.api.http import REQUEST_ID, ROUTE, SAFE_METHODS, Scope, client_address, parse_query
from runtime.approvals.rights import explain_approvals
from runtime.identity.actors import Actor, Authenticator, Known
from runtime.identity.audit import Origin
from runtime.query.request import read_parameters
from runtime.records.caller import Caller
from runtime.records.explaining import explain_record

if TYPE_CHECKING:
    from runtime.api.records import Exchange

OVERRIDE = b"dougong-override"
"""The header that gives the reason for writing what a lock keeps: percent-encoded UTF-8."""
_REASON_LENGTH = 500
_ASKING = ("/api/{app}/records/{entity}/query", "/api/{app}/records/{entity}/aggregate")
"""Routes that ask with a body. Their templates and not their ends: an entity, a transition or a button may be called ``query`` too."""


async def explain(x: Exchange) -> None:
    """``GET …/records/{entity}/{id}/explain?actor=``: role and rule in words."""
    require_role(x.caller.actor, "admin", x.app)
    wanted = read_parameters(parse_query(x.scope), ("actor",)).get("actor")
    person = (await _find(x.api.authenticator, wanted or "")).actor
    await x.answer(
        200,
        dump_json(
            {
                "data": await explain_record(
                    x.api.records, x.caller, x.app, x.entity, x.record_id, person, {"approvals": explain_approvals}
                )
            }
        ),
    )


async def view_as(authenticator: Authenticator, actor: Actor | None, app: str, scope: Scope, user_id: str) -> Caller:
    """Return a caller who sees what another person sees; only to look, and every request of it is a security event.

    Raises:
        Problem: ``auth.required``, ``access.denied``, ``app.not_found``, ``identity.not_found``.
    """
    admin = require_role(actor, "admin", app or None)
    asks = scope["method"] == "POST" and scope.get(ROUTE) in _ASKING
    if scope["method"] not in SAFE_METHODS and not asks:
        raise Problem("access.denied", say("以他人身份只能查看,不能写入", "As somebody else one can look, not write"))
    known = await _find(authenticator, user_id)
    origin = Origin(admin.user_id, client_address(scope), scope[REQUEST_ID])
    detail = {"method": scope["method"], "path": scope["path"][:500]}
    await asyncio.to_thread(authenticator.audit.note_alone, "view_as", origin, known.actor.user_id, detail)
    return Caller(replace(known.actor, scopes=admin.scopes), scope[REQUEST_ID], "rest", known.epoch)


def with_override(caller: Caller, reason: str) -> Caller:
    """Return a caller who wants to override locks.

    Raises:
        Problem: ``request.header`` without a reason.
    """
    text = unquote(reason, errors="replace").strip()
    if not 0 < len(text) <= _REASON_LENGTH:
        detail = say(
            f"请给出 1 至 {_REASON_LENGTH} 个字的理由",
            f"Give a reason of 1 to {_REASON_LENGTH} characters, percent-encoded",
        )
        raise Problem("request.header", detail)
    return replace(caller, override=text)


async def _find(authenticator: Authenticator, user_id: str) -> Known:
    person = find_uuid(user_id)
    known = None if person is None else await authenticator.see_as(person)
    if known is None:
        raise Problem("identity.not_found", say("没有这个用户", "There is no such user"))
    return known
