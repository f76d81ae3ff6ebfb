"""What the columns of an exported workbook hold: how text in a cell becomes a number, a day or a time of a spreadsheet. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from zoneinfo import ZoneInfo

from builder.fields.base import Field
from builder.fields.date import DateField
from builder.fields.duration import DurationField
from builder.fields.integer import IntegerField
from builder.fields.money import MoneyField
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.instants import InstantField
from builder.fields.parts.numbers import ExactNumber
from builder.fields.percent import PercentField
from builder.fields.rating import RatingField
from builder.fields.time import TimeField

TEXT = "text"
_DIGITS = 15
"""Of a number that a spreadsheet keeps exactly; a longer one stays text."""
_FIRST_YEAR = 1901
"""Spreadsheets count days from 1900 on, and take that for a leap year."""

_HOURS = 10_000
"""Of a length of time; the last day of spreadsheets lies 2.9 million days ahead."""

CellValue = float | date | datetime | time | timedelta


class ColumnForm(NamedTuple):
    """How a column is kept: its kind, and the format in which a spreadsheet shows it."""

    kind: str
    shown: str = ""


_FORMS: tuple[tuple[type[Field], ColumnForm], ...] = (
    (IntegerField, ColumnForm("number", "0")),
    (RatingField, ColumnForm("number", "0")),
    (DateField, ColumnForm("date", "yyyy-mm-dd")),
    (InstantField, ColumnForm("instant", "yyyy-mm-dd hh:mm:ss")),
    (TimeField, ColumnForm("time", "hh:mm:ss")),
    (DurationField, ColumnForm("duration", "[h]:mm:ss")),
)


def form_of(owner: Field) -> ColumnForm:
    """Return the form of a field's column; what is neither number nor time is text."""
    shape = owner.shape if isinstance(owner, ComputedField) else owner
    if isinstance(shape, ExactNumber):
        return ColumnForm("number", _number_format(shape, computed=shape is not owner))
    return next((form for kind, form in _FORMS if isinstance(shape, kind)), ColumnForm(TEXT))


def _number_format(shape: ExactNumber, *, computed: bool) -> str:
    if isinstance(shape, PercentField):
        return _decimals("0", max(shape.scale - 2, 0)) + "%"
    if isinstance(shape, MoneyField):
        return _decimals("#,##0", shape.scale)
    return "General" if computed else _decimals("0", shape.scale)  # of what is computed nobody chose the scale


def _decimals(whole: str, scale: int) -> str:
    return f"{whole}.{'0' * scale}" if scale else whole


def cell_value(form: ColumnForm, text: str, zone: ZoneInfo) -> CellValue | None:
    """Return what a spreadsheet keeps of a cell; None: only the text says it all."""
    try:
        match form.kind:
            case "number":
                return _number(text)
            case "date":
                day = date.fromisoformat(text)
                return day if day.year >= _FIRST_YEAR else None
            case "instant":
                return _instant(text, zone)
            case "time":
                return time.fromisoformat(text)
            case "duration":
                return _length(text)
    except (ValueError, InvalidOperation):  # a mask, the name of an error
        return None
    return None


def _number(text: str) -> float | None:
    number = Decimal(text)
    if not number.is_finite() or len(number.normalize().as_tuple().digits) > _DIGITS:
        return None
    return float(number)


def _instant(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the hour of the clock on the wall; it says nothing of a zone, so an hour that comes twice in a night stays text."""
    at = datetime.fromisoformat(text)
    local = at.replace(tzinfo=None)
    if local.year < _FIRST_YEAR or local.replace(tzinfo=zone).utcoffset() != at.utcoffset():
        return None
    return local


def _length(text: str) -> timedelta | None:
    if text.startswith("-"):  # spreadsheets know no time below zero
        return None
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds) if hours < _HOURS else None
