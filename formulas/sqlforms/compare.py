"""Comparisons, logic and tests of blankness. A blank equals a blank; order comparisons with a blank are false."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.types import TypeEngine

from formulas.sqlforms.binds import list_type
from formulas.sqlforms.core import Element, Emitter, Sql
from formulas.sqlforms.numbers import COMPARE, Compare, compared
from formulas.sqlforms.template import negated
from formulas.tree import Call, Literal, Param, Tree
from formulas.types import BOOLEAN


def operands(emitter: Emitter, left: Tree, right: Tree) -> tuple[Sql, Sql]:
    """Both sides, a constant bound with the storage type of the other side's column."""
    if isinstance(left, Literal | Param) and not isinstance(right, Literal | Param):
        second = emitter.value(right)
        return emitter.value(left, second), second
    first = emitter.value(left)
    second = emitter.value(right, first)
    bound = any(isinstance(side.element, sa.BindParameter | sa.Null) for side in (first, second))
    if emitter.postgresql and not bound and is_uuid(first) != is_uuid(second):
        return as_text(first), as_text(second)
    return first, second


#: What PostgreSQL keeps in a type of its own.
ID_KINDS = frozenset(("person", "department", "record"))


_POSTGRESQL = dialect()  # type: ignore[no-untyped-call]


def is_uuid(value: Sql) -> bool:
    """Whether PostgreSQL keeps it as a UUID. Who made a record is a text: it may be the installation itself."""
    return value.column is not None and value.column.type.compile(_POSTGRESQL) == "UUID"


def as_text(value: Sql) -> Sql:
    """An id as a text, which every id can be."""
    return replace(value, element=sa.cast(value.element, sa.Text())) if is_uuid(value) else value


def as_id(emitter: Emitter, value: Sql, like: Sql | None) -> Sql:
    """An id in the type of the column of ids beside it: a computed one is a text."""
    if not emitter.postgresql or like is None or like.column is None or value.type.kind not in ID_KINDS:
        return value
    if not is_uuid(like):
        return as_text(value)
    if value.column is not None or isinstance(value.element, sa.BindParameter):
        return value
    return replace(value, element=sa.cast(value.element, like.column.type))


def _compared(emitter: Emitter, left: Tree, right: Tree, operator: Compare, equality: bool = True) -> Element:
    """The operator on both sides in forms that compare correctly."""
    first, second = operands(emitter, left, right)
    if not equality and any(isinstance(side.element, sa.Null) for side in (first, second)):
        return sa.false()
    if first.type.is_number and second.type.is_number:
        return compared(emitter, first, second, operator, equality)
    one, two = visible(first, left).element, visible(second, right).element
    if emitter.postgresql and first.type.is_textual and first.column is None and second.column is None:
        # without a column nothing says that texts are ordered by code point
        one = sa.collate(one, "C")
    found: Element = operator(one, two) if equality else _in_order(emitter, one, two, operator)
    return found


def _in_order(emitter: Emitter, one: Element, two: Element, operator: Compare) -> Element:
    """SQLAlchemy orders no constants that are null, true or false."""
    if isinstance(one, sa.Null) or isinstance(two, sa.Null):
        return sa.false()
    words = ("true", "false") if emitter.postgresql else ("1", "0")
    sides = []
    for side in (one, two):
        if isinstance(side, sa.True_ | sa.False_):
            side = sa.literal_column(words[isinstance(side, sa.False_)], sa.Boolean())
        sides.append(side)
    found: Element = operator(*sides)
    return found


def _same(left: Element, right: Element) -> Element:
    return left.is_not_distinct_from(right)


def _different(left: Element, right: Element) -> Element:
    return left.is_distinct_from(right)


def visible(value: Sql, tree: Tree) -> Sql:
    """A computed text that is empty is a blank; stored texts are never empty, and constants say what they are."""
    if not value.type.is_textual or not isinstance(tree, Call | Literal) or (isinstance(tree, Literal) and tree.value):
        return value
    return replace(value, element=sa.func.nullif(value.element, sa.literal_column("''"), type_=value.element.type))


def _is_blank_literal(tree: Tree) -> bool:
    return isinstance(tree, Literal) and tree.value in (None, "")


def never_blank(tree: Tree) -> bool:
    """Known not to be null, so that plain `=` means the same as `IS NOT DISTINCT FROM`."""
    return isinstance(tree, Param) or (isinstance(tree, Literal) and tree.value not in (None, ""))


def _blank(emitter: Emitter, tree: Tree) -> Element:
    return blank_of(emitter, visible(emitter.value(tree), tree))


