"""The batch command: a line in, a line out, whatever the line is."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from formulas.batch import BACKENDS, main


def run(backend: str, *lines: str) -> list[Any]:
    target = io.StringIO()
    assert (
        main(
            ["--backend", backend, "--now", "2026-11-22T12:44:00+00:00", "--user", "u1"],
            io.StringIO("\n".join(lines) + "\n"),
            target,
        )
        == 0
    )
    return [json.loads(line) for line in target.getvalue().splitlines()]


def line(expression: str, fields: dict[str, Any] | None = None) -> str:
    return json.dumps({"id": 1, "expr": expression, "fields": fields or {}})


CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("1.10 + 2.20", {}, 3.3),
    ("{金额（元）} * 数量", {"金额（元）": 12.5, "数量": 4}, 50),
    ("a & b", {"a": "x", "b": None}, "x"),
    ("a + 1", {"a": None}, 1),
    ("due + 1", {"due": {"date": "2024-02-28"}}, {"date": "2024-02-29"}),
    ("DATEADD(at, 1, \"hour\")", {"at": {"datetime": "2024-02-29T08:00:00+08:00"}}, {"datetime": "2024-02-29T01:00:00.000Z"}),
    ("HAS(tags, \"a\")", {"tags": ["a", "b"]}, True),
    ("UNION(tags, [\"c\"])", {"tags": ["a"]}, ["a", "c"]),
    ("SUM(n)", {"n": [1, 2.5]}, 3.5),
    ("n% * 3 + m%%", {"n": 5, "m": 2.5}, 0.15025),
    ("\"a\" > e OR d > a OR b < a OR 1 > BLANK()", {"e": "", "a": None, "b": True, "d": {"date": "2024-02-29"}}, False),
    ("b > FALSE AND f < TRUE AND NOT(f > b)", {"b": True, "f": False}, True),
    ("customer.level = \"A\"", {"customer": {"level": "A"}}, True),
    ("SUM(payments.amount, status = \"paid\")", {"payments": [{"amount": 1.5, "status": "paid"}, {"amount": 2, "status": "open"}]}, 1.5),
    ("AVERAGE(payments.amount)", {"payments": [{"amount": 1}, {"amount": None}, {"amount": 2}]}, 1.5),
    ("TODAY()", {}, {"date": "2026-11-22"}),
    ("CURRENTUSER()", {}, "u1"),
    ("YEAR(NOW())", {}, 2026),
    ("ISBLANK(x)", {"x": ""}, True),
    ("IF(ok, \"是\", \"否\")", {"ok": False}, "否"),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_values(backend: str) -> None:
    found = run(backend, *(line(expression, fields) for expression, fields, _ in CASES))
    assert [answer.get("value", answer) for answer in found] == [expected for _, _, expected in CASES]


@pytest.mark.parametrize("backend", BACKENDS)
def test_errors_and_bad_lines(backend: str) -> None:
    found = run(
        backend,
        *("nonsense", "[]", "{}", '{"id": 1, "expr": 5}', '{"id": 1, "expr": "1", "fields": [1]}', "[" * 100_000),
        *(line("1 +"), line("amout", {"amount": 1}), line("1 / 0"), line("a + 1", {"a": "x"}), line("SWITCH(1, 2, 3)")),
        *(line("LEFT(\"a\", -1)"), line("SQRT(-1)"), line("(" * 100), line("x", {"x": {"no": {"such": []}}}), '{"id": 1, "expr": "1e5", "fields": {"x": NaN}}'),
        line("1 + 1"),
    )  # fmt: skip
    kinds = [answer["error"]["kind"] if "error" in answer else answer["value"] for answer in found]
    assert kinds == [
        *("PARSE", "PARSE", "PARSE", "PARSE", "TYPE", "PARSE"),
        *("PARSE", "NAME", "DIV0", "TYPE", "NA"),
        *("VALUE", "NUM", "LIMIT", None, "PARSE"),
        2,
    ]
    assert all(len(answer["error"]["at"]) == 2 for answer in found if "error" in answer)
    assert [answer["error"]["at"] for answer in found[6:9]] == [[3, 3], [0, 5], [0, 5]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_error_of_a_value_is_placed_where_it_comes_from(backend: str) -> None:
    found = run(
        backend,
        line("1 + a / b * 2", {"a": 1, "b": 0}),
        line("IF(a > 0, SQRT(-a), 1/0)", {"a": 4}),
        line("1 & SUM(2 / a)", {"a": 0}),
    )
    assert [(answer["error"]["kind"], answer["error"]["at"]) for answer in found] == [
        ("DIV0", [4, 9]),
        ("NUM", [10, 18]),
        ("DIV0", [8, 13]),
    ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_fields_of_which_nothing_is_known_and_numbers_of_many_digits(backend: str) -> None:
    big = 12345678901234567890123
    found = run(
        backend,
        *(line(text, {"a": None}) for text in ("a = 0", "a > 1", "NOT(a > 1)", "IF(a, 1, 2)", "a / 2")),
        *(line(text, {"a": big}) for text in ("a * a", "a + a", "-a", "MAX(a, 1)", "MOD(a, 7)", "QUOTIENT(a, 7)")),
    )
    expected = [False, False, True, 2, None, big * big, big * 2, -big, big, big % 7, big // 7]
    assert [answer.get("value") for answer in found] == expected


def test_numbers_are_written_with_exact_digits() -> None:
    target = io.StringIO()
    main(
        ["--backend", "compiled"],
        io.StringIO(line("12345678901234567890.12 * 10") + "\n" + line("10 ^ 30 + 0.5")),
        target,
    )
    assert [text.split('"value": ')[1] for text in target.getvalue().splitlines()] == [
        "123456789012345678901.2}",
        "1000000000000000000000000000000.5}",
    ]
