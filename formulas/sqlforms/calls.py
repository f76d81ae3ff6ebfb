"""SQLite: a function without a form of its own is computed by its Python form, through one registered function."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.core import Element, Emitter, Sql, no_form, raw
from formulas.tree import Call
from formulas.types import Type

#: Arguments that both databases' functions take.
ARGUMENT_LIMIT = 90
_STORED: dict[str, Any] = {"boolean": sa.Boolean(), "duration": sa.BigInteger()}


def call_python(emitter: Emitter, call: Call) -> Sql:
    """`formula_call('ROUND|n2 i>n0|UTC', …)`: name, forms of arguments and result, zone."""
    if len(call.args) > ARGUMENT_LIMIT:
        raise no_form(call.function)
    values = [emitter.value(arg) for arg in call.args]
    code = f"{call.function}|{' '.join(form_of(value.type, value.wide) for value in values)}>"
    code += f"{form_of(call.type, is_wide(call.type))}|{emitter.zone}"
    function = sa.func.formula_call(sa.literal(code, sa.Text()), *(_stored(value) for value in values))
    return Sql(sa.type_coerce(function, bind_type(call.type, emitter.dialect)), call.type, is_wide(call.type))


def _stored(value: Sql) -> Element:
    if value.type.is_number:
        return raw(value.element, sa.Text() if value.wide else sa.BigInteger())
    return raw(value.element, _STORED.get(value.type.kind, sa.Text()))


def form_of(type_: Type, wide: bool = False) -> str:
    """How a value is stored, in a few letters: `n2` a decimal scaled by 2, `w` a decimal as text, `Lt` a set of texts."""
    if wide:
        return "w"
    if type_.is_number:
        return f"n{type_.scale}" if type_.kind == "decimal" else "i"
    if type_.kind == "set":
        return "L" + (form_of(type_.element, type_.element.is_number) if type_.element else "t")
    return {"date": "d", "datetime": "m", "time": "c", "duration": "s", "boolean": "b", "geo": "g"}.get(type_.kind, "t")
