"""``timers``: what is to come for a record."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.scenarios.base import Expectation, LocalMoment, Name
from builder.fields.base import Key, Model, Refers


class ExpectedTimer(Model):
    """One timer."""

    reminder: Annotated[Key, Refers("reminders")]
    due: LocalMoment | None = None
    """When its next step comes, by the app's clock."""
    state: Literal["waiting", "snoozed", "paused", "acknowledged", "done"] | None = None


class Timers(Expectation):
    """A record has exactly these timers."""

    type: Literal["timers"] = "timers"
    record: Name
    timers: tuple[ExpectedTimer, ...] = ()
    """None: nothing is to come, because nothing is watched."""
