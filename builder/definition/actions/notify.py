"""``notify``: tell people."""

from __future__ import annotations

from typing import ClassVar, Literal

from builder.definition.actions.base import ActionModel, Audience, Wording
from builder.fields.base import Key


class Notify(ActionModel):
    """Tell people something about the record."""

    effect: ClassVar[Literal["inside", "after"]] = "after"

    type: Literal["notify"] = "notify"
    to: Audience
    channel: Key | None = None
    """A connection to send through (e-mail, robot …); the inbox in the app if left out."""
    subject: Wording
    text: Wording | None = None
    if_connected: bool = False
    """While there is no such connection it is the inbox alone; it fails without this."""
    urgent: bool = False
    """It goes out where ``channel`` says at any hour; else people's own wishes count (``/api/me/notifications``)."""
