"""The days of an app's calendars as they are today: read them, change them, without a publish.

Reads and writes: dougong_calendar_day; a change gives the app a new pin, so no write made for the old days lands after it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.calendars.working import WorkingCalendar
from builder.compiled.calendars import (
    DEFAULT,
    KeptDay,
    calendar_documents,
    calendar_label,
    default_key,
    load_calendars,
    read_kept_days,
    write_hours,
)
from builder.definition.kinds import CALENDARS
from builder.definition.parse import DocumentInvalid, parse_document
from builder.fields.base import label_text
from builder.kernel.limits import CALENDAR_DAYS
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import Text, errors_found, say
from builder.publish.publish import lock_app
from builder.publish.step import Work
from builder.publish.steps.compute import compute_steps
from builder.publish.steps.reminders import ask_again
from builder.registry.registry import PublishedApp, Registry, find_published, no_app
from builder.store import tables

JSON = Any
COLUMNS = ("date", "kind", "name", "hours")


class CalendarLine(NamedTuple):
    """A calendar of the published app."""

    key: str
    label: Text
    country: str
    is_default: bool
    years_without_data: tuple[int, ...]
    """Of this year and the next: holidays are not known, so only weekends are off."""


class DayLine(NamedTuple):
    """One day of a calendar."""

    day: date
    worked: bool
    weekend: bool
    hours: tuple[tuple[int, int], ...]
    name: str | None
    source: str
    """``weekday``, ``country``, ``document``, or who brought it."""
    provisional: bool
    """The year's holidays are not known."""


def list_calendars(registry: Registry, app: str) -> list[CalendarLine]:
    """Return the calendars of the published app.

    Raises:
        Problem: ``app.not_found``.
    """
    published, _ = _read(registry, app)
    documents = calendar_documents(published.app.definition)
    default, now = default_key(published.app.definition.app), registry.clock.now()
    return [
        CalendarLine(
            key,
            calendar_label(documents[key]),
            documents[key].country,
            key == default,
            calendar.unknown_years(now, now + timedelta(days=366)),
        )
        for key, calendar in sorted(published.calendars.items())
    ]


def list_days(registry: Registry, app: str, calendar: str, year: int) -> list[DayLine]:
    """Return the days of a year that are not as their weekday says, and those kept in the database.

    Raises:
        Problem: ``app.not_found``, ``definition.not_found``.
    """
    published, kept = _read(registry, app)
    found = _get(published, calendar)
    document = calendar_documents(published.app.definition)[calendar]
    brought = {line.day: line for line in kept.get(calendar, ())}
    listed = {date.fromisoformat(day.date): day for day in document.days}
    lines = []
    for day in sorted(day for day in found.days if day.year == year):
        kept_day, own = brought.get(day), listed.get(day)
        name, source = None, "country"
        if kept_day is not None:
            name, source = kept_day.name, kept_day.source
        elif own is not None:
            name, source = label_text(own.name).zh or None if own.name else None, "document"
        unknown = found.known_years is not None and year not in found.known_years
        lines.append(
            DayLine(
                day, found.is_worked(day), day.weekday() in found.weekend, found.hours_of(day), name, source, unknown
            )
        )
    return lines


