"""The tree as a cache key: shapes, values and the paths it touches."""

from __future__ import annotations

from decimal import Decimal

from formulas.tree import Call, Literal, Param, Path, Rollup, bind, lift, paths, size
from formulas.types import BOOLEAN, TEXT, decimal, integer

AMOUNT = Path(("amount",), decimal(2))
MORE = Call("gt", (AMOUNT, Literal(Decimal("1.50"), decimal(2))), BOOLEAN)
SUM = Rollup(("payments",), "payment", "SUM", AMOUNT, MORE, decimal(2))


def test_lift_and_bind_are_inverse() -> None:
    tree = Call("and", (MORE, Call("eq", (SUM, Literal(Decimal(3), decimal(2))), BOOLEAN)), BOOLEAN)
    shape, values = lift(tree)
    assert values == (Decimal("1.50"), Decimal("1.50"), Decimal(3))
    assert bind(shape, values) == tree
    assert hash(shape) == hash(lift(bind(shape, (Decimal(9), Decimal(8), Decimal(7))))[0])


def test_what_decides_the_statement_stays_in_the_shape() -> None:
    fixed = Call("ROUND", (AMOUNT, Literal(2, integer(), fixed=True)), decimal(2))
    blank = Call("eq", (Path(("name",), TEXT), Literal(None, TEXT)), BOOLEAN)
    assert lift(fixed) == (fixed, ())
    assert lift(blank) == (blank, ())
    assert lift(Literal("x", TEXT)) == (Param(0, TEXT), ("x",))


def test_paths_of_the_parent_row_inside_a_rollup() -> None:
    outer = Path(("due_on",), TEXT, up=1)
    inner = Call("eq", (Path(("paid_on",), TEXT), outer), BOOLEAN)
    tree = Rollup(("customer", "deals"), "deal", "COUNT", None, inner, integer())
    assert paths(tree) == {("customer",), ("customer", "deals"), ("customer", "deals", "paid_on"), ("due_on",)}


def test_size_counts_every_node() -> None:
    assert size(SUM) == 5
