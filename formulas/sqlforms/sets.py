"""Sets: a JSON array in text on SQLite, JSONB on PostgreSQL. A blank set is the empty set."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from formulas.sqlforms.calls import call_python
from formulas.sqlforms.core import Element, Emitter, Sql, number, raw
from formulas.sqlforms.template import negated, pieces
from formulas.tree import Call
from formulas.types import BOOLEAN


def members(emitter: Emitter, value: Sql) -> Element:
    """The stored array, empty instead of null."""
    if emitter.postgresql:
        return sa.func.coalesce(raw(value.element, JSONB()), sa.literal_column("'[]'::jsonb"), type_=JSONB())
    return sa.func.coalesce(raw(value.element, sa.Text()), sa.literal_column("'[]'"), type_=sa.Text())


def rows(array: Element) -> sa.TableValuedAlias:
    """SQLite: the members as rows."""
    return sa.func.json_each(array).table_valued("value")


def _values_of(array: Element) -> sa.Select[Any]:
    return sa.select(rows(array).c.value).correlate(None)


def texts_of(array: Element) -> sa.ScalarSelect[Any]:
    """PostgreSQL: the members as a text array, for the operators ?| and ?&."""
    each = sa.func.jsonb_array_elements_text(array).table_valued("value")
    return sa.select(
        sa.func.coalesce(sa.func.array_agg(each.c.value), sa.literal_column("'{}'::text[]"))
    ).scalar_subquery()


def _has_condition(emitter: Emitter, call: Call) -> Element:
    holder, member = emitter.value(call.args[0]), emitter.value(call.args[1])
    if emitter.postgresql:
        wanted = sa.func.to_jsonb(_as_member(member), type_=JSONB())
        return raw(holder.element, JSONB()).contains(wanted)
    if _has_numbers(holder) or _has_numbers(member):
        return call_python(emitter, call).element
    return raw(member.element, sa.Text()).in_(_values_of(members(emitter, holder)))


def _as_member(member: Sql) -> Element:
    """A value as JSON keeps it in a set."""
    if member.type.kind == "datetime":
        written = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
        return pieces(written, [member.element], sa.Text())
    storage = sa.Numeric() if member.type.is_number else sa.Boolean() if member.type.kind == "boolean" else sa.Text()
    return sa.cast(member.element, storage)


def _has_numbers(value: Sql) -> bool:
    """Members that JSON does not keep as texts: the operators for texts do not find those, and SQLite keeps each kind in another form."""
    return (value.type.element or value.type).kind in ("integer", "decimal", "boolean")


def _any_condition(emitter: Emitter, call: Call) -> Element:
    values = [emitter.value(part) for part in call.args]
    left, right = (members(emitter, value) for value in values)
    if emitter.postgresql and _has_numbers(values[0]):
        template = "exists (select jsonb_array_elements({0}) intersect select jsonb_array_elements({1}))"
        return pieces(template, [left, right], sa.Boolean())
    if emitter.postgresql:
        return left.op("?|", return_type=sa.Boolean())(sa.cast(texts_of(right), ARRAY(sa.Text())))
    if any(map(_has_numbers, values)):
        return call_python(emitter, call).element
    one = rows(left)
    return sa.select(number(1)).select_from(one).where(one.c.value.in_(_values_of(right))).exists()


def _all_condition(emitter: Emitter, call: Call) -> Element:
    values = [emitter.value(part) for part in call.args]
    left, right = (members(emitter, value) for value in values)
    if emitter.postgresql:
        return left.contains(right)
    if any(map(_has_numbers, values)):
        return call_python(emitter, call).element
    one = rows(right)
    return negated(sa.select(number(1)).select_from(one).where(one.c.value.not_in(_values_of(left))).exists())


def _none_condition(emitter: Emitter, call: Call) -> Element:
    if not emitter.postgresql and any(_has_numbers(emitter.value(part)) for part in call.args):
        return call_python(emitter, call).element
    return negated(_any_condition(emitter, call))


def _has(emitter: Emitter, call: Call) -> Sql:
    return Sql(sa.func.coalesce(_has_condition(emitter, call), sa.false()), BOOLEAN)


def _has_any(emitter: Emitter, call: Call) -> Sql:
    return Sql(_any_condition(emitter, call), BOOLEAN)


def _has_all(emitter: Emitter, call: Call) -> Sql:
    return Sql(_all_condition(emitter, call), BOOLEAN)


def _has_none(emitter: Emitter, call: Call) -> Sql:
    return Sql(_none_condition(emitter, call), BOOLEAN)


def count(emitter: Emitter, call: Call) -> Sql:
    """LISTCOUNT on PostgreSQL."""
    array = members(emitter, emitter.value(call.args[0]))
    return Sql(sa.func.jsonb_array_length(array, type_=sa.Integer()), call.type)


def overlap(emitter: Emitter, call: Call) -> Sql:
    """OVERLAP on PostgreSQL: different members of both."""
    left, right = (members(emitter, emitter.value(part)) for part in call.args)
    template = "select count(*)::int from (select jsonb_array_elements({0}) intersect select jsonb_array_elements({1})) as shared"
    return Sql(pieces(template, [left, right], sa.Integer()), call.type)


FORMS = {"HAS": _has, "HASANY": _has_any, "HASALL": _has_all, "HASNONE": _has_none}
CONDITIONS = {"HAS": _has_condition, "HASANY": _any_condition, "HASALL": _all_condition, "HASNONE": _none_condition}
