"""Routes of share links: made, listed and taken back by people of the house; opened by who has one. Rules live in ``runtime/sharing``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text
from builder.kernel.limits import FIELD_PATHS, LABEL_LENGTH, PAGE_RECORDS, PAGE_RECORDS_DEFAULT
from builder.kernel.problems import Problem
from builder.kernel.text import Language
from runtime.access.gate import FieldMap, gate
from runtime.api.bodies import Answer, Body, Moment, Password
from runtime.api.caller import Here, Speaks, actor_of, origin_of, records_caller, services_of
from runtime.records.caller import Caller as RecordsCaller
from runtime.records.caller import StaleIdentity
from runtime.sharing.shares import Opened, Share, Wish, shown_fields

router = APIRouter(tags=["sharing"])

PAGE_PATH = "/shared#"
"""The secret stands behind the #: browsers do not send it, so it is in no log."""


class SharedRecord(Body):
    """A record to share."""

    entity: Annotated[str, Field(min_length=1, max_length=40)]
    id: Annotated[str, Field(min_length=1, max_length=36)]


class SharedView(Body):
    """A view to share: of the app, or one's own."""

    entity: Annotated[str, Field(min_length=1, max_length=40)]
    view: Annotated[str, Field(min_length=1, max_length=40)]


class ShareBody(Body):
    """What is shared, which fields of it, and for how long (7 days if left out, a year at most)."""

    share: SharedRecord | SharedView
    fields: Annotated[list[Annotated[str, Field(max_length=250)]], Field(min_length=1, max_length=FIELD_PATHS)]
    label: Annotated[str, Field(max_length=LABEL_LENGTH)] = ""
    password: Password | None = None
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    most_opens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    def wish(self) -> Wish:
        """Return it as the room takes it."""
        of = self.share
        return Wish(
            of.entity,
            of.id if isinstance(of, SharedRecord) else None,
            of.view if isinstance(of, SharedView) else None,
            tuple(self.fields),
            self.label,
            self.password,
            self.expires_at,
            self.most_opens,
        )


class ShareAnswer(BaseModel):
    """A link; ``link`` is in the answer to its making only."""

    id: str
    entity: str
    record_id: str | None
    view: str | None
    fields: list[str]
    label: str
    has_password: bool
    expires_at: Moment
    most_opens: int | None
    opened_count: int
    last_opened_at: Moment | None
    created_at: Moment
    created_by: str
    link: str | None = None

    @classmethod
    def of(cls, share: Share, link: str | None = None) -> ShareAnswer:
        """Show a link."""
        members = {name: getattr(share, name) for name in cls.model_fields if name not in ("link", "fields")}
        return cls(**members, fields=list(share.fields), link=link)


class OpenBody(Body):
    """The secret of a link, with its password where it has one; ``cursor`` turns the page of a view."""

    link: Annotated[str, Field(min_length=1, max_length=200)]
    password: Password | None = None
    cursor: Annotated[str, Field(max_length=60_000)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_RECORDS)] = PAGE_RECORDS_DEFAULT


@router.post("/api/{app}/shares", status_code=201, dependencies=[Depends(actor_of)])
async def create_share(app: str, body: ShareBody, request: Request) -> Answer[ShareAnswer]:
    """Make a link to a record or a view. It shows what its maker sees at each opening, and of that the chosen fields."""
    here = services_of(request)
    caller = await _caller(request, app, writes=True)
    assert caller.actor is not None
    try:
        secret, share = await here.shares.create(caller, app, body.wish(), origin_of(request, caller.actor))
    except StaleIdentity:
        raise _again() from None
    return Answer(data=ShareAnswer.of(share, (here.settings.public_url or "") + PAGE_PATH + secret))


@router.get("/api/{app}/shares")
async def list_shares(app: str, request: Request) -> Answer[list[ShareAnswer]]:
    """List one's own links that can still be opened; an admin sees everybody's."""
    here = services_of(request)
    found = here.shares.list_shares(app, _whose(await _caller(request, app)))
    return Answer(data=[ShareAnswer.of(share) for share in found])


@router.delete("/api/{app}/shares/{share_id}", status_code=204)
async def revoke_share(app: str, share_id: str, request: Request) -> None:
    """Take a link back; it shows nothing from the next opening on."""
    here = services_of(request)
    caller = await _caller(request, app, writes=True)
    here.shares.revoke(app, share_id, _whose(caller), origin_of(request, caller.actor))


@router.post("/api/shared/open", response_model=Answer[Any])
async def open_share(body: OpenBody, request: Request, here: Here, speaks: Speaks) -> Response:
    """Show what a link shows. Needs no account; whatever ends a link gives the same answer as none."""
    opened = await here.shares.open(body.link, body.password, origin_of(request), cursor=body.cursor, limit=body.limit)
    # numbers go out as they are kept, so not by the framework
    return Response(dump_json(_shown(opened, speaks)), media_type="application/json")


def _shown(opened: Opened, language: Language) -> dict[str, Any]:
    share, looked = opened
    records = [parse_json(record) for record in looked.records]
    fields = [
        {"path": path, "type": kind, "label": path if label is None else label.pick(language)}
        for path, kind, label in shown_fields(opened)
    ]
    about = {
        "label": share.label or looked.entity.label().pick(language),
        "entity": looked.entity.key,
        "fields": fields,
        "expires_at": instant_text(share.expires_at),
    }
    if share.record_id is not None:
        return {"data": records[0], "share": about}
    return {"data": records, "meta": {"next_cursor": looked.next_cursor}, "share": about}


async def _caller(request: Request, app: str, *, writes: bool = False) -> RecordsCaller:
    """Return who asks, if they may look at the app (and their token may write)."""
    caller = await records_caller(request, "share")
    here = services_of(request)
    try:
        await here.records.current(caller, app)
    except StaleIdentity:
        raise _again() from None
    if writes:
        gate(caller.actor, app, FieldMap({("", "", "write")}))
    return caller


def _whose(caller: RecordsCaller) -> str | None:
    """Return whose links are meant: an admin's request is for everybody's."""
    assert caller.actor is not None
    return None if caller.actor.oversees else caller.actor.user_id


def _again() -> Problem:
    return Problem("service.unavailable", retry_after_seconds=1)
