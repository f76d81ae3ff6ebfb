"""Properties of field types over values nobody thought of, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from builder.fields import ALL, BY_TYPE
from builder.fields.base import Field, Invalid
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text
from tests.conformance.field_table import FieldTable

STORED = settings(max_examples=15)  # each example writes up to fifty values


def batches(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=50)


def round_trips(url: str, field: Field, values: st.SearchStrategy[Any], check: Callable[[Any, Any], None]) -> None:
    """Write many given values to one table; ``check(given, value)`` looks at what coerce made of each."""
    with FieldTable(url, field) as table:
        written: list[Any] = []

        @STORED
        @given(batches(values))
        def holds(given_values: list[Any]) -> None:
            coerced = [field.coerce(one) for one in given_values]
            for one, value in zip(given_values, coerced, strict=True):
                check(one, value)
            written.extend(coerced)
            table.write(coerced)

        holds()
        rows = [parse_json(row)["value1"] for row in table.read_json()]
        assert rows == [field.blank_json() if value is None else field.to_json(value) for value in written]
        assert table.read_values() == written


# --- numbers ------------------------------------------------------------------------------------------------------


def test_an_exact_number_is_rounded_half_up_once_and_kept_exactly(database_url: str):
    field = BY_TYPE["money"].of()

    def check(one: Decimal, value: Decimal) -> None:
        with localcontext(prec=100):
            assert value == one.quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert value.as_tuple().exponent == -2

    round_trips(database_url, field, st.decimals("-9999999999999.99", "9999999999999.99", places=6), check)


def test_eighteen_digits_are_kept_exactly(database_url: str):
    field = BY_TYPE["decimal"].of(digits=18, scale=6)
    values = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda number: Decimal(number).scaleb(-6))

    def check(one: Decimal, value: Decimal) -> None:
        assert value == one

    round_trips(database_url, field, values, check)


def test_a_tie_is_rounded_away_from_zero():
    field = BY_TYPE["decimal"].of(scale=2)

    @given(st.integers(-(10**12), 10**12))
    def holds(hundredths: int) -> None:
        tie = Decimal(hundredths).scaleb(-2) + (Decimal("0.005") if hundredths >= 0 else Decimal("-0.005"))
        assert field.coerce(tie) == Decimal(hundredths + (1 if hundredths >= 0 else -1)).scaleb(-2)

    holds()


def test_an_integer_is_kept_exactly(database_url: str):
    def check(one: int, value: int) -> None:
        assert (value, type(value)) == (one, int)

    round_trips(database_url, BY_TYPE["integer"].of(), st.integers(-(2**53) + 1, 2**53 - 1), check)


# --- texts --------------------------------------------------------------------------------------------------------

printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


def test_any_printable_text_is_kept(database_url: str):
    def check(one: str, value: str | None) -> None:
        assert (value or "") == one.strip()

    round_trips(database_url, BY_TYPE["text"].of(), printable, check)


def test_any_lines_of_text_are_kept(database_url: str):
    lines = st.lists(printable, max_size=5).map("\n".join)

    def check(one: str, value: str | None) -> None:
        assert (value or "") == one.rstrip().lstrip("\n")

    round_trips(database_url, BY_TYPE["long_text"].of(), lines, check)


def test_texts_are_ordered_by_code_point_on_both_databases(database_url: str):
    with FieldTable(database_url, BY_TYPE["text"].of()) as table:
        values = ["b", "B", "a", "é", "e\u0301", "中", "一", "😀", "\uffee", "ß", "ss", "_", "~", "A b", "Ab"]
        table.write(values)
        assert table.order() == sorted(values)


# --- time ---------------------------------------------------------------------------------------------------------


def test_any_day_is_kept(database_url: str):
    def check(one: str, value: date) -> None:
        assert value.isoformat() == one

    round_trips(database_url, BY_TYPE["date"].of(), st.dates().map(date.isoformat), check)


zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def test_any_instant_is_kept_and_rounded_down_to_milliseconds(database_url: str):
    moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones)  # noqa: DTZ001

    def check(one: str, value: datetime) -> None:
        exact = datetime.fromisoformat(one)
        assert timedelta(0) <= exact - value < timedelta(milliseconds=1)
        assert value.microsecond % 1000 == 0
        assert value.tzinfo is UTC

    values = moments.map(lambda at: at.isoformat(timespec="microseconds"))
    round_trips(database_url, BY_TYPE["datetime"].of(), values, check)


def test_instants_are_ordered_by_time_on_both_databases(database_url: str):
    texts = [
        "1969-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "2026-11-22T20:00:00+08:00",
    ]
    field = BY_TYPE["datetime"].of()
    with FieldTable(database_url, field) as table:
        values = [field.coerce(text) for text in texts]
        table.write(values)
        assert table.order() == sorted(values)
        assert instant_text(table.order()[0]) == "0001-01-01T00:00:00.000Z"


# --- documents ----------------------------------------------------------------------------------------------------

numbers = st.integers(-(10**20), 10**20) | st.decimals(
    allow_nan=False, allow_infinity=False, places=6, max_value=10**9, min_value=0
)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
documents = st.recursive(
    st.booleans() | numbers | lines,
    lambda inner: st.lists(inner | st.none(), max_size=5) | st.dictionaries(lines, inner | st.none(), max_size=5),
    max_leaves=15,
)


def test_any_document_is_kept(database_url: str):
    def check(one: Any, value: Any) -> None:
        assert value == one

    round_trips(database_url, BY_TYPE["json"].of(), documents, check)


def shuffled(value: Any) -> Any:
    """The same JSON value with its members in another order and its numbers in another spelling."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    if isinstance(value, list):
        return [shuffled(item) for item in value]
    return value if isinstance(value, bool | str) or value is None else Decimal(value) + Decimal("0.00")


