"""Routes of connections and deliveries, for admins. Secrets go in and never come out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from builder.kernel.problems import Problem, Violation
from builder.kernel.text import Text, say
from runtime import channels
from runtime.access.gate import require_role
from runtime.api.bodies import Answer, Body, Moment, Name
from runtime.api.caller import Caller, Here, Speaks, origin_of
from runtime.channels.base import Call, Delivered, Letter, Payload, Recipient, Sending
from runtime.connections.kinds import BY_KIND, ConnectionKind
from runtime.connections.service import Connection
from runtime.outbox import rows as outbox_rows

router = APIRouter(tags=["connections"])

Secrets = dict[str, str | None]


class ConnectionBody(Body):
    """A connection; of one that is there only what changes. A secret that is not given stays, null removes it."""

    kind: Name | None = None
    label: Name | None = None
    options: dict[str, Any] | None = None
    secrets: Secrets = Field(default_factory=dict)
    active: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return the members that were given."""
        return {name: value for name, value in self.model_dump(exclude_unset=True).items() if value is not None}


class NewConnectionBody(ConnectionBody):
    """A connection to make."""

    key: Name


class ConnectionAnswer(BaseModel):
    """A connection; of its secrets only the names of those that are set."""

    key: str
    kind: str
    label: str
    options: dict[str, Any]
    secrets_set: list[str]
    active: bool
    updated_at: Moment
    revision: int

    @classmethod
    def of(cls, found: Connection) -> ConnectionAnswer:
        """Show a connection."""
        return cls(
            key=found.key,
            kind=found.kind,
            label=found.label,
            options=dict(found.options),
            secrets_set=list(found.secret_names),
            active=found.active,
            updated_at=found.updated_at,
            revision=found.revision,
        )


class ChannelAnswer(BaseModel):
    """A kind of connection: the JSON Schema of its options, the names of its secrets, what it carries (directories bring people)."""

    kind: str
    title: str
    options: dict[str, Any]
    secrets: list[str]
    needed_secrets: list[str]
    carries: str

    @classmethod
    def of(cls, kind: ConnectionKind, title: str) -> ChannelAnswer:
        """Show a kind."""
        channel = channels.BY_KIND.get(kind.kind)
        return cls(
            kind=kind.kind,
            title=title,
            options=kind.Options.model_json_schema(),
            secrets=list(kind.secret_names),
            needed_secrets=list(kind.secret_names[: kind.needed]),
            carries="people" if channel is None else channel.carries,
        )


class TestBody(Body):
    """Where a test message goes; for a robot nothing is needed."""

    email: Annotated[str, Field(max_length=254)] | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None


class DeliveryAnswer(BaseModel):
    """A delivery: todo, sending, done or dead."""

    id: str
    key: str
    connection: str
    state: str
    attempts: int
    next_at: Moment
    last_error: str | None
    app: str | None
    entity: str | None
    record_id: str | None
    created_at: Moment
    ended_at: Moment | None

    @classmethod
    def of(cls, found: outbox_rows.Delivery, language: Any) -> DeliveryAnswer:
        """Show a delivery."""
        values = {name: getattr(found, name) for name in cls.model_fields if name != "last_error"}
        return cls(**values, last_error=None if found.last_error is None else found.last_error.pick(language))


class CountAnswer(BaseModel):
    """How many."""

    count: int


@router.get("/api/channels")
def list_channels(caller: Caller, speaks: Speaks) -> Answer[list[ChannelAnswer]]:
    """List the kinds of connections with what each needs."""
    require_role(caller, "admin")
    return Answer(data=[ChannelAnswer.of(kind, kind.title.pick(speaks)) for kind in BY_KIND.values()])


@router.get("/api/connections")
def list_connections(here: Here, caller: Caller) -> Answer[list[ConnectionAnswer]]:
    """List the connections by key."""
    require_role(caller, "admin")
    return Answer(data=[ConnectionAnswer.of(found) for found in here.delivery.connections.list_connections()])


@router.post("/api/connections", status_code=201)
def create_connection(
    body: NewConnectionBody, request: Request, here: Here, caller: Caller
) -> Answer[ConnectionAnswer]:
    """Make a connection."""
    require_role(caller, "admin")
    given = body.given()
    key = given.pop("key")
    made = here.delivery.connections.put_connection(key, given, origin_of(request, caller), new=True)
    return Answer(data=ConnectionAnswer.of(made))


