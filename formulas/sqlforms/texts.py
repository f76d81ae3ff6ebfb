"""Texts: bytewise, by code points, and user text never inside a pattern."""

from __future__ import annotations

import sqlalchemy as sa

from formulas.sqlforms.core import Element, Emitter, Sql, raw
from formulas.tree import Call
from formulas.types import BOOLEAN, TEXT


def text(value: Sql) -> Element:
    """A text or option key without the conversion of its column."""
    return raw(value.element, sa.Text())


def _contains_condition(emitter: Emitter, call: Call) -> Element:
    subject, needle = (text(emitter.value(part)) for part in call.args)
    place = sa.func.strpos if emitter.postgresql else sa.func.instr
    return place(subject, needle, type_=sa.Integer()) > sa.literal_column("0")


def _starts_condition(emitter: Emitter, call: Call) -> Element:
    subject, needle = (text(emitter.value(part)) for part in call.args)
    if emitter.postgresql:
        return sa.func.starts_with(subject, needle, type_=sa.Boolean())
    length = sa.func.length(needle, type_=sa.Integer())
    return sa.func.substr(subject, sa.literal_column("1"), length, type_=sa.Text()) == needle


def _ends_condition(emitter: Emitter, call: Call) -> Element:
    subject, needle = (text(emitter.value(part)) for part in call.args)
    length = sa.func.length(needle, type_=sa.Integer())
    if emitter.postgresql:
        return sa.func.right(subject, length, type_=sa.Text()) == needle
    # substr(x, -0) would be the whole text; a longer needle than subject must not match its tail
    fits = sa.func.length(subject, type_=sa.Integer()) >= length
    return sa.and_(fits, sa.func.substr(subject, -length, type_=sa.Text()) == needle)


def _lower(emitter: Emitter, call: Call) -> Sql:
    return Sql(folded(emitter, text(emitter.value(call.args[0]))), TEXT)


def folded(emitter: Emitter, element: Element) -> Element:
    """Lower case by Unicode: neither COLLATE "C" nor SQLite's own function knows letters beyond ASCII."""
    if not emitter.postgresql:
        return sa.func.unicode_lower(element, type_=sa.Text())
    return sa.collate(sa.func.lower(sa.collate(element, "und-x-icu"), type_=sa.Text()), "C")


def _contains(emitter: Emitter, call: Call) -> Sql:
    return _never_null(_contains_condition(emitter, call))


def _starts(emitter: Emitter, call: Call) -> Sql:
    return _never_null(_starts_condition(emitter, call))


def _ends(emitter: Emitter, call: Call) -> Sql:
    return _never_null(_ends_condition(emitter, call))


def _never_null(condition: Element) -> Sql:
    """A blank text contains nothing, so that `not contains` finds blank rows."""
    return Sql(sa.func.coalesce(condition, sa.false()), BOOLEAN)


FORMS = {"CONTAINS": _contains, "STARTSWITH": _starts, "ENDSWITH": _ends, "LOWER": _lower}
CONDITIONS = {"CONTAINS": _contains_condition, "STARTSWITH": _starts_condition, "ENDSWITH": _ends_condition}
