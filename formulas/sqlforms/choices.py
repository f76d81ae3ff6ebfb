"""Choices, blanks and errors: the functions that do not simply pass a blank or an error on."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from formulas.sqlforms.arithmetic import result
from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.compare import ID_KINDS, as_id, blank_of, is_uuid, visible
from formulas.sqlforms.core import NOTHING, Asking, Element, Emitter, Form, Sql, any_error, error, no_form
from formulas.sqlforms.template import negated, pieces
from formulas.tree import Call, Path, Tree, desugared
from formulas.types import BLANK, BOOLEAN, TEXT, Type


def _identified(emitter: Emitter, branches: Sequence[Tree], type_: Type) -> Sql | None:
    """A branch that is a column of ids: PostgreSQL keeps those in a type of its own, so all other branches are bound as it is.

    One that is a text comes first, since every id can be a text.
    """
    if not emitter.postgresql or type_.kind not in ID_KINDS:
        return None
    values = [emitter.value(branch) for branch in branches if isinstance(branch, Path | Call)]
    columns = sorted((value for value in values if value.column is not None), key=is_uuid)
    return columns[0] if columns else None


def _typed(emitter: Emitter, element: Element, type_: Type, like: Sql | None = None) -> Sql:
    if like is not None and like.column is not None:
        ids: Element = sa.type_coerce(element, like.column.type)
        return Sql(ids, type_, column=ids)
    wide = is_wide(type_) and not emitter.postgresql
    return Sql(sa.type_coerce(element, bind_type(type_, emitter.dialect)), type_, wide)


def _branch(emitter: Emitter, tree: Tree, type_: Type, like: Sql | None = None) -> Element:
    return _known(emitter, result(emitter, as_id(emitter, emitter.value(tree, like), like), type_), type_, like)


def _known(emitter: Emitter, element: Element, type_: Type, like: Sql | None) -> Element:
    """A blank in the type of the whole: PostgreSQL takes a choice between nothing but nulls for a text."""
    if not emitter.postgresql or not isinstance(element, sa.Null) or type_ == BLANK:
        return element
    storage = bind_type(type_, "postgresql") if like is None or like.column is None else like.column.type
    return sa.cast(element, storage)


def _branches(call: Call) -> list[Tree]:
    """What a chain of choices may give."""
    found: list[Tree] = []
    otherwise: Tree = call
    while isinstance(otherwise, Call) and otherwise.function == "IF":
        _, then, *rest = otherwise.args
        found.append(then)
        otherwise = desugared(rest[0]) if rest and isinstance(rest[0], Call) else (rest[0] if rest else NOTHING)
    return [*found, otherwise]


def choose_if(emitter: Emitter, call: Call) -> Sql:
    """IF: a blank condition does not hold, an error makes the whole blank. A chain of choices is one CASE."""
    whens: list[tuple[Element, Element]] = []
    like = _identified(emitter, _branches(call), call.type)
    otherwise: Tree = call
    while isinstance(otherwise, Call) and otherwise.function == "IF":
        test, then, *rest = otherwise.args
        failed = error(emitter, test)
        if failed is not None:
            whens.append((failed, sa.null()))
        whens.append((emitter.condition(test), _branch(emitter, then, call.type, like)))
        otherwise = desugared(rest[0]) if rest and isinstance(rest[0], Call) else (rest[0] if rest else NOTHING)
    return _typed(emitter, sa.case(*whens, else_=_branch(emitter, otherwise, call.type, like)), call.type, like)


def coalesce(emitter: Emitter, call: Call) -> Sql:
    """COALESCE: empty texts and sets are blank; an error before the first value makes the whole blank."""
    whens: list[tuple[Element, Element]] = []
    like = _identified(emitter, call.args, call.type)
    for arg in call.args:
        value = as_id(emitter, emitter.value(arg, like), like)
        failed = error(emitter, arg)
        if failed is not None:
            whens.append((failed, sa.null()))
        whens.append((negated(blank_of(emitter, visible(value, arg))), result(emitter, value, call.type)))
    return _typed(emitter, sa.case(*whens, else_=sa.null()), call.type, like)


def if_error(emitter: Emitter, call: Call) -> Sql:
    """IFERROR."""
    first, second = call.args
    failed = error(emitter, first)
    like = _identified(emitter, call.args, call.type)
    value = _branch(emitter, first, call.type, like)
    if failed is None:
        return _typed(emitter, value, call.type, like)
    chosen = sa.case((failed, _branch(emitter, second, call.type, like)), else_=value)
    return _typed(emitter, chosen, call.type, like)


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


def not_available(emitter: Emitter, call: Call) -> Sql:
    """NA and BLANK."""
    return Sql(_known(emitter, sa.null(), call.type, None), call.type)


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


_AS_UUID = "case when char_length({0}) = 36 and {0} !~ '[^0-9a-f-]' then {0}::uuid end"


def ask(emitter: Emitter, call: Call) -> Sql:
    """USERDEPT, MANAGER, DEPTPATH: from the directory's own tables, so that the answer is of the same moment as the rows."""
    resolver = emitter.scopes[-1]
    if not isinstance(resolver, Asking):
        raise no_form(call.function)
    asked = resolver.asked(call.function)
    like = Sql(asked.subject, call.args[0].type, column=asked.subject)
    subject = emitter.value(call.args[0], like)
    element = subject.element
    if emitter.postgresql and is_uuid(like) and not is_uuid(subject) and not isinstance(element, sa.BindParameter):
        element = pieces(_AS_UUID, [element], asked.subject.type)
    found = asked.answer(element)
    return Sql(found, call.type, column=found)


def within(emitter: Emitter, call: Call) -> Sql:
    """WITHINDEPT: the department above is on the way up from the other."""
    ids = ask(emitter, Call("DEPTIDS", call.args[:1], TEXT)).element
    texts = [sa.cast(emitter.value(arg).element, sa.Text()) for arg in call.args]
    slash = sa.literal_column("'/'", sa.Text())
    way = slash.concat(sa.func.coalesce(ids, texts[0])).concat(slash)
    sought = slash.concat(texts[1]).concat(slash)
    place = sa.func.strpos(way, sought) if emitter.postgresql else sa.func.instr(way, sought)
    return Sql(sa.func.coalesce(place > sa.literal_column("0"), sa.false()), BOOLEAN)


FORMS: dict[str, Form] = {
    "WITHINDEPT": within,
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
