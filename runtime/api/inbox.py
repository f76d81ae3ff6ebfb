"""Routes of one's own inbox."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from runtime.access.gate import apps_of, require_actor
from runtime.api.bodies import Answer, Moment
from runtime.api.caller import Caller, Here, Speaks
from runtime.identity.actors import Actor
from runtime.outbox.inbox import Notice

router = APIRouter(tags=["inbox"])

_LONGEST_WAIT = 25.0
_LOOK_SECONDS = 1.0


class NoticeAnswer(BaseModel):
    """A message, in the language the request asks for."""

    id: str
    subject: str
    text: str
    app: str | None
    entity: str | None
    record_id: str | None
    created_at: Moment
    read_at: Moment | None

    @classmethod
    def of(cls, notice: Notice, language: Speaks) -> NoticeAnswer:
        """Show a message."""
        same = {name: getattr(notice, name) for name in cls.model_fields if name not in ("subject", "text")}
        return cls(**same, subject=notice.subject.pick(language), text=notice.text.pick(language))


class UnreadAnswer(BaseModel):
    """How many messages are unread."""

    unread_count: int


@router.get("/api/inbox")
def list_notices(
    here: Here,
    caller: Caller,
    speaks: Speaks,
    unread: Annotated[bool, Query(description="only those that were not read")] = False,
    before: Annotated[str | None, Query(max_length=36, description="id to go on from")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Answer[list[NoticeAnswer]]:
    """List one's own messages, the latest first."""
    inbox = here.delivery.inbox
    found = inbox.list_notices(_user(caller), unread=unread, before=before, limit=limit, within=apps_of(caller))
    return Answer(data=[NoticeAnswer.of(notice, speaks) for notice in found])


@router.get("/api/inbox/unread")
async def count_unread(
    here: Here,
    caller: Caller,
    than: Annotated[int | None, Query(ge=0, description="wait until the number is another than this")] = None,
    wait: Annotated[float, Query(ge=0, le=_LONGEST_WAIT, description="at most so many seconds")] = 0,
) -> Answer[UnreadAnswer]:
    """Say how many messages are unread; with ``than`` and ``wait`` as soon as that changes."""
    user, inbox = _user(caller), here.delivery.inbox
    count = await run_in_threadpool(inbox.count_unread, user)
    for _ in range(int(wait / _LOOK_SECONDS)):
        if than is None or count != than:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        count = await run_in_threadpool(inbox.count_unread, user)
    return Answer(data=UnreadAnswer(unread_count=count))


@router.post("/api/inbox/read-all")
def mark_all(here: Here, caller: Caller) -> Answer[UnreadAnswer]:
    """Mark all of one's own messages as read."""
    here.delivery.inbox.mark_all(_user(caller))
    return Answer(data=UnreadAnswer(unread_count=0))


@router.post("/api/inbox/{notice_id}/read", status_code=204)
def mark_read(notice_id: str, here: Here, caller: Caller) -> None:
    """Mark a message as read."""
    here.delivery.inbox.mark(_user(caller), notice_id, read=True)


@router.post("/api/inbox/{notice_id}/unread", status_code=204)
def mark_unread(notice_id: str, here: Here, caller: Caller) -> None:
    """Mark a message as unread again."""
    here.delivery.inbox.mark(_user(caller), notice_id, read=False)


def _user(caller: Actor) -> str:
    return str(require_actor(caller).user_id)
