"""``calendars/*.json``: when people work: hours of each weekday, holidays and make-up days."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import StringConstraints, field_validator, model_validator

from builder.fields.base import BothLanguages, Key, Label, Model, Option, wrong_option
from builder.kernel.limits import CALENDAR_DAYS, CALENDAR_SPANS, LABEL_LENGTH

HoursText = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
]
DateText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
DayHours = Annotated[tuple[HoursText, ...], Option(max_length=CALENDAR_SPANS)]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE_HOURS = ("09:00-12:00", "13:00-18:00")


def read_hours(listed: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return spans as seconds of the day.

    Raises:
        OptionInvalid: one ends before it begins, or begins before the one before it ends.
    """
    spans = [(_seconds(text[:5]), _seconds(text[6:])) for text in listed]
    last = 0
    for (start, end), text in zip(spans, listed, strict=True):
        if not last <= start < end:
            raise wrong_option(
                f"时段“{text}”须在前一段之后开始,并晚于开始时结束",
                f'"{text}" has to begin after the span before it and end after it begins',
            )
        last = end
    return tuple(spans)


def _seconds(text: str) -> int:
    hours, minutes = re.split(":", text)
    return int(hours) * 3600 + int(minutes) * 60


class Week(Model):
    """Working hours of each weekday; an empty list is a day off."""

    mon: DayHours = OFFICE_HOURS
    tue: DayHours = OFFICE_HOURS
    wed: DayHours = OFFICE_HOURS
    thu: DayHours = OFFICE_HOURS
    fri: DayHours = OFFICE_HOURS
    sat: DayHours = ()
    sun: DayHours = ()

    @field_validator(*WEEKDAYS)
    @classmethod
    def _check_hours(cls, listed: tuple[str, ...]) -> tuple[str, ...]:
        read_hours(listed)
        return listed

    @model_validator(mode="after")
    def _check_any(self) -> Week:
        if not any(self.hours()):
            raise wrong_option("一周中至少要有一个工作日", "At least one weekday has to be worked")
        return self

    def hours(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Return the spans of Monday to Sunday in seconds."""
        return tuple(read_hours(getattr(self, name)) for name in WEEKDAYS)


class CalendarDay(Model):
    """A day that is not as its weekday (and its country's holidays) say."""

    date: DateText
    kind: Literal["off", "work"]
    name: Annotated[str, StringConstraints(max_length=LABEL_LENGTH)] | BothLanguages | None = None
    hours: DayHours = ()
    """Hours of a worked day; those of its weekday if left out."""

    @field_validator("date")
    @classmethod
    def _check_date(cls, text: str) -> str:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise wrong_option(f"没有日期 {text}", f"There is no date {text}") from None
        return text

    @model_validator(mode="after")
    def _check_hours(self) -> CalendarDay:
        read_hours(self.hours)
        if self.hours and self.kind == "off":
            raise wrong_option("休息日没有工作时段", "A day off has no hours")
        return self


class Calendar(Model):
    """When people of an app work."""

    key: Key
    label: Label
    help: Annotated[str, StringConstraints(max_length=2_000)] | BothLanguages | None = None
    country: Literal["CN", "none"] = "CN"
    """Whose public holidays and make-up days count; ``none``: only the weekdays and ``days``."""
    week: Week = Week()
    days: Annotated[tuple[CalendarDay, ...], Option(max_length=CALENDAR_DAYS)] = ()
    """Days of this company; they win over the country's. Days that change in the running app are kept beside the definition."""

    @model_validator(mode="after")
    def _check_days(self) -> Calendar:
        seen: set[str] = set()
        for day in self.days:
            if day.date in seen:
                raise wrong_option(f"日期 {day.date} 重复", f"The day {day.date} is there twice")
            seen.add(day.date)
        return self