def blank_of(emitter: Emitter, value: Sql) -> Element:
    """A set without members is blank like no set at all."""
    if value.type.kind != "set":
        return value.element.is_(sa.null())
    empty: Element = sa.literal_column("'[]'::jsonb" if emitter.postgresql else "'[]'")
    return sa.func.coalesce(value.element, empty) == empty


def _equal_condition(emitter: Emitter, call: Call) -> Element:
    left, right = call.args
    if _is_blank_literal(right):
        return _blank(emitter, left)
    if _is_blank_literal(left):
        return _blank(emitter, right)
    plain = never_blank(left) or never_blank(right)
    return _compared(emitter, left, right, COMPARE["eq"] if plain else _same)


def _unequal_condition(emitter: Emitter, call: Call) -> Element:
    left, right = call.args
    if _is_blank_literal(right):
        return negated(_blank(emitter, left))
    if _is_blank_literal(left):
        return negated(_blank(emitter, right))
    return _compared(emitter, left, right, _different)


def _ordered_condition(emitter: Emitter, call: Call) -> Element:
    left, right = call.args
    return _compared(emitter, left, right, COMPARE[call.function], equality=False)


def _among_condition(emitter: Emitter, call: Call) -> Element:
    """`x in (constants)`: the list is one parameter, so the statement does not depend on its length."""
    subject, members = emitter.value(call.args[0]), call.args[1]
    element = members.type.element
    if element is None or not isinstance(members, Literal | Param):
        raise TypeError("in needs a constant list")
    if element.is_number and (
        subject.wide or (element.scale, element.digits) != (subject.type.scale, subject.type.digits)
    ):
        raise TypeError("in needs constants of the subject's type")
    storage = list_type(emitter.storage(element, subject)[0], emitter.dialect)
    bound = _bound(members, storage)
    if emitter.postgresql:
        return subject.element == sa.any_(bound)
    values = sa.func.json_each(bound).table_valued("value")
    return subject.element.in_(sa.select(values.c.value).correlate(None))


def _bound(constant: Literal | Param, storage: TypeEngine[Any]) -> sa.BindParameter[Any]:
    if isinstance(constant, Param):
        return sa.bindparam(f"p{constant.index}", type_=storage)
    return sa.literal(constant.value, storage)


def _not_condition(emitter: Emitter, call: Call) -> Element:
    inner = emitter.value(call.args[0])
    return negated(emitter.truth(inner))


def _and_condition(emitter: Emitter, call: Call) -> Element:
    return sa.and_(*(emitter.condition(part) for part in call.args))


def _or_condition(emitter: Emitter, call: Call) -> Element:
    return sa.or_(*(emitter.condition(part) for part in call.args))


def _boolean(element: Element) -> Sql:
    return Sql(element, BOOLEAN)


def _equal(emitter: Emitter, call: Call) -> Sql:
    left, right = call.args
    if _is_blank_literal(left) or _is_blank_literal(right):
        return _boolean(_equal_condition(emitter, call))
    return _boolean(_two_valued_equal(emitter, left, right))


def _two_valued_equal(emitter: Emitter, left: Tree, right: Tree) -> Element:
    return _compared(emitter, left, right, _same)


def _unequal(emitter: Emitter, call: Call) -> Sql:
    return _boolean(_unequal_condition(emitter, call))


def _ordered(emitter: Emitter, call: Call) -> Sql:
    return _boolean(sa.func.coalesce(_ordered_condition(emitter, call), sa.false()))


def _among(emitter: Emitter, call: Call) -> Sql:
    return _boolean(sa.func.coalesce(_among_condition(emitter, call), sa.false()))


def _logical_and(emitter: Emitter, call: Call) -> Sql:
    return _boolean(sa.and_(*(emitter.truth(emitter.value(part)) for part in call.args)))


def _logical_or(emitter: Emitter, call: Call) -> Sql:
    return _boolean(sa.or_(*(emitter.truth(emitter.value(part)) for part in call.args)))


def _logical_not(emitter: Emitter, call: Call) -> Sql:
    return _boolean(_not_condition(emitter, call))


FORMS = {
    "eq": _equal,
    "ne": _unequal,
    **dict.fromkeys(("lt", "le", "gt", "ge"), _ordered),
    "in": _among,
    "and": _logical_and,
    "or": _logical_or,
    "not": _logical_not,
}
CONDITIONS = {
    "eq": _equal_condition,
    "ne": _unequal_condition,
    **dict.fromkeys(("lt", "le", "gt", "ge"), _ordered_condition),
    "in": _among_condition,
    "and": _and_condition,
    "or": _or_condition,
    "not": _not_condition,
}
