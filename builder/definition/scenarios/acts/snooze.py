"""``snooze``: somebody puts a reminder off."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.scenarios.base import Name, PersonalAct
from builder.definition.spans import SpanText
from builder.fields.base import Key, Refers


class Snooze(PersonalAct):
    """Put the next step of a reminder off."""

    type: Literal["snooze"] = "snooze"
    record: Name
    reminder: Annotated[Key, Refers("reminders")]
    length: SpanText
