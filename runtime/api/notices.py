"""``/api/me/notifications``: how one wants to be told."""

from __future__ import annotations

from fastapi import APIRouter

from runtime.access.gate import require_actor
from runtime.api.bodies import Answer
from runtime.api.caller import Caller, Here
from runtime.outbox.wishes import Wishes

router = APIRouter(tags=["inbox"])


@router.get("/api/me/notifications")
def get_wishes(here: Here, caller: Caller) -> Answer[Wishes]:
    """Say how one is told: by which connections, when in a digest, when not at all."""
    return Answer(data=here.delivery.wishes.get(str(require_actor(caller).user_id)))


@router.put("/api/me/notifications")
def put_wishes(here: Here, caller: Caller, body: Wishes) -> Answer[Wishes]:
    """Say how one wants to be told from now on; what is left out is as usual."""
    return Answer(data=here.delivery.wishes.put(str(require_actor(caller).user_id), body))
