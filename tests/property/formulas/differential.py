"""Random typed formulas, and awkward rows in both databases, for the proof that all back ends agree."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from formulas import sqlite_functions
from formulas.batch_sql import from_sql
from formulas.schema import FieldInfo
from formulas.sql import Dialect, to_sql
from formulas.tree import Path, Tree
from formulas.types import BOOLEAN, DATE, DATETIME, TEXT, decimal, integer, set_of
from tests.unit.formulas.world import CONTEXT, POSTGRES, column_type

FIELDS = {
    field.key: field
    for field in (
        FieldInfo("money", decimal(2, 14)),
        FieldInfo("rate", decimal(4, 9)),
        FieldInfo("big", decimal(2, 18)),
        FieldInfo("count", integer(9)),
        FieldInfo("name", TEXT),
        FieldInfo("note", TEXT),
        FieldInfo("won", BOOLEAN),
        FieldInfo("day", DATE),
        FieldInfo("other_day", DATE),
        FieldInfo("moment", DATETIME),
        FieldInfo("tags", set_of(TEXT)),
    )
}


def _moment(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


_ROWS: list[tuple[Any, ...]] = [
    ("0.00", "0.0000", "0.00", 0, "abc", "ABC", True, date(2024, 2, 29), date(2023, 2, 28), _moment(2024, 2, 29, 23, 59, 59), ("a", "b")),
    ("-0.05", "0.5000", "1000000000000.05", -1, "张三公司", "张", False, date(2024, 12, 30), date(2025, 1, 4), _moment(1970, 1, 1), ()),
    ("2.50", "-0.0050", "-1000000000000.05", 7, "李四😀", "😀", None, date(2000, 1, 31), date(1999, 12, 31), None, ("c",)),
    ("2.67", "12345.6789", "9999999999999999.99", 3, "É ß ı", "é", True, date(1900, 3, 1), None, _moment(2026, 11, 22, 12, 44), ("b", "a", "c")),
    (None, None, None, None, None, None, None, None, None, None, None),
    ("999999999999.99", "0.3333", "0.01", 999999999, " a  b\u3000", "a b", False, date(9999, 12, 31), date(1, 1, 1), _moment(2038, 1, 19, 3, 14, 8), ("张",)),
    ("-1234.55", "1.0000", "-0.01", -999999999, "100%_x", "%", True, date(2023, 3, 31), date(2024, 3, 31), _moment(1999, 12, 31, 23, 0), None),
    ("10.00", "-2.0000", "123456789.12", 10, "1,234.50", "12", None, date(2024, 1, 1), date(2024, 1, 1), _moment(2024, 1, 1), ("a",)),
]  # fmt: skip
ROWS = [
    dict(zip(FIELDS, [Decimal(value) if isinstance(value, str) and at < 3 else value for at, value in enumerate(row)], strict=True))
    for row in _ROWS
]  # fmt: skip


class Fields:
    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        return FIELDS.get(key)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        return [(key, key) for key in FIELDS]


class Table:
    """The rows in one database."""

    def __init__(self, dialect: Dialect, rows: list[dict[str, Any]] = ROWS) -> None:
        self.dialect: Dialect = dialect
        url = "sqlite://" if dialect == "sqlite" else POSTGRES.replace("postgresql://", "postgresql+psycopg://")
        self.engine = sa.create_engine(url, poolclass=sa.pool.StaticPool, isolation_level="AUTOCOMMIT")
        self.connection = self.engine.connect()
        if dialect == "sqlite":
            sqlite_functions.install(self.connection.connection.dbapi_connection)  # type: ignore[arg-type]
        columns = [sa.Column(field.key, column_type(field, dialect)) for field in FIELDS.values()]
        self.table = sa.Table(
            "formula_rows", sa.MetaData(), sa.Column("id", sa.Integer()), *columns, prefixes=["TEMPORARY"]
        )
        self.table.create(self.connection, checkfirst=False)
        self.connection.execute(self.table.insert(), [{"id": at, **row} for at, row in enumerate(rows)])

    def column(self, path: Path) -> sa.ColumnElement[Any]:
        return self.table.c[path.steps[-1]]

    def related(self, relation: tuple[str, ...]) -> Any:
        raise AssertionError(relation)

    def values(self, trees: list[Tree]) -> list[list[Any]]:
        """For each tree the values of all rows, by one statement."""
        columns = [to_sql(tree, self, self.dialect, CONTEXT).label(f"c{at}") for at, tree in enumerate(trees)]
        fetched = self.connection.execute(sa.select(*columns).select_from(self.table).order_by(self.table.c.id)).all()
        return [[from_sql(row[at], tree.type) for row in fetched] for at, tree in enumerate(trees)]

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


# --- formulas of each type --------------------------------------------------------------------------------------------

_NUMBERS = ("0", "1", "2", "3", "7", "10", "0.5", "2.5", "0.1", "1.005", "100", "0.0000001", "1000000000000", "15%")
_TEXTS = ('"a"', '"A"', '"abc"', '"张"', '"😀"', '" "', '"%"', '"é"', '"b a"', '""', '"12"', '"1,234.5%"', '"-.5"')
_SETS = ('["a"]', '["a", "b"]', '["c", "张"]')


_FIELDS = {
    "n": ("money", "rate", "big", "count"),
    "t": ("name", "note"),
    "b": ("won",),
    "d": ("day", "other_day"),
    "m": ("moment",),
    "L": ("tags",),
}
_CONSTANTS = {
    "n": _NUMBERS,
    "t": _TEXTS,
    "b": ("TRUE", "FALSE"),
    "d": ("DATE(2024,2,29)", "DATE(2023,12,31)", "DATE(2000,1,1)"),
    "m": ("FROMUNIX(0)", "FROMUNIX(1709251199)"),
    "L": _SETS,
}
_CHOICES = (("IF({0}, {1}, {2})", "b**"), ("IFERROR({0}, {1})", "**"), ("COALESCE({0}, {1})", "**"))


@cache
def _leaves(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from((*_FIELDS[kind] * 3, *_CONSTANTS[kind]))


@cache
def _shapes(kind: str) -> st.SearchStrategy[tuple[str, str]]:
    choices = [(template, letters.replace("*", kind)) for template, letters in _CHOICES]
    return st.sampled_from((("", ""), *SHAPES[kind], *choices[: 1 if kind == "L" else 3]))


@st.composite
def formulas(draw: st.DrawFn, kind: str, depth: int) -> str:
    """A formula of one type: n numbers, t texts, b conditions, d dates, m instants, L sets."""
    template, letters = draw(_shapes(kind)) if depth else ("", "")
    if not template:
        return draw(_leaves(kind))
    return template.format(*(draw(formulas(letter, depth - 1)) for letter in letters))


_PLACES = ("0", "1", "2", "-1", "4")
SHAPES: dict[str, list[tuple[str, str]]] = {
    "n": [
        *((f"({{0}} {sign} {{1}})", "nn") for sign in ("+", "-", "*", "/", "+", "-")),
        ("-{0}", "n"),
        ("{0} ^ 2", "n"),
        ("POWER({0}, -1)", "n"),
        ("ABS({0})", "n"),
        *((f"{name}({{0}}, {places})", "n") for name in ("ROUND", "ROUNDUP", "ROUNDDOWN", "TRUNC") for places in _PLACES),
        *((f"{name}({{0}})", "n") for name in ("INT", "SIGN", "EVEN", "ODD", "SQRT", "LN", "LOG10", "ROUND", "CEILING", "FLOOR")),
        *((f"{name}({{0}}, {{1}})", "nn") for name in ("MOD", "QUOTIENT", "CEILING", "FLOOR", "MROUND", "PERCENT")),
        *((f"{name}({{0}}, {{1}})", "nn") for name in ("SUM", "AVERAGE", "MIN", "MAX", "COUNT")),
        ("CLAMP({0}, {1}, 1000)", "nn"),
        ("LEN({0})", "t"),
        ("FIND({0}, {1})", "tt"),
        ("SEARCH({0}, {1})", "tt"),
        ('SEARCH("?" & {0} & "*" & {1}, {2})', "ttt"),
        ('SEARCH("*~?[(" & {0}, {1}, 2)', "tt"),
        ("HOUR(TIME({0}, {1}, {2}))", "nnn"),
        ("SECOND({0} - {1})", "mm"),
        ("VALUE({0})", "t"),
        *((f"{name}({{0}})", "d") for name in ("YEAR", "MONTH", "DAY", "WEEKDAY", "QUARTER", "ISOWEEKNUM")),
        *((f"{name}({{0}})", "m") for name in ("YEAR", "DAY", "HOUR", "MINUTE", "SECOND", "WEEKDAY", "TOUNIX")),
        ("DAYS({0}, {1})", "dd"),
        ("({0} - {1})", "dd"),
        *((f'DATEDIF({{0}}, {{1}}, "{unit}")', "dd") for unit in ("Y", "M", "D", "YM", "MD", "YD")),
        *((f'DATETIMEDIFF({{0}}, {{1}}, "{unit}")', "mm") for unit in ("second", "小时", "days", "week", "month", "year")),
        ("LISTCOUNT({0})", "L"),
        ("OVERLAP({0}, {1})", "LL"),
        ("JACCARD({0}, {1})", "LL"),
        ("IFS({0}, {1}, {2}, {3})", "bnbn"),
        ("SWITCH({0}, {1}, {2}, {3})", "nnnn"),
        ("CHOOSE({0}, {1}, {2})", "nnn"),
    ],
    "t": [
        ("({0} & {1})", "tt"),
        *(("({0} & {1})", pair) for pair in ("tn", "td", "tb", "tm")),
        ("LEFT({0}, {1})", "tn"),
        ("RIGHT({0}, {1})", "tn"),
        ("MID({0}, {1}, 2)", "tn"),
        ("UPPER({0})", "t"),
        ("LOWER({0})", "t"),
        ("TRIM({0})", "t"),
        ("SUBSTITUTE({0}, {1}, {2})", "ttt"),
        ("SUBSTITUTE({0}, {1}, {2}, 1)", "ttt"),
        ("REPLACE({0}, 2, {1}, {2})", "tnt"),
        ("REPT({0}, 3)", "t"),
        ("REVERSE({0})", "t"),
        ("CLEAN({0})", "t"),
        ("JOIN({0}, {1})", "Lt"),
        ('TEXTJOIN({0}, {1}, {2}, {3})', "tbtt"),
        ("MAX({0}, {1})", "tt"),
        ("SWITCH({0}, {1}, {2})", "ttt"),
    ],
    "b": [
        *((f"({{0}} {sign} {{1}})", kinds) for sign in ("=", "<>", "<", "<=", ">", ">=") for kinds in ("nn", "tt", "dd", "mm", "dm")),
        ("({0} = {1})", "bb"),
        ("({0} = {1})", "LL"),
        ("({0} AND {1})", "bb"),
        ("({0} OR {1})", "bb"),
        ("NOT({0})", "b"),
        ("XOR({0}, {1})", "bb"),
        *(("ISBLANK({0})", kind) for kind in "ntbdmL"),
        *(("ISERROR({0})", kind) for kind in "ntdm"),
        *((f"{name}({{0}}, {{1}})", "tt") for name in ("CONTAINS", "STARTSWITH", "ENDSWITH", "EXACT")),
        ("BETWEEN({0}, {1}, {2})", "nnn"),
        ("BETWEEN({0}, {1}, {2})", "ttt"),
        ("IN({0}, {1}, {2})", "nnn"),
        ("IN({0}, {1}, {2})", "ttt"),
        ("HAS({0}, {1})", "Lt"),
        *((f"{name}({{0}}, {{1}})", "LL") for name in ("HASANY", "HASALL", "HASNONE")),
        ("ISEVEN({0})", "n"),
        ("ISODD({0})", "n"),
        ("ISNUMBER({0})", "n"),
    ],
    "d": [
        ("({0} + {1})", "dn"),
        ("({0} - {1})", "dn"),
        ("EDATE({0}, {1})", "dn"),
        ("EOMONTH({0}, {1})", "dn"),
        ("DATE({0}, {1}, {2})", "nnn"),
        ("DATE(2024, {0}, {1})", "nn"),
        *((f'DATEADD({{0}}, {{1}}, "{unit}")', "dn") for unit in ("day", "week", "month", "quarter", "year")),
        *((f'{name}({{0}}, "{unit}")', "d") for name in ("STARTOF", "ENDOF") for unit in ("week", "month", "quarter", "year")),
        ("MIN({0}, {1})", "dd"),
        ("MAX({0}, {1})", "dd"),
    ],
    "m": [
        *((f'DATEADD({{0}}, {{1}}, "{unit}")', "mn") for unit in ("minute", "hour", "day", "month", "year")),
        ('STARTOF({0}, "month")', "m"),
        ('ENDOF({0}, "day")', "m"),
        ("FROMUNIX({0})", "n"),
        ("DATETIME({0}, TIME(1, 2, 3))", "d"),
        ("({0} + ({1} - {2}))", "mmm"),
        ("MAX({0}, {1})", "mm"),
    ],
    "L": [
        ("INTERSECT({0}, {1})", "LL"),
        ("UNION({0}, {1})", "LL"),
        ("EXCEPT({0}, {1})", "LL"),
        ("UNIQUE({0})", "L"),
        ("SPLIT({0}, {1})", "tt"),
    ],
}  # fmt: skip
