"""``acknowledge``: somebody says they know."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.scenarios.base import Name, PersonalAct
from builder.fields.base import Key, Refers


class Acknowledge(PersonalAct):
    """Say about a record that a reminder is known."""

    type: Literal["acknowledge"] = "acknowledge"
    record: Name
    reminder: Annotated[Key, Refers("reminders")]