def set_days(
    registry: Registry, app: str, calendar: str, days: Sequence[KeptDay], *, replace_year: int | None = None
) -> PublishedApp:
    """Keep days of a calendar; those of ``replace_year`` that are not given are forgotten. What is counted in it follows.

    Raises:
        Problem: ``app.not_found``, ``definition.not_found``.
    """
    row = tables.calendar_day
    with registry.database.transaction() as connection:
        lock_app(connection, app)
        published = find_published(registry, connection, app)
        if published is None:
            raise no_app(app)
        _get(published, calendar)
        here = (row.c.app == app) & (row.c.calendar == calendar)
        if replace_year is not None:
            first, last = date(replace_year, 1, 1), date(replace_year, 12, 31)
            connection.execute(sa.delete(row).where(here, row.c.day >= first, row.c.day <= last))
        given = [line.day for line in days]
        for start in range(0, len(given), 500):
            connection.execute(sa.delete(row).where(here, row.c.day.in_(given[start : start + 500])))
        now = registry.clock.now()
        rows = [
            {
                "app": app,
                "calendar": calendar,
                "day": line.day,
                "kind": "work" if line.worked else "off",
                "name": line.name,
                "hours": write_hours(line.hours),
                "source": line.source,
                "updated_at": now,
            }
            for line in days
        ]
        if rows:
            connection.execute(sa.insert(row), rows)
        after = load_calendars(connection, published.app.definition)
        if after[calendar] != published.calendars[calendar]:
            connection.execute(
                sa.update(tables.app).where(tables.app.c.key == app).values(pin=registry.ids.record_id())
            )
            default = default_key(published.app.definition.app)
            if calendar == default:
                _recount(registry, connection, published)
            reminders = published.app.reminders.by_key.values()
            again = [rule.key for rule in reminders if rule.counts_in(calendar, default)]
            ask_again(connection, app, again, now)
        changed = find_published(registry, connection, app)
    assert changed is not None
    return changed


def _recount(registry: Registry, connection: sa.Connection, published: PublishedApp) -> None:
    """Compute anew what counts working days."""
    app = published.app
    work = Work(connection, registry.database.dialect, app.key, app.version, registry.clock.now(), registry.ids)
    names = {key: entity.physical.name for key, entity in app.entities.items()}
    for step in compute_steps(app, app, (), names, other_days=True):
        step.fill(work)


def read_days(rows: JSON, source: str) -> list[KeptDay]:
    """Read days as JSON: ``[{"date": "2027-02-05", "kind": "off", "name": "春节"}]``.

    Raises:
        Problem: ``request.malformed`` with everything that is wrong.
    """
    if not isinstance(rows, list):
        raise Problem("request.malformed", say("应是日期的列表", "Expected a list of days"))
    if len(rows) > CALENDAR_DAYS:
        detail = say(f"一次最多 {CALENDAR_DAYS} 天", f"At most {CALENDAR_DAYS} days at once")
        raise Problem("limit.batch", detail, extra={"maximum": CALENDAR_DAYS})
    try:
        document = parse_document(CALENDARS, {"key": DEFAULT, "label": DEFAULT, "days": rows})
    except DocumentInvalid as invalid:
        wrong = [Violation(v.code, v.pointer.removeprefix("/days"), v.message, v.params) for v in invalid.violations]
        detail = errors_found(len(wrong))
        raise Problem("request.malformed", detail, violations=wrong) from invalid
    return [
        KeptDay(
            date.fromisoformat(day.date),
            day.kind == "work",
            label_text(day.name).zh if day.name else None,
            day.hours,
            source,
        )
        for day in document.days
    ]


def read_days_csv(text: str, source: str) -> list[KeptDay]:
    """Read days as CSV with the columns date, kind, name and hours (spans apart by spaces); only the first two are needed.

    Raises:
        Problem: ``request.malformed``.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("﻿")))
    names = [name.strip() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or not {"date", "kind"} <= set(names):
        detail = say(f"第一行应是列名:{', '.join(COLUMNS)}", f"The first line names the columns: {', '.join(COLUMNS)}")
        raise Problem("request.malformed", detail)
    reader.fieldnames = names
    rows = []
    for line in reader:
        row: dict[str, JSON] = {
            key: value.strip() for key, value in line.items() if isinstance(value, str) and value.strip()
        }
        if "hours" in row:
            row["hours"] = row["hours"].split()
        rows.append(row)
    return read_days(rows, source)


def _read(registry: Registry, app: str) -> tuple[PublishedApp, dict[str, list[KeptDay]]]:
    with registry.database.snapshot() as connection:
        published = find_published(registry, connection, app)
        if published is None:
            raise no_app(app)
        return published, read_kept_days(connection, app)


def _get(published: PublishedApp, key: str) -> WorkingCalendar:
    found = published.calendars.get(key)
    if found is None:
        hint = nearest_hint(key, published.calendars)
        detail = say(f"没有日历“{key[:100]}”{hint.zh}", f'There is no calendar "{key[:100]}"{hint.en}')
        raise Problem("definition.not_found", detail)
    return found
