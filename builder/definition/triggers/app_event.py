"""``app_event``: something happened in another app of the same instance."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.triggers.base import FromMessages, MessageTests, TriggerModel
from builder.fields.base import Key, Option


class AppEvent(TriggerModel):
    """Records of another app were written. The message is ``{"app", "entity", "record_id", "kind", "revision",
    "at", "record", "changes"}``: the record as it is when the event is looked at (null if it is gone), and what the write changed,
    ``{"field": [old, new]}``."""

    type: Literal["app_event"] = "app_event"
    app: Key
    """The other app's key."""
    of_entity: Key
    """Its entity."""
    kinds: Annotated[tuple[Literal["created", "updated", "deleted"], ...], Option(max_length=3)] = ()
    """Any if left out."""
    only: MessageTests = ()
    """Which messages count; all of these hold."""
    match: FromMessages = ()
    """How the record here is found: all of these are equal; a new one for every event if left out."""
    set: FromMessages = ()
    """What it takes over from the message."""
    create: bool = True
    """Make the record if none is found; False: such an event is passed over."""
