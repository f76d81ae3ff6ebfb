"""Every condition has a JSON form: read back it is the same condition, and says the same in text again.

`DOUGONG_CONVERSIONS` sets the number of conditions for a longer run by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.kernel.canonical import dump_json, parse_json
from formulas.checker import check_condition
from formulas.errors import FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.filter_writer import write_filter
from formulas.filters import parse_filter
from formulas.moments import bind_context
from formulas.schema import Schema
from formulas.tree import Call, Literal, Path, Rollup, Tree, children, join, with_children
from formulas.types import BLANK, BOOLEAN
from formulas.writer import write
from tests.property.formulas.differential import ROWS, Fields, formulas
from tests.unit.formulas.world import CONTEXT, WORLD, Base

CONDITIONS = int(os.environ.get("DOUGONG_CONVERSIONS", "200"))
LIKELY = settings(max_examples=CONDITIONS, suppress_health_check=list(HealthCheck))
_SWAPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_TRUE = Literal(True, BLANK)
_BOOLEAN = replace(BOOLEAN, digits=0)


def same(tree: Tree, *, positive: bool = True) -> Tree:
    """The tree with what is said in two ways said in one: types of constants, sides of a comparison, `won` and `won = TRUE`
    where a blank counts as false, constants that change nothing."""
    if isinstance(tree, Path) and positive:
        return Call("eq", (tree, _TRUE), _BOOLEAN)
    if isinstance(tree, Call) and tree.function in ("and", "or"):
        neutral = Literal(tree.function == "and", BLANK)
        kept = [part for part in (same(part, positive=positive) for part in tree.args) if part != neutral]
        return join(tree.function, kept) if kept else neutral
    if isinstance(tree, Call) and tree.function == "not":
        return Call("not", (same(tree.args[0], positive=not positive),), _BOOLEAN)
    if isinstance(tree, Rollup) and tree.function == "EXISTS":
        condition = None if tree.condition is None else same(tree.condition)
        return replace(tree, condition=None if condition == _TRUE else condition)
    return exact(tree)


def exact(tree: Tree) -> Tree:
    """The tree without the types of its constants and how many digits a result may have by them; a blank in one spelling."""
    if isinstance(tree, Literal):
        return Literal(tree.value, BLANK)
    if tree == Call("BLANK", (), BLANK):
        return Literal(None, BLANK)
    parts = tuple(exact(part) for part in children(tree))
    if not isinstance(tree, Call):
        return with_children(tree, parts) if parts else tree
    function = tree.function
    if function in _SWAPPED and isinstance(parts[1], Path) and not isinstance(parts[0], Path):
        function, parts = _SWAPPED[function], parts[::-1]
    if function == "IN" and all(isinstance(part, Literal) and part.value is not None for part in parts[1:]):
        function, parts = "in", (parts[0], Literal(tuple(part.value for part in parts[1:]), BLANK))  # type: ignore[union-attr]
    return Call(function, parts, replace(tree.type, digits=0))


def over_the_wire(value: Any) -> Any:
    """As a client gets it and sends it again."""
    return parse_json(dump_json(value))


def convert(text: str, schema: Schema, entity: str) -> tuple[Tree, Tree] | None:
    """The tree of a text and the tree over its JSON form; None for a text beyond the bounds of the language."""
    try:
        tree = check_condition(text, schema, entity)
    except FormulaErrors as found:
        errors = found.errors
    else:
        return tree, converted(tree, schema, entity)
    assert {error.kind for error in errors} == {"LIMIT"}, (text, errors)
    return None


def converted(tree: Tree, schema: Schema, entity: str) -> Tree:
    written = write_filter(tree, schema, entity)
    read = parse_filter(over_the_wire(written), schema, entity)
    assert same(read) == same(tree), written
    assert write_filter(read, schema, entity) == written
    again = check_condition(write(read, schema, entity), schema, entity)
    assert same(again) == same(tree)
    assert write_filter(again, schema, entity) == written
    return read


@LIKELY
@given(st.integers(1, 4).flatmap(lambda depth: formulas("b", depth)))
@example("NOT won")
@example("money = money * VALUE(name)")
@example('won = (name = "")')
@example("name = BLANK() OR BLANK() <> note")
@example("NOT(NOT(won) OR day > other_day)")
@example("TRUE AND won OR FALSE")
@example("money = 0.001 OR 5 > count")
def test_conditions_on_a_record(text: str) -> None:
    fields = Fields()
    pair = convert(text, fields, "rows")
    if pair is None:
        return
    before, after = (program(tree) for tree in pair)
    for row in ROWS:
        assert (before.run(DictRow(row), CONTEXT) is True) == (after.run(DictRow(row), CONTEXT) is True), text


_OF_PAYMENT = st.sampled_from(
    (
        'status = "paid"',
        "amount * 2 > 5",
        "amount > this.amount",
        "paid_on <= this.due_on",
        "ISBLANK(paid_on)",
        "deal.count > 2",
        "LEN(deal.name) > LEN(this.name)",
        "COUNT(deal.payments, amount > this.amount) > 0",
        "EXISTS(deal.payments, amount > this.amount AND NOT(ISBLANK(status)))",
    )
)
_OF_DEAL = st.sampled_from(
    (
        'level = "A"',
        "won",
        "amount > 10.5",
        "count + 1 > amount",
        "touched_at < NOW() - TIME(1, 0, 0)",
        "due_on < TODAY()",
        "owner = CURRENTUSER()",
        'IN(level, "A", "B")',
        'HASANY(tags, ["vip", "cold"])',
        'CONTAINS(LOWER(name), "b")',
        'customer.level = "A"',
        "LEN(customer.parent.name) > 2",
        "SUM(payments.amount) > amount",
        "EXISTS(customer.deals, amount > this.amount)",
        "EXISTS(payments)",
    )
)


def _joined(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.builds("({} AND {})".format, inner, inner),
            st.builds("({} OR {})".format, inner, inner),
            st.builds("NOT({})".format, inner),
        ),
        max_leaves=5,
    )


_ABOUT_PAYMENTS = st.one_of(
    st.builds("EXISTS(payments, {})".format, _joined(_OF_PAYMENT)),
    st.builds("ALL(payments, {})".format, _joined(_OF_PAYMENT)),
    st.builds("EXISTS(customer.deals, EXISTS(payments, {}))".format, _joined(_OF_PAYMENT)),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[Base]:
    opened = Base(request.param)
    yield opened
    opened.close()


@settings(LIKELY, max_examples=max(CONDITIONS // 4, 1))
@given(text=_joined(_OF_DEAL | _ABOUT_PAYMENTS))
@example(text="NOT(EXISTS(payments, NOT(amount > this.amount)))")
def test_conditions_over_relations_find_the_same_rows(world: Base, text: str) -> None:
    pair = convert(text, WORLD, "deal")
    assert pair is not None
    before, after = (bind_context(tree, CONTEXT) for tree in pair)
    assert world.matching(after) == world.matching(before)