@router.get("/api/connections/{key}")
def get_connection(key: str, here: Here, caller: Caller) -> Answer[ConnectionAnswer]:
    """Return one connection."""
    require_role(caller, "admin")
    return Answer(data=ConnectionAnswer.of(here.delivery.connections.get_connection(key)))


@router.patch("/api/connections/{key}")
def change_connection(
    key: str, body: ConnectionBody, request: Request, here: Here, caller: Caller
) -> Answer[ConnectionAnswer]:
    """Change a connection; what is sent from now on goes by it."""
    require_role(caller, "admin")
    here.delivery.connections.get_connection(key)
    changed = here.delivery.connections.put_connection(key, body.given(), origin_of(request, caller))
    return Answer(data=ConnectionAnswer.of(changed))


@router.delete("/api/connections/{key}", status_code=204)
def delete_connection(key: str, request: Request, here: Here, caller: Caller) -> None:
    """Remove a connection with its secrets."""
    require_role(caller, "admin")
    here.delivery.connections.delete_connection(key, origin_of(request, caller))


@router.post("/api/connections/{key}/test", status_code=204)
async def test_connection(key: str, body: TestBody, here: Here, caller: Caller, speaks: Speaks) -> None:
    """Send a test message now; what the other side says against it is the answer (502)."""
    require_role(caller, "admin")
    here.delivery.connections.get_connection(key)
    ready = here.delivery.connections.find_ready(key)
    if ready is None:
        detail = say(
            "连接已停用,或是通讯录(请试同步)",
            "The connection is switched off, or a directory: try its sync with dry_run",
        )
        raise Problem("connection.failed", detail)
    needed = ready.channel.to_each
    says_whom = needed == "email" or needed in str(
        getattr(ready.options, "body", "")
    )  # an API that no letter goes to asks for nobody
    if needed != "none" and says_whom and not getattr(body, needed):
        message = say(f"请给出 {needed}:发给谁", f"Give {needed}: to whom it goes")
        raise Problem("request.malformed", violations=[Violation("required", f"/{needed}", message)])
    payload: Payload = _test_letter(body, speaks)
    if ready.channel.carries == "calls":
        payload = Call("POST", "", {}, {"test": True})
    sending = Sending(here.ids.record_id(), [payload], ready.options, ready.secrets, here.clock.now())
    outcome = await ready.channel.deliver(sending, here.delivery.roads)
    if not isinstance(outcome, Delivered):
        raise Problem("connection.failed", outcome.reason)


def _test_letter(body: TestBody, language: Any) -> Letter:
    subject = say("斗拱测试消息", "A test message of Dougong")
    text = say("收到这条消息,说明连接可用。", "If you read this, the connection works.")
    recipient = Recipient(None, body.email or body.phone or "", body.email, body.phone)
    return Letter(subject, Text(*text), recipient, (), None, language)


@router.get("/api/deliveries")
def list_deliveries(
    here: Here,
    caller: Caller,
    speaks: Speaks,
    state: Annotated[Literal["todo", "sending", "done", "dead"] | None, Query()] = None,
    connection: Annotated[str | None, Query(max_length=40)] = None,
    before: Annotated[str | None, Query(max_length=36, description="id to go on from")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Answer[list[DeliveryAnswer]]:
    """List deliveries, the latest first; ``state=dead`` are those that were given up."""
    require_role(caller, "admin")
    found = here.delivery.rows.list_deliveries(state=state, connection=connection, before=before, limit=limit)
    return Answer(data=[DeliveryAnswer.of(item, speaks) for item in found])


@router.post("/api/deliveries/{delivery_id}/replay")
def replay_delivery(delivery_id: str, here: Here, caller: Caller, speaks: Speaks) -> Answer[DeliveryAnswer]:
    """Try a dead delivery again, with the key it had."""
    require_role(caller, "admin")
    return Answer(data=DeliveryAnswer.of(here.delivery.rows.replay(delivery_id), speaks))


@router.post("/api/connections/{key}/replay")
def replay_connection(key: str, here: Here, caller: Caller) -> Answer[CountAnswer]:
    """Try all dead deliveries of a connection again, such as after its secret was mended."""
    require_role(caller, "admin")
    return Answer(
        data=CountAnswer(count=here.delivery.rows.replay_all(here.delivery.connections.get_connection(key).key))
    )
