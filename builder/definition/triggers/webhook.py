"""``webhook``: another system sent a signed message."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.actions.base import Pointer
from builder.definition.triggers.base import FromMessages, MessageTests, TriggerModel
from builder.fields.base import Option


class Webhook(TriggerModel):
    """A message to ``POST /api/{app}/hooks/{automation}``, signed with the automation's secret. A message comes in once, however often it is sent."""

    type: Literal["webhook"] = "webhook"
    id_at: Pointer | None = None
    """Where the message's own id stands; the header ``dougong-id`` (or ``idempotency-key``) if left out."""
    only: MessageTests = ()
    """Which messages count; all of these hold."""
    match: FromMessages = ()
    """How the record is found: all of these are equal; a new one for every message if left out."""
    set: FromMessages = ()
    """What it takes over from the message."""
    per_minute: Annotated[int, Option(ge=1, le=6_000)] = 120
    """How many messages are taken in a minute; the sender of more is asked to wait."""
    create: bool = True
    """Make the record if none is found; False: such a message is passed over."""
