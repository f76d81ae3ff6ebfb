"""``webhook``: another system sent a signed message."""

from __future__ import annotations

from typing import Literal

from builder.definition.actions.base import Pointer
from builder.definition.triggers.base import FromMessages, TriggerModel


class Webhook(TriggerModel):
    """A message to ``POST /api/{app}/hooks/{automation}``, signed with the automation's secret. A message comes in once, however often it is sent."""

    type: Literal["webhook"] = "webhook"
    id_at: Pointer | None = None
    """Where the message's own id stands; the header ``webhook-id`` if left out."""
    match: FromMessages = ()
    """How the record is found: all of these are equal."""
    set: FromMessages = ()
    """What it takes over from the message."""
    create: bool = True
    """Make the record if none is found; False: such a message is passed over."""
