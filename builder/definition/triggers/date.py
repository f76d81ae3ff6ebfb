"""``date``: a day or an instant in a field has come, or comes soon."""

from __future__ import annotations

from typing import Annotated, Literal

from builder.definition.reminder import Late
from builder.definition.triggers.base import OwnField, TriggerModel
from builder.fields.base import Key, Option, Refers

Minutes = Annotated[int, Option(ge=-999_999, le=999_999)]


class DateReached(TriggerModel):
    """A date or instant of the record, with an offset. It follows the field when that changes, and waits only for records that
    meet the automation's condition (a timer of the record: ``GET …/timers``)."""

    type: Literal["date"] = "date"
    field: OwnField
    offset_minutes: Minutes = 0
    """After the moment (before it if negative). A date counts from the hour it is meant for."""
    hour: Annotated[int, Option(ge=0, le=23)] = 9
    """Of a date without a time: the hour of the app's day."""
    calendar: Annotated[Key, Refers("calendars")] | None = None
    """What would come outside the working hours of this calendar comes when they begin."""
    late: Late = Late()
    """What becomes of moments that passed while nobody could act on them."""
