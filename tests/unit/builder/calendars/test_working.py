"""Counting in working calendars: facts of 2026 and laws."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.calendars.working import (
    CalendarInvalid,
    WorkingCalendar,
    add_working_days,
    add_working_time,
    is_working_moment,
    next_working_moment,
    working_time_between,
)
from builder.compiled.calendars import KeptDay, make_calendar
from builder.definition.calendar import Calendar
from formulas.evaluate import DictRow, evaluate
from formulas.schema import Context
from formulas.tree import Call, Literal
from formulas.types import DATE, INTEGER

SHANGHAI = ZoneInfo("Asia/Shanghai")
CHINA = make_calendar(Calendar(key="cn", label="cn"), SHANGHAI)
OFF_2026 = [
    *(date(2026, 1, day) for day in (1, 2, 3)),
    *(date(2026, 2, day) for day in range(15, 24)),
    *(date(2026, 4, day) for day in (4, 5, 6)),
    *(date(2026, 5, day) for day in range(1, 6)),
    *(date(2026, 6, day) for day in (19, 20, 21)),
    *(date(2026, 9, day) for day in (25, 26, 27)),
    *(date(2026, 10, day) for day in range(1, 8)),
]
MADE_UP_2026 = [
    date(2026, 1, 4),
    date(2026, 2, 14),
    date(2026, 2, 28),
    date(2026, 5, 9),
    date(2026, 9, 20),
    date(2026, 10, 10),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


def test_the_notice_of_2026():
    assert len(OFF_2026) == 33
    assert [day for day in OFF_2026 if CHINA.is_worked(day)] == []
    assert [day for day in MADE_UP_2026 if not CHINA.is_worked(day)] == []
    year = (date(2026, 1, 1) + timedelta(days=n) for n in range(365))
    expected = [d for d in year if (d.weekday() < 5 and d not in OFF_2026) or d in MADE_UP_2026]
    assert [d for n in range(365) if CHINA.is_worked(d := date(2026, 1, 1) + timedelta(days=n))] == expected


def test_24_working_hours_over_the_spring_festival():
    # one hour on Friday, eight on the made-up Saturday, nothing from 02-15 to 02-23, eight on Tuesday, seven on Wednesday
    assert add_working_time(CHINA, at("2026-02-13T17:00"), timedelta(hours=24)) == at("2026-02-25T17:00")
    assert add_working_days(CHINA, at("2026-02-13T17:00"), 3) == at("2026-02-25T17:00")
    # 02-28 is a Saturday on which people work
    assert add_working_time(CHINA, at("2026-02-27T17:00"), timedelta(hours=9)) == at("2026-02-28T18:00")


def test_by_the_clock_weekends_do_not_count():
    assert add_working_time(CHINA, at("2026-11-27T17:30"), timedelta(hours=1)) == at("2026-11-30T09:30")
    assert next_working_moment(CHINA, at("2026-11-28T10:00")) == at("2026-11-30T09:00")
    assert next_working_moment(CHINA, at("2026-11-30T12:30")) == at("2026-11-30T13:00")
    assert add_working_time(CHINA, at("2026-11-30T09:30"), timedelta(hours=-1)) == at("2026-11-27T17:30")
    assert working_time_between(CHINA, at("2026-11-27T17:00"), at("2026-11-30T10:00")) == timedelta(hours=2)


def test_what_ends_with_a_span_ends_there():
    assert add_working_time(CHINA, at("2026-11-30T09:00"), timedelta(hours=8)) == at("2026-11-30T18:00")
    assert add_working_time(CHINA, at("2026-11-30T18:00"), timedelta(0)) == at("2026-12-01T09:00")


def test_years_without_holidays_are_named():
    assert CHINA.unknown_years(at("2026-12-30T10:00"), at("2027-01-04T10:00")) == (2027,)
    assert CHINA.unknown_years(at("2026-01-01T00:00"), at("2026-12-31T23:00")) == ()
    days = [KeptDay(date(2027, 2, 5), worked=False, name="春节", hours=(), source="import")]
    known = make_calendar(Calendar(key="cn", label="cn"), SHANGHAI, days)
    assert known.unknown_years(at("2026-12-30T10:00"), at("2027-01-04T10:00")) == ()
    assert (
        make_calendar(Calendar(key="x", label="x", country="none"), SHANGHAI).unknown_years(
            at("2026-12-30T10:00"), at("2030-01-04T10:00")
        )
        == ()
    )


def test_days_of_the_company_win_and_kept_days_win_over_them():
    document = Calendar.model_validate(
        {
            "key": "own",
            "label": "own",
            "days": [
                {"date": "2026-02-18", "kind": "work", "hours": ["10:00-12:00"]},
                {"date": "2026-11-30", "kind": "off"},
            ],
        },
        strict=False,
    )
    own = make_calendar(document, SHANGHAI)
    assert add_working_time(own, at("2026-02-16T00:00"), timedelta(hours=1)) == at("2026-02-18T11:00")
    assert not own.is_worked(date(2026, 11, 30))
    kept = [KeptDay(date(2026, 11, 30), worked=True, name=None, hours=("08:00-24:00",), source="u")]
    assert is_working_moment(make_calendar(document, SHANGHAI, kept), at("2026-11-30T23:59"))


def test_nobody_works_for_years():
    dead = WorkingCalendar(
        "x", SHANGHAI, ((),) * 6 + (((0, 60),),), {date(2026, 1, 4) + timedelta(days=7 * n): False for n in range(400)}
    )
    with pytest.raises(CalendarInvalid):
        next_working_moment(dead, at("2026-01-01T00:00"))
    with pytest.raises(CalendarInvalid):
        add_working_days(dead, at("2026-01-01T00:00"), 2)


MOMENTS = st.integers(0, 1_500_000).map(lambda minutes: at("2025-01-01T00:00") + timedelta(minutes=minutes))
WEEKS = st.lists(
    st.lists(st.integers(0, 96), min_size=0, max_size=6, unique=True).map(
        lambda marks: tuple(zip(*(iter(s * 900 for s in sorted(marks)),) * 2, strict=False))
    ),
    min_size=7,
    max_size=7,
).filter(any)
ZONES = st.sampled_from(["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"])
CALENDARS = st.builds(
    lambda week, zone, days: WorkingCalendar("x", ZoneInfo(zone), tuple(week), days),
    WEEKS,
    ZONES,
    st.dictionaries(st.dates(date(2025, 1, 1), date(2027, 12, 1)), st.booleans(), max_size=20),
)
AMOUNTS = st.integers(-20_000, 20_000).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=60)
@given(CALENDARS, MOMENTS, AMOUNTS)
def test_adding_is_undone_by_measuring(calendar, moment, amount):
    reached = add_working_time(calendar, moment, amount)
    assert working_time_between(calendar, moment, reached) == amount


@settings(max_examples=60)
@given(CALENDARS, MOMENTS, AMOUNTS.map(abs), AMOUNTS.map(abs))
def test_adding_in_parts_is_adding_the_whole(calendar, moment, first, second):
    if first and second:
        parts = add_working_time(calendar, add_working_time(calendar, moment, first), second)
        assert parts == add_working_time(calendar, moment, first + second)
    assert add_working_time(calendar, moment, first) <= add_working_time(calendar, moment, first + second)


@settings(max_examples=60)
@given(CALENDARS, MOMENTS)
def test_the_next_working_moment_is_one_and_none_is_before_it(calendar, moment):
    found = next_working_moment(calendar, moment)
    assert found >= moment
    assert is_working_moment(calendar, found)
    assert working_time_between(calendar, moment, found) == timedelta(0)


@settings(max_examples=80)
@given(st.dates(date(2025, 6, 1), date(2026, 12, 1)), st.integers(-60, 60))
def test_days_are_those_of_the_formula_workday(day, count):
    context = Context(now=at("2026-01-01T00:00"), zone=SHANGHAI, calendar=CHINA.days, weekend=CHINA.weekend)
    tree = Call("WORKDAY", (Literal(day, DATE), Literal(count, INTEGER)), DATE)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI)
    reached = add_working_days(CHINA, noon, count).astimezone(SHANGHAI)
    assert (evaluate(tree, DictRow({}), context), reached.hour) == (reached.date(), 12)
