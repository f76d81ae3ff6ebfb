"""``POST /builder/v1/apps/{app}/test``: play the scenarios of a draft."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from builder.api.context import read_object, reply
from builder.api.router import PREFIX
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import pick_language, say
from builder.registry.drafts import load_draft
from builder.registry.publishing import check_draft, refuse_errors
from runtime.access.gate import require_role
from runtime.api.caller import Caller, Here

JSON = Any
router = APIRouter(tags=["publish"])


async def _body(request: Request) -> JSON:
    content = await request.body()
    return parse_json(content) if content.strip() else {}


@router.post(f"{PREFIX}/apps/{{app}}/test")
def play_scenarios(
    app: str, request: Request, here: Here, caller: Caller, body: Annotated[JSON, Depends(_body)]
) -> Response:
    """Play the draft's scenarios on a scratch database with a clock that is moved: ``{"scenarios": ["key"]}``, or all of them."""
    require_role(caller, "builder", app)
    only = read_object(body, {"scenarios": list}).get("scenarios", [])
    if not all(isinstance(key, str) for key in only):
        raise Problem("request.malformed", say("scenarios 应是键的列表", "scenarios is a list of keys"))
    refuse_errors(check_draft(here.registry, app))
    with here.database.snapshot() as connection:
        definition = load_draft(connection, app)
    report = here.rehearsals.run(definition, only)
    language = pick_language(request.headers.get("accept-language"), here.settings.language)
    return reply(report.to_json(language))
