"""Choices, blanks and errors: the functions that do not simply pass a blank or an error on."""

from __future__ import annotations

import sqlalchemy as sa

from formulas.sqlforms.arithmetic import result
from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.compare import blank_of, visible
from formulas.sqlforms.core import NOTHING, Element, Emitter, Form, Sql, any_error, error
from formulas.sqlforms.template import negated
from formulas.tree import Call, Tree, desugared
from formulas.types import BOOLEAN, Type


def _typed(emitter: Emitter, element: Element, type_: Type) -> Sql:
    wide = is_wide(type_) and not emitter.postgresql
    return Sql(sa.type_coerce(element, bind_type(type_, emitter.dialect)), type_, wide)


def _branch(emitter: Emitter, tree: Tree, type_: Type) -> Element:
    return result(emitter, emitter.value(tree), type_)


def choose_if(emitter: Emitter, call: Call) -> Sql:
    """IF: a blank condition does not hold, an error makes the whole blank. A chain of choices is one CASE."""
    whens: list[tuple[Element, Element]] = []
    otherwise: Tree = call
    while isinstance(otherwise, Call) and otherwise.function == "IF":
        test, then, *rest = otherwise.args
        failed = error(emitter, test)
        if failed is not None:
            whens.append((failed, sa.null()))
        whens.append((emitter.condition(test), _branch(emitter, then, call.type)))
        otherwise = desugared(rest[0]) if rest and isinstance(rest[0], Call) else (rest[0] if rest else NOTHING)
    return _typed(emitter, sa.case(*whens, else_=_branch(emitter, otherwise, call.type)), call.type)


def coalesce(emitter: Emitter, call: Call) -> Sql:
    """COALESCE: empty texts and sets are blank; an error before the first value makes the whole blank."""
    whens: list[tuple[Element, Element]] = []
    for arg in call.args:
        value = emitter.value(arg)
        failed = error(emitter, arg)
        if failed is not None:
            whens.append((failed, sa.null()))
        whens.append((negated(blank_of(emitter, visible(value, arg))), result(emitter, value, call.type)))
    return _typed(emitter, sa.case(*whens, else_=sa.null()), call.type)


def if_error(emitter: Emitter, call: Call) -> Sql:
    """IFERROR."""
    first, second = call.args
    failed = error(emitter, first)
    value = _branch(emitter, first, call.type)
    if failed is None:
        return _typed(emitter, value, call.type)
    return _typed(emitter, sa.case((failed, _branch(emitter, second, call.type)), else_=value), call.type)


def is_error(emitter: Emitter, call: Call) -> Sql:
    """ISERROR."""
    failed = error(emitter, call.args[0])
    return Sql(sa.false() if failed is None else failed, BOOLEAN)


def is_blank(emitter: Emitter, call: Call) -> Sql:
    """ISBLANK: an error is not blank."""
    arg = call.args[0]
    found = blank_of(emitter, visible(emitter.value(arg), arg))
    failed = any_error(emitter, [arg])
    return Sql(found if failed is None else sa.and_(found, negated(failed)), BOOLEAN)


def not_available(_emitter: Emitter, call: Call) -> Sql:
    """NA and BLANK."""
    return Sql(sa.null(), call.type)


def constant(value: bool) -> Form:
    """TRUE and FALSE."""
    return lambda _emitter, _call: Sql(sa.true() if value else sa.false(), BOOLEAN)


def is_kind(*kinds: str) -> Form:
    """ISNUMBER and ISTEXT: the type is known, so only the blank counts."""

    def form(emitter: Emitter, call: Call) -> Sql:
        value = emitter.value(call.args[0])
        return Sql(value.element.is_not(sa.null()) if value.type.kind in kinds else sa.false(), BOOLEAN)

    return form


def equals_any(emitter: Emitter, call: Call) -> Sql:
    """IN: equal to any of the values, a blank equal to a blank."""
    subject, *choices = call.args
    found = [emitter.value(Call("eq", (subject, choice), BOOLEAN)).element for choice in choices]
    return Sql(sa.or_(*found), BOOLEAN)


FORMS: dict[str, Form] = {
    "IF": choose_if,
    "COALESCE": coalesce,
    "IFERROR": if_error,
    "ISERROR": is_error,
    "ISBLANK": is_blank,
    "NA": not_available,
    "BLANK": not_available,
    "TRUE": constant(True),
    "FALSE": constant(False),
    "ISNUMBER": is_kind("integer", "decimal"),
    "ISTEXT": is_kind("text", "option"),
    "IN": equals_any,
}
