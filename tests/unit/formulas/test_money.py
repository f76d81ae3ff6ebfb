"""Money is exact: a million random amounts summed by both databases to the last cent, and rounding that keeps its word."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from formulas.batch_fields import BatchSchema
from formulas.checker import check
from formulas.evaluate import DictRow, program
from formulas.schema import FieldInfo
from formulas.sql import Dialect, to_sql
from formulas.sqlforms.binds import Scaled
from formulas.tree import Path
from formulas.types import decimal, record, set_of
from tests.unit.formulas.world import CONTEXT, Base

COUNT = 1_000_000
SCHEMA = BatchSchema()
SCHEMA.entities["fields"] = {"rows": FieldInfo("rows", set_of(record("fields.rows")), "fields.rows", many=True)}
SCHEMA.entities["fields.rows"] = {"amount": FieldInfo("amount", decimal(2, 13))}


class Amounts:
    """All rows of one table, as the related rows of a single parent."""

    def __init__(self, table: sa.Table) -> None:
        self.table = table
        self.resolver = self

    def column(self, path: Path) -> Any:
        return self.table.c[path.steps[-1]]

    def related(self, relation: tuple[str, ...]) -> Any:
        return self

    def select(self, columns: Any, condition: Any) -> sa.Select[Any]:
        query = sa.select(*columns).select_from(self.table)
        return query if condition is None else query.where(condition)


def test_a_million_amounts(base: Base) -> None:
    chance = random.Random(7)
    cents = [chance.randint(-(10**11), 10**12) for _ in range(COUNT)]
    kind: Any = Scaled(2) if base.dialect == "sqlite" else sa.Numeric(15, 2)
    table = sa.Table("formula_amounts", sa.MetaData(), sa.Column("amount", kind), prefixes=["TEMPORARY"])
    table.create(base.connection, checkfirst=False)
    fill(base, cents)
    total = value(base, "SUM(rows.amount)", Amounts(table), base.dialect)
    assert total == Decimal(sum(cents)).scaleb(-2)
    taxed = value(base, "SUM(ROUND(rows.amount * 13%, 2))", Amounts(table), base.dialect)
    assert taxed == sum(rounded(amount * 13, 100) for amount in cents) / Decimal(100)
    table.drop(base.connection)


def rounded(number: int, unit: int) -> int:
    """Half away from zero, in whole numbers."""
    half = (abs(number) * 2 + unit) // (2 * unit)
    return half if number >= 0 else -half


def fill(base: Base, cents: list[int]) -> None:
    driver: Any = base.connection.connection.dbapi_connection
    if base.dialect == "sqlite":
        driver.executemany("INSERT INTO formula_amounts VALUES (?)", [(amount,) for amount in cents])
        return
    with driver.cursor().copy("COPY formula_amounts FROM STDIN") as copy:
        copy.write("\n".join(f"{Decimal(amount).scaleb(-2)}" for amount in cents) + "\n")


def value(base: Base, text: str, rows: Amounts, dialect: Dialect) -> Any:
    column = to_sql(check(text, SCHEMA, "fields").tree, rows, dialect, CONTEXT)
    return base.connection.execute(sa.select(column)).scalar_one()


@pytest.mark.parametrize("seed", range(5))
def test_parts_of_a_bill_add_up(seed: int) -> None:
    """What is paid in rounded instalments, the last one taking the rest, is what was owed."""
    chance = random.Random(seed)
    schema = BatchSchema()
    schema.entities["fields"] = {"total": FieldInfo("total", decimal(2))}
    tree = check("ROUND(total / 3, 2) * 2 + (total - ROUND(total / 3, 2) * 2) - total", schema, "fields").tree
    for _ in range(500):
        row = DictRow({"total": Decimal(chance.randint(-(10**14), 10**14)).scaleb(-2)})
        assert program(tree).run(row, CONTEXT) == 0
