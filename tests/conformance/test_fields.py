"""Every field type, driven with its own samples: what it takes, what it refuses, and both databases giving it back alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from builder.definition.entity import SYSTEM_KEYS, Entity
from builder.definition.kinds import ENTITIES, dump_document
from builder.definition.parse import parse_document
from builder.fields import ALL
from builder.fields.base import JSON, Field, Invalid
from builder.kernel.canonical import as_json, dump_json, parse_json
from builder.kernel.limits import FIELDS_PER_ENTITY
from builder.store import types as stored
from tests.conformance.field_table import FieldTable


class Case(NamedTuple):
    """A configured field with its accepted pairs (given, as read back) and refused pairs (given, code)."""

    field: Field
    accepted: tuple[tuple[JSON, JSON], ...]
    refused: tuple[tuple[JSON, str], ...]


CASES = {
    f"{kind.model_fields['type'].default}-{index}": Case(
        kind.of(**sample.options), tuple(sample.accepted), tuple(sample.refused)
    )
    for kind in ALL
    for index, sample in enumerate(kind.samples)
}

#: What a client may send to any field. Whatever is taken must be storable, whatever is not must be refused in words.
HOSTILE: tuple[JSON, ...] = (
    "",
    " \t\r\n ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "😀𠮷👩\u200d👩\u200d👧",
    "\u202egnp.exe",
    "עברית العربية ١٢٣",
    "'; DROP TABLE sample; --",
    '" OR ""="',
    "\\x00 \\u0000 %s %(x)s :x ? $1 {0}",
    "<script>alert(1)</script>",
    "x" * 1_000_000,
    "9" * 400,
    "NaN",
    "-Infinity",
    "1e999999",
    "0x7fffffffffffffff",
    "2026-02-30",
    "9999-12-31T23:59:59.999999+00:00",
    "null",
    0,
    -1,
    1,
    2**31,
    2**53,
    2**63,
    -(2**63) - 1,
    10**5000,
    Decimal("0.1"),
    Decimal("-0.0"),
    Decimal("1E+99999999"),
    Decimal("1E-99999999"),
    Decimal("0." + "1" * 5000),
    True,
    False,
    [],
    [[]],
    [None],
    [{}],
    ["\x00"],
    ["a"] * 10_000,
    {},
    {"id": None},
    {"id": "0193f7a0-1b2c-7d3e-8f40-112233445566", "x": "\x00"},
    {"\ud800": 1},
    {"__proto__": {"a": 1}},
)

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
each_stored_case = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.field.stored],
    ids=[name for name, case in CASES.items() if case.field.stored],
)


def json_of(field: Field, value: Any) -> JSON:
    return field.blank_json() if value is None else field.to_json(value)


# --- without a database -------------------------------------------------------------------------------------------


@each_case
def test_an_accepted_value_reads_back_as_the_sample_says(case: Case):
    for given, expected in case.accepted:
        shown = json_of(case.field, case.field.coerce(given))
        assert (shown, type(shown) is bool) == (expected, type(expected) is bool), repr(given)[:100]


@each_case
def test_what_was_read_back_is_accepted_and_stays_the_same(case: Case):
    for given, _ in case.accepted:
        value = case.field.coerce(given)
        if value is not None:
            assert case.field.coerce(case.field.to_json(value)) == value


@each_case
def test_a_refused_value_gives_its_code_and_a_sentence_in_both_languages_CVE_2026_47387(case: Case):
    for given, code in case.refused:
        with pytest.raises(Invalid) as caught:
            case.field.coerce(given)
        message = caught.value.message
        assert caught.value.code == code, repr(given)[:100]
        assert re.search("[\u4e00-\u9fff]", message.zh)
        assert re.search("[A-Za-z]", message.en)
        assert len(message.zh) < 500
        assert (message.zh + message.en).encode()


@each_case
def test_text_of_a_value_reads_back_as_the_value(case: Case):
    for given, _ in case.accepted:
        value = case.field.coerce(given)
        if value is not None and case.field.stored:
            assert case.field.coerce(case.field.from_text(case.field.to_text(value))) == value


@each_case
def test_the_value_schema_is_valid_and_describes_the_json(case: Case):
    schema = case.field.value_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    for given, expected in case.accepted:
        if case.field.coerce(given) is not None:
            checker.validate(expected)
    assert not checker.is_valid(None)


@each_case
def test_the_options_survive_a_document(case: Case):
    field = case.field.model_dump(exclude_none=True)
    entity = parse_document(ENTITIES, as_json({"key": "e", "label": "E", "fields": [field]}))
    again = parse_document(ENTITIES, parse_json(dump_json(dump_document(entity))))
    assert isinstance(again, Entity)
    assert again.fields[0] == case.field


@each_case
def test_the_formula_type_fits_the_column(case: Case):
    kinds = {
        stored.Words: ("text", "option"),
        stored.Whole: ("integer",),
        stored.Scaled: ("decimal",),
        stored.YesNo: ("boolean",),
        stored.Day: ("date",),
        stored.Instant: ("datetime",),
        stored.Identifier: ("record", "person", "department"),
        stored.DayTime: ("time",),
        stored.Span: ("duration",),
        stored.Document: ("json",),
        stored.KeySet: ("set",),
        stored.Position: ("geo",),
        type(None): ("set", "datetime", "person"),
    }
    column, formula = case.field.column_type(), case.field.formula_type()
    assert formula.kind in kinds[type(column)]
    if isinstance(column, stored.Scaled):
        assert (formula.scale, formula.digits) == (column.scale, column.digits)


def taken(field: Field, values: Iterable[JSON]) -> list[Any]:
    """The canonical values of those that are not refused."""
    found = []
    for given in values:
        try:
            found.append(field.coerce(given))
        except Invalid:
            continue
    return found


@each_case
def test_a_hostile_value_is_refused_in_words_or_taken_CVE_2026_28401_CVE_2026_47383(case: Case):
    for given in HOSTILE:
        try:
            dump_json(json_of(case.field, case.field.coerce(given)))
        except Invalid as invalid:
            sentences = [sentence.encode() for sentence in invalid.message]  # no surrogate is repeated in them
        else:
            continue
        assert all(0 < len(sentence) < 1_500 for sentence in sentences)


# --- on both databases --------------------------------------------------------------------------------------------


def storable(case: Case) -> list[Any]:
    """Canonical values of the samples and of what is taken from the hostile ones; blank among them."""
    return [*taken(case.field, [given for given, _ in case.accepted]), *taken(case.field, HOSTILE), None]


@each_stored_case
def test_the_database_gives_back_what_was_written(case: Case, database_url: str):
    values = storable(case)
    with FieldTable(database_url, case.field) as table:
        table.write(values)
        table.write_sheet(values)
        table.write_sync(values)
        rows = [parse_json(row)["value1"] for row in table.read_json()]
        assert rows == [json_of(case.field, value) for value in values] * 3
        back = table.read_values()
        assert back == values * 3
        assert [type(value) for value in back] == [type(value) for value in values] * 3


@pytest.mark.parametrize(
    "kind",
    [kind for kind in ALL if kind.samples and kind.of(**kind.samples[0].options).stored],
    ids=lambda kind: kind.__name__,
)
def test_a_wide_row_is_written_like_a_narrow_one(kind: type[Field], database_url: str):
    sample = kind.samples[0]
    field = kind.of(**sample.options)
    with FieldTable(database_url, field) as table:
        table.write([*taken(field, [given for given, _ in sample.accepted]), None])
        columns = FIELDS_PER_ENTITY + len(SYSTEM_KEYS)
        for narrow, wide in zip(table.read_json(), table.read_json(copies=columns), strict=True):
            (value,) = parse_json(narrow).values()
            assert list(parse_json(wide).values()) == [value] * columns


@each_stored_case
def test_a_value_is_found_by_equality(case: Case, database_url: str):
    values = [value for value in storable(case) if value is not None]
    with FieldTable(database_url, case.field) as table:
        ids = table.write(values)
        # compared as JSON text, because Python takes true for 1
        texts = [dump_json(case.field.to_json(value)) for value in values]
        for value, text in zip(values, texts, strict=True):
            assert table.find(value) == [id_ for id_, other in zip(ids, texts, strict=True) if other == text]


@each_stored_case
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_both_databases_write_the_same_bytes(case: Case, database_url: str, tmp_path: Path):
    values = storable(case)
    written = []
    for url in (f"sqlite:///{tmp_path / 'same.db'}", database_url):
        with FieldTable(url, case.field) as table:
            table.write(values)
            written.append(table.read_json())
    sqlite, postgresql = written
    if case.field.formula_type().kind in ("json", "geo") or case.field.type == "address":
        # PostgreSQL puts spaces between the parts of an object
        postgresql = [dump_json(parse_json(row)) for row in postgresql]
        sqlite = [dump_json(parse_json(row)) for row in sqlite]
    assert postgresql == sqlite