def test_equal_documents_are_equal_in_the_database(database_url: str):
    field = BY_TYPE["json"].of()
    with FieldTable(database_url, field) as table:

        @settings(max_examples=40)
        @given(documents)
        def holds(document: Any) -> None:
            (id_,) = table.write([field.coerce(document)])
            assert id_ in table.find(field.coerce(shuffled(document)))

        holds()


def test_members_stand_in_the_same_order_on_both_databases(database_url: str):
    field = BY_TYPE["json"].of()
    names = ("b", "a", "aa", "B", "é", "中", "", "z" * 9, "😀", "\uffee", "10", "9")
    document = dict.fromkeys(names, 1)
    with FieldTable(database_url, field) as table:
        table.write([field.coerce(document)])
        (row,) = table.read_json()
        assert list(parse_json(row)["value1"]) == list(field.coerce(document))


# --- every type ---------------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = [kind.of(**sample.options) for kind in ALL for sample in kind.samples]


def taken_or_refused(take: Callable[[], Any]) -> Any:
    """The canonical value, None if it was refused in words; any other error is a failure."""
    try:
        return take()
    except Invalid as invalid:
        spoken = all(invalid.message) and len(invalid.message.en) < 1_000
    assert spoken
    return None


@given(st.sampled_from(FIELDS), anything.filter(lambda value: value is not None))
@settings(max_examples=400)
def test_anything_is_refused_in_words_or_taken_for_good(field: Field, value: Any):
    taken = taken_or_refused(lambda: field.coerce(value))
    if taken is not None:
        shown = field.to_json(taken)
        assert field.coerce(shown) == taken
        assert dump_json(parse_json(dump_json(shown))) == dump_json(shown)


@given(st.sampled_from([field for field in FIELDS if field.stored]), st.text(min_size=1))
@settings(max_examples=400)
def test_any_cell_is_refused_in_words_or_taken(field: Field, text: str):
    taken_or_refused(lambda: field.coerce(field.from_text(text)))
