"""``date``: a day or an instant in a field has come, or comes soon."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.triggers.base import OwnField, TriggerModel
from builder.fields.base import Key, Option, Refers

Minutes = Annotated[int, Option(ge=-5_256_000, le=5_256_000)]


class DateReached(TriggerModel):
    """A date or instant of the record, with an offset. It follows the field when that changes."""

    type: Literal["date"] = "date"
    field: OwnField
    offset_minutes: Minutes = 0
    """After the moment (before it if negative). A date counts from the hour it is meant for."""
    hour: Annotated[int, Option(ge=0, le=23)] = 9
    """Of a date without a time: the hour of the app's day."""
    calendar: Annotated[Key, Refers("calendars")] | None = None
    """Move what falls on a day off to the next worked day of this calendar."""
