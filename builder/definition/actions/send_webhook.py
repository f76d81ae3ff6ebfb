"""``send_webhook``: post the record, or chosen values of it, to another system."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.definition.actions.base import ActionModel, Members
from builder.fields.base import Key


class SendWebhook(ActionModel):
    """Post JSON to another system, signed, again and again until it is taken."""

    effect: ClassVar[Literal["inside", "after"]] = "after"

    type: Literal["send_webhook"] = "send_webhook"
    connection: Key
    """Where to and with which secret: a connection of the instance, not part of the app."""
    body: Members = ()
    """What is sent; the whole record if left out."""
    if_connected: bool = False
    """Passed over while there is no such connection (the run says so); it fails without this."""
