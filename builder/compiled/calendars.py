"""From calendar documents, countries and the days kept in the database to working calendars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from builder.calendars import china
from builder.calendars.working import Hours, WorkingCalendar
from builder.definition.app import App
from builder.definition.calendar import Calendar, read_hours
from builder.definition.kinds import CALENDARS, Definition
from builder.fields.base import label_text
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.text import Text, say
from builder.store import tables

DEFAULT = "default"
"""The calendar of an app that names none: office hours, and China's holidays where its clock is China's."""
_CHINA = frozenset({"Asia/Shanghai", "Asia/Urumqi", "Asia/Chongqing", "Asia/Harbin", "PRC"})


class KeptDay(NamedTuple):
    """A day kept in the database: it wins over the document and the country."""

    day: date
    worked: bool
    name: str | None
    hours: tuple[str, ...]
    source: str
    """Who or what brought it: a user's id, ``import``."""


def calendar_documents(definition: Definition) -> Mapping[str, Calendar]:
    """Return the calendars of an app by key; an app that has none has the default one."""
    found = {calendar.key: calendar for calendar in definition.of(CALENDARS)}
    if DEFAULT not in found:
        country = "CN" if definition.app.time_zone in _CHINA else "none"
        found[DEFAULT] = Calendar(key=DEFAULT, label=_DEFAULT_LABEL.zh, country=country)  # type: ignore[arg-type] # one of the two
    return found


_DEFAULT_LABEL = say("默认日历", "Default calendar")


def calendar_label(calendar: Calendar) -> Text:
    """Return a calendar's name for people."""
    return _DEFAULT_LABEL if calendar.label == _DEFAULT_LABEL.zh else label_text(calendar.label)


def default_key(app: App) -> str:
    """Return the key of the calendar an app counts in."""
    return app.calendar or DEFAULT


def make_calendar(document: Calendar, zone: ZoneInfo, kept: Sequence[KeptDay] = ()) -> WorkingCalendar:
    """Put a calendar together: the country's days, then the document's, then those kept in the database."""
    days: dict[date, bool] = dict(china.DAYS) if document.country == "CN" else {}
    hours: dict[date, Hours] = {}
    for listed in document.days:
        on = date.fromisoformat(listed.date)
        days[on] = listed.kind == "work"
        if listed.hours:
            hours[on] = read_hours(listed.hours)
    for line in kept:
        days[line.day] = line.worked
        hours.pop(line.day, None)
        if line.hours:
            hours[line.day] = read_hours(line.hours)
    known: frozenset[int] | None = None
    if document.country == "CN":
        brought = (date.fromisoformat(day.date) for day in document.days if day.kind == "off")
        known = china.KNOWN_YEARS | {day.year for day in brought} | {line.day.year for line in kept if not line.worked}
    return WorkingCalendar(
        document.key, zone, document.week.hours(), MappingProxyType(days), MappingProxyType(hours), known
    )


def read_kept_days(connection: sa.Connection, app: str) -> dict[str, list[KeptDay]]:
    """Return the days kept in the database, by calendar."""
    row = tables.calendar_day
    found: dict[str, list[KeptDay]] = {}
    for line in connection.execute(sa.select(row).where(row.c.app == app).order_by(row.c.day)):
        hours = tuple(parse_json(line.hours)) if line.hours else ()
        kept = KeptDay(line.day, line.kind == "work", line.name, hours, line.source)
        found.setdefault(line.calendar, []).append(kept)
    return found


def write_hours(hours: Sequence[str]) -> str | None:
    """Return the stored form of a day's hours."""
    return dump_json(list(hours)).decode() if hours else None


def load_calendars(connection: sa.Connection, definition: Definition) -> Mapping[str, WorkingCalendar]:
    """Return all calendars of an app with the days kept in the database."""
    kept = read_kept_days(connection, definition.key)
    zone = ZoneInfo(definition.app.time_zone)
    documents = calendar_documents(definition)
    return MappingProxyType({key: make_calendar(found, zone, kept.get(key, ())) for key, found in documents.items()})
