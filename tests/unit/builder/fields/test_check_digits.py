"""Numbers with check digits: published examples, and the property that no single wrong digit passes."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from builder.fields.parts.check_digits import (
    FORMS,
    credit_code_check,
    gs1_check,
    luhn_check,
    resident_id_check,
)

CREDIT_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@pytest.mark.parametrize(
    "form, number",
    [
        ("resident_id", "11010519491231002X"),  # GB 11643-1999, the example of the standard
        ("resident_id", "440524188001010014"),  # the same, for a person of over a hundred years
        ("social_credit_code", "91350100M000100Y43"),  # GB 32100-2015, the example of the standard
        ("bank_card", "4111111111111111"),
        ("bank_card", "6228480402564890018"),
        ("mobile", "19912345678"),
    ],
)
def test_published_examples(form, number):
    assert FORMS[form].explain(number) is None


def test_published_check_digits():
    assert luhn_check("7992739871") == "3"  # the example everybody gives for ISO/IEC 7812-1
    assert gs1_check("629104150021") == "3"  # GS1's own example of a GTIN-13
    assert gs1_check("400638133393") == "1"
    assert gs1_check("9638507") == "4"
    assert gs1_check("03600029145") == "2"


@pytest.mark.parametrize(
    "number, words",
    [
        ("110105491231002", "18 places"),
        ("110105194902310020", "date of birth"),
        ("110105194912310021", "check digit"),
    ],
)
def test_messages_tell_what_is_wrong(number, words):
    wrong = FORMS["resident_id"].explain(number)
    assert wrong is not None
    assert words in wrong.en


def one_wrong(number: str, place: int, step: int, signs: str) -> str:
    at = place % len(number)
    wrong = signs[(signs.index(number[at]) + 1 + step % (len(signs) - 1)) % len(signs)]
    return number[:at] + wrong + number[at + 1 :]


places, steps = st.integers(0, 100), st.integers(0, 100)


@given(st.text("0123456789", min_size=11, max_size=18), places, steps)
def test_luhn_finds_every_single_wrong_digit(body, place, step):
    number = body + luhn_check(body)
    assert FORMS["bank_card"].explain(number) is None
    assert FORMS["bank_card"].explain(one_wrong(number, place, step, "0123456789")) is not None


@given(st.text("0123456789", min_size=12, max_size=12), places, steps)
def test_gs1_finds_every_single_wrong_digit(body, place, step):
    number = body + gs1_check(body)
    wrong = one_wrong(number, place, step, "0123456789")
    assert gs1_check(wrong[:-1]) != wrong[-1]


@given(st.text(CREDIT_SIGNS, min_size=9, max_size=9), st.text("0123456789", min_size=6, max_size=6), places, steps)
def test_the_credit_code_finds_every_single_wrong_sign(organisation, region, place, step):
    body = f"91{region}{organisation}"
    number = body + credit_code_check(body)
    assert FORMS["social_credit_code"].explain(number) is None
    assert FORMS["social_credit_code"].explain(one_wrong(number, place, step, CREDIT_SIGNS)) is not None


@given(st.dates(), st.integers(100_000, 999_999), st.integers(0, 999), places, steps)
def test_the_resident_id_finds_every_single_wrong_digit(born, region, order, place, step):
    body = f"{region}{born.year:04d}{born:%m%d}{order:03d}"
    number = body + resident_id_check(body)
    assert FORMS["resident_id"].explain(number) is None
    at = place % 17
    assert FORMS["resident_id"].explain(one_wrong(body, at, step, "0123456789") + number[-1]) is not None
