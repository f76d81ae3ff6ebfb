"""Cells of text: what people write in spreadsheets, and values turned from one type into another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from builder.fields import BY_TYPE
from builder.fields.base import Field, Invalid

OPTIONS = [{"key": "a", "label": "甲"}, {"key": "b", "label": {"zh": "乙、二", "en": "B"}}, {"key": "c", "label": "丙"}]


def make(type_: str, **options: Any) -> Field:
    return BY_TYPE[type_].of(**options)


def read(type_: str, cell: str, **options: Any) -> Any:
    field = make(type_, **options)
    value = field.coerce(field.from_text(cell))
    return field.blank_json() if value is None else field.to_json(value)


@pytest.mark.parametrize(
    "type_, cell, expected",
    [
        ("integer", "1,234", 1234),
        ("integer", "-12,345,678", -12345678),
        ("integer", " １２ ", 12),
        ("integer", "5.0", 5),
        ("decimal", "1,234.50", "1234.50"),
        ("decimal", "-1,234.5", "-1234.50"),
        ("decimal", "+3", "3.00"),
        ("decimal", "15%", "0.15"),
        ("decimal", ".5", "0.50"),
        ("money", "¥1,234.50", "1234.50"),
        ("money", "￥1,234.50", "1234.50"),
        ("money", "-¥5", "-5.00"),
        ("money", "¥-5", "-5.00"),
        ("money", "1,234.50元", "1234.50"),
        ("money", "CNY 12", "12.00"),
        ("percent", "15%", "0.1500"),
        ("percent", "-15.5 %", "-0.1550"),
        ("percent", "１５％", "0.1500"),
        ("percent", "0.15", "0.1500"),
        ("percent", "15", "15.0000"),
    ],
)
def test_numbers_as_people_write_them(type_, cell, expected):
    assert str(read(type_, cell)) == str(Decimal(expected))


@pytest.mark.parametrize(
    "type_, cell",
    [
        ("integer", "1,23"),
        ("integer", "1234,567"),
        ("integer", "15%"),
        ("integer", "--5"),
        ("decimal", "1.234,50"),
        ("decimal", "1,2"),
        ("decimal", "1 234"),
        ("decimal", "12万"),
        ("decimal", "%"),
        ("decimal", "-+5"),
        ("money", "$5"),
        ("money", "USD 5"),
        ("percent", "15%%"),
        ("percent", "¥15"),
    ],
)
def test_a_doubtful_number_is_refused_rather_than_guessed(type_, cell):
    with pytest.raises(Invalid) as caught:
        read(type_, cell)
    assert caught.value.code == "type"


def test_money_reads_the_signs_of_its_own_currency():
    assert read("money", "US$ 5", currency="USD") == Decimal("5.00")
    assert read("money", "$5", currency="USD") == Decimal("5.00")
    assert read("money", "CHF 5", currency="CHF") == Decimal("5.00")
    with pytest.raises(Invalid):
        read("money", "¥5", currency="USD")


def test_a_per_cent_sign_divides_exactly():
    digits = "0.15499999999999999999999999999999999"
    assert read("percent", f"{digits}%", scale=10, digits=15) == Decimal("0.0015500000")
    assert make("percent").from_text(f"{digits}%") == "0.0015499999999999999999999999999999999"


@pytest.mark.parametrize(
    "cell",
    [
        "2026-3-5",
        "2026/3/5",
        "2026.03.05",
        "2026年3月5日",
        " 2026-03-05 ",
        "2026/3/5 0:00:00",
        "2026-03-05T00:00:00.000",
    ],
)
def test_dates_as_people_write_them(cell):
    assert read("date", cell) == "2026-03-05"


@pytest.mark.parametrize("cell", ["5/3/2026", "2026-3", "26-3-5", "2026-2-30", "2026/3/5 8:30", "45000", "3月5日"])
def test_a_doubtful_date_is_refused_rather_than_guessed(cell):
    with pytest.raises(Invalid) as caught:
        read("date", cell)
    assert caught.value.code == "date"


@pytest.mark.parametrize("cell", ["是", "true", "TRUE", "Yes", "1", " y "])
def test_words_for_yes(cell):
    assert read("boolean", cell) is True


@pytest.mark.parametrize("cell", ["否", "false", "FALSE", "No", "0", "n"])
def test_words_for_no(cell):
    assert read("boolean", cell) is False


def test_another_word_is_neither_yes_nor_no():
    with pytest.raises(Invalid):
        read("boolean", "maybe")


@pytest.mark.parametrize("cell", ["c;a", "丙；甲", "甲、c", "a|丙|a", "a; ;c", ";a;c;"])
def test_several_options_in_one_cell(cell):
    assert read("multi_select", cell, options=OPTIONS) == ["a", "c"]


def test_a_label_with_a_separator_is_found_if_it_stands_alone():
    assert read("multi_select", "乙、二", options=OPTIONS) == ["b"]
    with pytest.raises(Invalid):
        read("multi_select", "乙、二;a", options=OPTIONS)


@pytest.mark.parametrize("cell", ['{"a": [1, 2.50]}', ' {"a":[1,2.5]} '])
def test_json_text(cell):
    assert read("json", cell) == {"a": [1, Decimal("2.5")]}


@pytest.mark.parametrize("cell", ["{", "{'a': 1}", "undefined", "NaN", "[" * 100 + "]" * 100])
def test_text_that_is_no_json_is_refused(cell):
    with pytest.raises(Invalid) as caught:
        read("json", cell)
    assert caught.value.code == "json"


# --- conversions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, given, target, expected",
    [
        (make("text"), "1,234.5", make("decimal"), Decimal("1234.50")),
        (make("text"), "2026年3月5日", make("date"), "2026-03-05"),
        (make("text"), "乙、二", make("select", options=OPTIONS), "b"),
        (make("text"), "甲;丙", make("multi_select", options=OPTIONS), ["a", "c"]),
        (make("text"), "是", make("boolean"), True),
        (make("integer"), 5, make("money"), Decimal("5.00")),
        (make("decimal"), Decimal("5.00"), make("integer"), 5),
        (make("decimal", digits=18), "5.25", make("percent"), Decimal("5.2500")),
        (make("percent"), Decimal("0.15"), make("decimal"), Decimal("0.15")),
        (make("date"), "2026-03-05", make("text"), "2026-03-05"),
        (make("datetime"), "2026-03-05T00:00:00Z", make("text"), "2026-03-05T00:00:00.000Z"),
        (make("select", options=OPTIONS), "a", make("multi_select", options=OPTIONS), ["a"]),
        (make("multi_select", options=OPTIONS), ["a"], make("select", options=OPTIONS), "a"),
        (make("multi_select", options=OPTIONS), ["a", "c"], make("text"), "a;c"),
        (make("boolean"), True, make("text"), "true"),
        (make("text"), "a\tb".replace("\t", " "), make("long_text"), "a b"),
        (make("json"), {"a": 1}, make("text"), '{"a":1}'),
        (make("text"), "[1]", make("json"), [1]),
        (make("text"), "138 1234 5678", make("phone"), "13812345678"),
    ],
    ids=lambda value: value.type if isinstance(value, Field) else None,
)
def test_a_value_becomes_one_of_another_type(source, given, target, expected):
    assert target.to_json(target.convert(source, source.coerce(given))) == expected


@pytest.mark.parametrize(
    "source, given, target, code",
    [
        (make("decimal"), Decimal("5.25"), make("integer"), "integer"),
        (make("datetime"), "2026-03-05T00:30:00Z", make("date"), "date"),
        (make("date"), "2026-03-05", make("datetime"), "datetime"),
        (make("multi_select", options=OPTIONS), ["a", "c"], make("select", options=OPTIONS), "option"),
        (make("long_text"), "a\nb", make("text"), "character"),
        (make("text"), "hello", make("user"), "type"),
        (make("text"), "hello", make("json"), "json"),
        (make("boolean"), True, make("integer"), "type"),
    ],
    ids=lambda value: value.type if isinstance(value, Field) else None,
)
def test_a_value_that_does_not_fit_the_other_type_is_refused(source, given, target, code):
    with pytest.raises(Invalid) as caught:
        target.convert(source, source.coerce(given))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "type_, cell, expected",
    [
        ("rating", "★★★☆☆", 3),
        ("rating", "4", 4),
        ("time", "9:30", "09:30:00"),
        ("time", "9：30", "09:30:00"),
        ("time", "下午2:30", "14:30:00"),
        ("time", "12:05 AM", "00:05:00"),
        ("time", "2:30:15 pm", "14:30:15"),
        ("time", "9时30分", "09:30:00"),
        ("duration", "49:30", 178_200),
        ("duration", "0:00:05", 5),
        ("duration", "1天2小时", 93_600),
        ("duration", "1h 30m", 5_400),
        ("duration", "90分钟", 5_400),
        ("duration", "45", 45),
        ("tags", "老客户；VIP, 老客户", ["老客户", "VIP"]),
        ("tags", '"a;b";c', ["a;b", "c"]),
        ("geo_point", "31.2304，121.4737", {"lat": Decimal("31.230400"), "lng": Decimal("121.473700")}),
    ],
)
def test_other_cells_as_people_write_them(type_, cell, expected):
    assert read(type_, cell) == expected


def test_text_becomes_rich_text_as_text():
    rich, plain = make("rich_text"), make("long_text")
    assert rich.convert(plain, "a < b\n<b>c</b>") == "a &lt; b<br>&lt;b&gt;c&lt;/b&gt;"
