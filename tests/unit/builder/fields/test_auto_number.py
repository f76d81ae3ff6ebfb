"""Auto numbers: the form, the series, and going on behind imported numbers."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builder.fields.auto_number import AutoNumberField, Counted

ON = date(2026, 3, 5)


def make(pattern: str = "{seq:6}", reset: str = "never", **options: object) -> AutoNumberField:
    return AutoNumberField.of(pattern=pattern, reset=reset, **options)


@pytest.mark.parametrize(
    "pattern, reset, number, period",
    [
        ("{seq:6}", "never", "000007", ""),
        ("L-{yyyy}{mm}-{seq:4}", "monthly", "L-202603-0007", "2026-03"),
        ("{yy}{mm}{dd}{seq:3}", "daily", "260305007", "2026-03-05"),
        ("{seq:2}/{yyyy}", "yearly", "07/2026", "2026"),
        ("合同-{yyyy}-{seq:1}号", "never", "合同-2026-7号", ""),
        ("{dd}.{mm}.{yyyy} %s {seq:3} \\1", "daily", "05.03.2026 %s 007 \\1", "2026-03-05"),
    ],
)
def test_number_and_period(pattern, reset, number, period):
    field = make(pattern, reset)
    assert field.number(ON, 7) == number
    assert field.period(ON) == period
    assert field.find_counted(number) == Counted(period, 7)
    assert field.coerce(number) == number


def test_a_number_outgrows_its_width():
    field = make("A{seq:2}")
    assert field.number(ON, 12345) == "A12345"
    assert field.find_counted("A12345") == Counted("", 12345)


@pytest.mark.parametrize(
    "number", ["X-1", "L-202613-0001", "L-202603-001", "L-202603-0001x", "l-202603-0001", "L-２０２６03-0001"]
)
def test_a_number_of_another_form_stands_in_no_series(number):
    assert make("L-{yyyy}{mm}-{seq:4}", "monthly").find_counted(number) is None


@pytest.mark.parametrize(
    "pattern, reset, reason",
    [
        ("no number", "never", "exactly once"),
        ("{seq:3}{seq:3}", "never", "exactly once"),
        ("{seq:0}-", "never", "not known"),
        ("{seq:13}", "never", "not known"),
        ("{seq}----", "never", "not known"),
        ("{seq:4}{hh}", "never", "{hh} is not known"),
        ("{seq:4}{YYYY}", "never", "not known"),
        ("{seq:4}{0.__class__}", "never", "not known"),
        ("{{seq:4}}", "never", "brace"),
        ("{seq:4}}", "never", "brace"),
        ("{seq:4}\n", "never", "control characters"),
        (" {seq:4}", "never", "spaces at an end"),
        ("{mm}{seq:4}", "yearly", "needs {yyyy}"),
        ("{yyyy}{seq:4}", "monthly", "needs {mm}"),
        ("{mm}{dd}{seq:4}", "daily", "needs {yyyy}"),
        ("{yy}{mm}{seq:4}", "daily", "needs {dd}"),
    ],
)
def test_a_pattern_that_could_repeat_or_means_nothing_is_refused(pattern, reset, reason):
    with pytest.raises(ValidationError) as caught:
        make(pattern, reset)
    assert reason in str(caught.value)


def test_the_system_gives_it_and_it_is_unique():
    assert AutoNumberField.assigned
    assert make().unique
    assert make().start == 1
    with pytest.raises(ValidationError):
        make(start=-1)


FORMS = [
    ("{seq:3}{yyyy}", "yearly"),
    ("{yyyy}{seq:1}{mm}", "monthly"),
    ("{dd}{mm}{yyyy}{seq:2}", "daily"),
    ("x{yyyy}{mm}{dd}-{seq:1}", "monthly"),
]
counted = st.tuples(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 10**6))


@given(st.sampled_from(FORMS), counted, counted)
def test_two_records_of_one_series_or_of_two_never_share_a_number(form, one, other):
    field = make(*form)
    same = (field.period(one[0]), one[1]) == (field.period(other[0]), other[1])
    if field.number(*one) == field.number(*other):
        assert same
    assert field.find_counted(field.number(*one)) == Counted(field.period(one[0]), one[1])
