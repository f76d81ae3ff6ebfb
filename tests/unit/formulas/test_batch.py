"""The batch command: a line in, a line out, whatever the line is."""

from __future__ import annotations

import io
import json
from time import process_time
from typing import Any

import pytest

from formulas.batch import BACKENDS, main


def run(backend: str, *lines: str) -> list[Any]:
    return run_bytes(backend, *(line.encode() for line in lines))


def run_bytes(backend: str, *lines: bytes) -> list[Any]:
    target = io.BytesIO()
    arguments = ["--backend", backend, "--now", "2026-11-22T12:44:00+00:00", "--user", "u1"]
    assert main(arguments, io.BytesIO(b"\n".join(lines) + b"\n"), target) == 0
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
        *("VALUE", "NUM", "LIMIT", None, "TYPE"),
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
    target = io.BytesIO()
    lines = line("12345678901234567890.12 * 10") + "\n" + line("10 ^ 30 + 0.5")
    main(["--backend", "compiled"], io.BytesIO(lines.encode()), target)
    assert [text.split('"value": ')[1] for text in target.getvalue().decode().splitlines()] == [
        "123456789012345678901.2}",
        "1000000000000000000000000000000.5}",
    ]


BLANK_CHOICES: list[tuple[str, Any]] = [
    ("IF(f, a, IFERROR(1, n)) < DEGREES(BLANK())", False),
    ('LISTCOUNT(IFS(f AND u = "y", SLICE(ds, -1, 10^20), TRUE, BLANK()))', 0),
    ("LISTCOUNT(IFERROR(SLICE(ds, -1), BLANK()))", 0),
    ("YEAR(IF(f, BLANK(), BLANK()))", None),
    ("IF(f, BLANK(), NA()) + 1", 1),
    ('IFERROR(NA(), BLANK()) & "x"', "x"),
    ("MONTH(IFNA(NA(), d))", 1),
    ("HAS([1e20, 1], 0.0000001)", False),
    ("HASALL([1.0, 2.50], [1, 2.5])", True),
    ("SMALL([DATE(2024, 1, 2), DATE(2024, 1, 1)], 1) + 1", {"date": "2024-01-02"}),
    ("COUNT(n, d, f)", 1),
    ("SORT(COALESCE(a, ds))", [{"date": "2024-01-01"}]),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_blanks_of_every_type_and_sets_of_every_kind(backend: str) -> None:
    day = {"date": "2024-01-01"}
    fields = {"f": True, "a": None, "n": 2.5, "d": day, "ds": [day], "u": "x"}
    found = run(backend, *(line(text, fields) for text, _ in BLANK_CHOICES))
    assert [answer.get("value", answer) for answer in found] == [expected for _, expected in BLANK_CHOICES]
    (refused,) = run(backend, line("HAS([0], FALSE)"))
    assert refused["error"]["kind"] == "TYPE"


STAFF = {
    "people": {"u1": {"department": "d3", "manager": "u2"}, "u2": {"department": "d1", "manager": None}, "u3": {}},
    "departments": {
        "d1": {"name": "总部"}, "d2": {"name": "销售部", "parent": "d1"}, "d3": {"name": "华东区", "parent": "d2"},
        "d8": {"parent": "d9"}, "d9": {"parent": "d8"},
    },
}  # fmt: skip
ASKING: list[tuple[str, Any]] = [
    ("DEPTPATH(USERDEPT(owner))", "总部/销售部/华东区"),
    ("部门路径(人员部门(owner))", "总部/销售部/华东区"),
    ("MANAGER(owner) = boss", True),
    ("上级(直接上级(owner))", None),
    ("USERDEPT(CURRENTUSER())", "d3"),
    ("USERDEPT(nobody) = BLANK()", True),
    ('DEPTPATH(strange) & "!"', "!"),
    ("LEN(DEPTPATH(round))", 149),
    ("IF(FALSE, MANAGER(owner), CURRENTUSER())", "u1"),
    ("SUM(rows.n, USERDEPT(rows.who) = this.dept)", 5),
    ('INDEPT(owner, "d1")', True),
    ('INDEPT(boss, "d3")', False),
    ("INDEPT(dept, USERDEPT(owner)) OR INDEPT(nobody, dept)", False),
    ("属部门(人员部门(owner), dept) AND NOT(WITHINDEPT(strange, dept))", True),
    ("COUNT(rows, INDEPT(rows.who, this.dept))", 2),
    ("INTEAM(owner) OR INDEPT(owner) OR INDEPT(dept) OR MANAGES(boss)", False),
    ('TEXTJOIN(",", TRUE, DEPTPATH(USERDEPT(rows.who)))', "总部/销售部/华东区,总部"),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_directory_of_a_line_is_asked(backend: str) -> None:
    rows = [{"n": 1, "who": {"person": "u1"}}, {"n": 5, "who": {"person": "u2"}}, {"n": 7, "who": None}]
    people = {"owner": {"person": "u1"}, "boss": {"person": "u2"}, "nobody": {"person": "u3"}}
    departments = {"dept": {"department": "d1"}, "round": {"department": "d8"}, "strange": {"department": "d7"}}
    fields = {**people, **departments, "rows": rows}
    lines = [json.dumps({"id": 1, "expr": text, "fields": fields, "directory": STAFF}) for text, _ in ASKING]
    found = run(backend, *lines, json.dumps({"id": 2, "expr": "1", "directory": {"people": {"u1": {"boss": "u2"}}}}))
    assert [answer.get("value", answer) for answer in found[:-1]] == [expected for _, expected in ASKING]
    assert found[-1]["error"]["kind"] == "TYPE"


HOSTILE: list[tuple[bytes, Any, str | None]] = [
    (b'{"id": 1, "expr": "1+1"', 1, "PARSE"),
    (b'{"expr": "1", "id": "z"', "z", "PARSE"),
    (b'{"id": 2, "expr": "\xff\xfe"}', 2, "PARSE"),
    (b'\xff\xfe{"id": 3, "expr": "1"}', 3, "PARSE"),
    (b'{"id": 4, "expr": "\\ud800"}', 4, "PARSE"),
    (b'{"id": 5, "expr": "\\"\\u0000\\""}', 5, "PARSE"),
    (b'{"id": "\\ud800", "expr": "1"}', "\ud800", None),
    (b'\xef\xbb\xbf{"id": 51, "expr": "1"}\r', 51, None),
    (b'{"id": 52, "expr": "LEN(\\"' + b"x" * 3_000 + b'\\")"}', 52, None),
    (b'{"id": 6, "expr": "x", "fields": {"x": "\\udfff"}}', 6, "TYPE"),
    (b'{"id": 7, "expr": "x", "fields": {"x": Infinity}}', 7, "TYPE"),
    (b'{"id": 8, "expr": "x", "fields": {"x": 1e999999999999}}', 8, "TYPE"),
    (b'{"id": 81, "expr": "x", "fields": {"x": ' + b"9" * 5_000 + b"}}", 81, "TYPE"),
    (b'{"id": 1e999999999, "expr": "1"}', None, None),
    (b'{"id": NaN, "expr": "1"}', None, None),
    (b'{"id": 9, "expr": "1", "fields": 0}', 9, "TYPE"),
    (b'{"id": 10, "expr": "1", "fields": ' + b'{"a":' * 900 + b"1" + b"}" * 901, 10, "TYPE"),
    (b'{"id": 11, "expr": "1", "fields": ' + b"[" * 100_000, 11, "PARSE"),
    (b'{"id": 12, "expr": "\\"' + b"x" * 10_000_000 + b'\\""}', 12, "LIMIT"),
    (b'{"expr": "\\"' + b"x" * 3_000_000 + b'\\"", "id": 13}', 13, "LIMIT"),
    (b'{"id": 14, "expr": "SUM(x)", "fields": {"x": [' + b"1," * 20_000 + b"1]}}", 14, "LIMIT"),
    (b'{"id": 15, "expr": "x", "fields": {"x": 1, "x": 2}}', 15, None),
    ('{"id": 16, "expr": "1 +\u2028 1"}'.encode(), 16, None),
    (b'{"id": 17, "expr": "SUM(r.x)", "fields": {"r": [' + b'{"x":1},' * 4_000 + b'{"x":1}]}}', 17, None),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_hostile_bytes_are_answered_with_their_id_in_bounded_time(backend: str) -> None:
    for given, expected, kind in HOSTILE:
        start = process_time()
        found, after = run_bytes(backend, given, line("1 + 1").encode())
        taken = process_time() - start
        assert after["value"] == 2
        assert found["id"] == expected or kind is expected is None, given[:60]
        assert found.get("error", {}).get("kind") == kind, given[:60]
        assert taken < 2, given[:60]  # the machine of the tests is shared: a bomb takes minutes
