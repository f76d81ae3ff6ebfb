"""``time_window``: only on some days and at some hours."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import StringConstraints, model_validator

from builder.definition.guards.base import GuardModel
from builder.fields.base import Key, Option, Refers, wrong_option

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class TimeWindowGuard(GuardModel):
    """The move happens on one of these days, from a time until another, in the app's zone."""

    type: Literal["time_window"] = "time_window"
    days: Annotated[tuple[Weekday, ...], Option(min_length=1, max_length=7)] | None = None
    """Days of the week; the worked days of the calendar if left out."""
    calendar: Annotated[Key, Refers("calendars")] | None = None
    """Whose worked days count; the app's calendar if left out."""
    from_time: ClockTime = "00:00"
    until_time: ClockTime | None = None
    """Not any more from this time on; left out: until the end of the day."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.until_time is not None and self.until_time <= self.from_time:
            raise wrong_option("until_time 必须晚于 from_time", "until_time has to be after from_time")
        return self
