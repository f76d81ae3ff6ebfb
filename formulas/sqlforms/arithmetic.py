"""Arithmetic. PostgreSQL computes in NUMERIC; SQLite in scaled 64-bit integers while the digits fit, else in text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from formulas.sqlforms.binds import bind_type, is_wide
from formulas.sqlforms.calls import call_python
from formulas.sqlforms.core import Element, Emitter, Form, Sql, number, raw
from formulas.sqlforms.numbers import divided, fitted, holds, native_at, native_of, rescaled
from formulas.sqlforms.shortcuts import Held, Ratio, Shortcuts, Small, Steps
from formulas.sqlforms.template import pg_argument, pieces, whole, zone_of
from formulas.tree import Call, Literal, Param, Path, Tree, walk
from formulas.types import NARROW_DIGITS, Type

_LONG = "0.000000000000000000000000000000"
_TEMPLATES = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": f"round(({{0}} + {_LONG}) / nullif({{1}}, 0), 10)",
    "neg": "-{0}",
    "percent": "{0} * 0.01",
    "bounded": "case when abs({0}) < 1e308 then {0} end",
}


def plain(element: Element, type_: Type, emitter: Emitter) -> Sql:
    """A computed value in the storage form of its type."""
    wide = is_wide(type_) and not emitter.postgresql
    if isinstance(element, sa.BindParameter):  # which `type_coerce` would bind as another number
        element = pieces("{0}", [element], element.type)
    return Sql(sa.type_coerce(element, bind_type(type_, emitter.dialect)), type_, wide)


def arithmetic(emitter: Emitter, call: Call) -> Sql:
    """add, sub, mul, div, neg, percent and bounded on numbers; add, sub and neg on durations."""
    values = [emitter.value(arg) for arg in call.args]
    if call.type.kind == "duration":
        return _durations(call, values)
    if emitter.postgresql:
        if _is_whole(call):
            whole_args = [sa.cast(value.element, sa.BigInteger()) for value in values]
            return Sql(pieces(_TEMPLATES[call.function], whole_args, sa.BigInteger()), call.type)
        args = [pg_argument(value, "n") for value in values]
        return Sql(pieces(_TEMPLATES[call.function], args, sa.Numeric()), call.type)
    native = _NATIVE.get(call.function)
    if native is not None and not is_wide(call.type) and not any(value.wide for value in values):
        found = native(values, call.type)
        bare = _bare_product(call, values)
        return replace(plain(found if bare is None else zeroed(bare), call.type, emitter), short=Shortcuts(bare=bare))
    return replace(call_python(emitter, call), short=_shortcuts(call, values))


def _shortcuts(call: Call, values: list[Sql]) -> Shortcuts:
    """What else is known of an operation whose result may be beyond 64 bits."""
    native, bare = _overflowing(call, values), _bare_product(call, values)
    if native is not None and bare is not None:
        native = zeroed(bare)
    firm = _is_firm(call, values)
    return Shortcuts(native, firm, _held(call, values, native), bare, ratio=_ratio(call, values))


def zeroed(element: Element) -> Element:
    """SQLite: a blank integer as 0."""
    return sa.func.coalesce(element, number(0), type_=sa.BigInteger())


def _bare_product(call: Call, values: list[Sql]) -> Element | None:
    """Of a product whose blank factors count as 0: the product that is blank if a factor is, which asks once instead of twice."""
    if call.function != "mul" or all(value.short.bare is None for value in values):
        return None
    factors = [value.element if isinstance(value.element, sa.BindParameter) else value.short.bare for value in values]
    known = [factor for factor in factors if factor is not None]
    return known[0] * known[1] if len(known) == len(values) else None


def _is_whole(tree: Tree) -> bool:
    """Whole numbers of so few digits that 64 bits hold what becomes of them: PostgreSQL computes in BIGINT, which is cheaper."""
    if tree.type.kind != "integer" or tree.type.digits > NARROW_DIGITS:
        return False
    if isinstance(tree, Call):
        return tree.function in ("add", "sub", "mul", "neg", "zero") and all(map(_is_whole, tree.args))
    return isinstance(tree, Path | Literal | Param)


def _held(call: Call, values: list[Sql], native: Element | None) -> Held | None:
    """Of one operation on integers: it is a REAL exactly where it is beyond 64 bits."""
    if native is None or call.function not in _NATIVE or any(value.wide for value in values):
        return None
    return Held(native, _small_factor(call, values))


def _small_factor(call: Call, values: list[Sql]) -> Small | None:
    """Of a product with a column: the factor of fewer digits, which leaves less room to the other; of two alike, the one of more places."""
    if call.function != "mul":
        return None
    found: list[tuple[int, int, Element]] = []
    for tree, value, other in zip(call.args, values, reversed(values), strict=True):
        if isinstance(tree, Path) or (isinstance(tree, Call) and tree.function == "zero"):
            factor = raw(value.element, sa.BigInteger()) if value.short.bare is None else value.short.bare
            found.append((other.type.digits, -value.type.scale, factor))
    if not found:
        return None
    other_digits, _, factor = min(found, key=lambda side: side[:2])
    return Small(factor, other_digits)


def _is_firm(call: Call, values: list[Sql]) -> bool:
    """A product of numbers beyond 64 bits stays beyond (or is 0); a sum does if its parts are within."""
    if call.function in ("mul", "neg", "percent"):
        return all(value.short.firm or not value.wide for value in values)
    return call.function in ("add", "sub") and not any(value.wide for value in values)


def _ratio(call: Call, values: list[Sql]) -> Ratio | None:
    """A quotient of integers, of which floating point can tell whether it is above a constant, but for the last digits."""
    if call.function != "div" or any(value.wide for value in values):
        return None
    dividend, divisor = (raw(value.element, sa.BigInteger()) for value in values)
    return Ratio(dividend, divisor, values[0].type.scale - values[1].type.scale)


def _overflowing(call: Call, values: list[Sql]) -> Element | None:
    """SQLite: the same in 64-bit integers, which become REAL where they do not hold the number."""
    natives = [native_of(value) for value in values]
    if any(native is None for native in natives):
        return None
    narrow = [Sql(native, value.type) for native, value in zip(natives, values, strict=True) if native is not None]
    if call.function == "div":
        return None if any(value.wide for value in values) else _quotient(*narrow)
    native = _NATIVE.get(call.function)
    return None if native is None else native(narrow, call.type)


def _quotient(left: Sql, right: Sql) -> Element:
    """Half away from zero, to 10 places: whole-number division of the doubled dividend."""
    shift = 10 + right.type.scale - left.type.scale
    dividend, divisor = (raw(value.element, sa.BigInteger()) for value in (left, right))
    if shift >= 0:
        dividend = dividend * number(10**shift)
    else:
        divisor = divisor * number(10**-shift)
    sign = "case when ({0} < 0) <> ({1} < 0) then -1 else 1 end"
    half_up = f"(2 * abs({{0}}) + abs({{1}})) / (2 * nullif(abs({{1}}), 0)) * {sign}"
    whole = f"case when typeof(2 * abs({{0}}) + abs({{1}})) = 'real' then 9e99 else {half_up} end"
    return pieces(whole, [dividend, divisor], sa.BigInteger())


def _durations(call: Call, values: list[Sql]) -> Sql:
    seconds = [raw(value.element, sa.BigInteger()) for value in values]
    found = {"add": lambda: seconds[0] + seconds[1], "sub": lambda: seconds[0] - seconds[1]}.get(call.function)
    return Sql(sa.type_coerce(found() if found else -seconds[0], bind_type(call.type, "sqlite")), call.type)


def _aligned(values: list[Sql], type_: Type) -> list[Element]:
    return [rescaled(value, type_.scale) for value in values]


def _add(values: list[Sql], type_: Type) -> Element:
    left, right = _aligned(values, type_)
    return left + right


def _sub(values: list[Sql], type_: Type) -> Element:
    left, right = _aligned(values, type_)
    return left - right


def _mul(values: list[Sql], _type: Type) -> Element:
    left, right = (raw(value.element, sa.BigInteger()) for value in values)
    return left * right


def _neg(values: list[Sql], _type: Type) -> Element:
    return -raw(values[0].element, sa.BigInteger())


def _percent(values: list[Sql], _type: Type) -> Element:
    """A hundredth has the same digits at two places more."""
    return raw(values[0].element, sa.BigInteger())


_NATIVE: dict[str, Callable[[list[Sql], Type], Element]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "neg": _neg,
    "percent": _percent,
}


def zero(emitter: Emitter, call: Call) -> Sql:
    """A blank number as 0."""
    value = emitter.value(call.args[0])
    nothing = sa.literal_column("'0'") if value.wide else number(0)
    element = sa.func.coalesce(raw(value.element, sa.Text() if value.wide else sa.Numeric()), nothing)
    blank = native_of(value) if not emitter.postgresql else None
    native = zeroed(blank) if value.wide and blank is not None else None
    short = Shortcuts(native, value.short.firm, bare=blank)
    return Sql(sa.type_coerce(element, bind_type(value.type, emitter.dialect)), value.type, value.wide, short=short)


def absolute(emitter: Emitter, call: Call) -> Sql:
    """ABS on SQLite."""
    value = emitter.value(call.args[0])
    if value.wide or is_wide(call.type):
        return call_python(emitter, call)
    return plain(sa.func.abs(raw(value.element, sa.BigInteger()), type_=sa.BigInteger()), call.type, emitter)


def rounded(emitter: Emitter, call: Call) -> Sql:
    """ROUND on SQLite: half away from zero, on the scaled integer, where the places are constant and not negative."""
    value = emitter.value(call.args[0])
    places = getattr(call.args[1], "value", None) if len(call.args) > 1 else 0
    if not isinstance(places, int) or places < 0:
        return call_python(emitter, call)
    if value.wide or is_wide(call.type):
        return _rounded_where_it_holds(emitter, call, value, places)
    if places >= value.type.scale:
        return plain(rescaled(value, call.type.scale), call.type, emitter)
    unit = 10 ** (value.type.scale - places)
    steps = Steps(raw(value.element, sa.BigInteger()), unit) if call.type.scale == places else None
    return replace(plain(divided(value, unit), call.type, emitter), short=Shortcuts(steps=steps))


_BRIEF_NODES = 16
_CHEAP = frozenset(("add", "sub", "mul", "neg", "percent", "zero"))


def _is_brief(tree: Tree) -> bool:
    """Few additions and products of values that stand there: cheap to be written several times in one expression."""
    nodes = list(walk(tree))
    return len(nodes) <= _BRIEF_NODES and all(
        isinstance(node, Path | Literal | Param) or (isinstance(node, Call) and node.function in _CHEAP)
        for node in nodes
    )


def _rounded_where_it_holds(emitter: Emitter, call: Call, value: Sql, places: int) -> Sql:
    """The same on 64-bit integers, which become REAL where they do not hold the number; there Python rounds."""
    if native_of(value) is None or not _is_brief(call.args[0]):
        return call_python(emitter, call)
    kept = native_at(value, min(places, value.type.scale))
    missing = call.type.scale - min(places, value.type.scale)
    if missing < 0:
        return call_python(emitter, call)
    kept = kept * number(10**missing) if missing else kept
    if is_wide(call.type):
        held = None
        if value.short.held is not None and not missing:
            held = replace(value.short.held, shrink=10 ** (value.type.scale - call.type.scale))
        return replace(call_python(emitter, call), short=Shortcuts(kept, held=held))
    in_python = raw(call_python(emitter, call).element, sa.BigInteger())
    return plain(sa.case((holds(value, kept), kept), else_=in_python), call.type, emitter)


def result(emitter: Emitter, value: Sql, type_: Type) -> Element:
    """A value as a branch of a choice whose result has this type."""
    if value.type.is_number and type_.is_number:
        return fitted(emitter, value, type_)
    return value.element


def add_days(emitter: Emitter, call: Call) -> Sql:
    """A date some days later, on PostgreSQL."""
    day, count = (emitter.value(arg) for arg in call.args)
    args = [pg_argument(day, "d"), whole(pg_argument(count, "n"), 4_000_000)]
    template = "case when {0} - '0001-01-01'::date + {1} between 0 and 3652058 then {0} + {1} end"
    return Sql(pieces(template, args, sa.Date()), call.type)


def days_between(emitter: Emitter, call: Call) -> Sql:
    """Days, on PostgreSQL."""
    args = [pg_argument(emitter.value(arg), "d") for arg in call.args]
    return Sql(pieces("{0} - {1}", args, sa.Integer()), call.type)


def time_between(emitter: Emitter, call: Call) -> Sql:
    """Whole seconds, on PostgreSQL."""
    args = [emitter.value(arg).element for arg in call.args]
    template = "trunc(extract(epoch from {0} - {1}))::bigint"
    return Sql(sa.type_coerce(pieces(template, args, sa.BigInteger()), bind_type(call.type, "postgresql")), call.type)


def to_instant(emitter: Emitter, call: Call) -> Sql:
    """The beginning of a day in the emitter's zone, on PostgreSQL."""
    day = pg_argument(emitter.value(call.args[0]), "d")
    return Sql(
        pieces("{0}::timestamp at time zone {1}", [day, zone_of(emitter)], sa.TIMESTAMP(timezone=True)), call.type
    )


FORMS: dict[str, Form] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "neg", "percent", "bounded"), arithmetic),
    "zero": zero,
}
SQLITE: dict[str, Form] = {"ABS": absolute, "ROUND": rounded}
POSTGRESQL: dict[str, Form] = {
    "add_days": add_days,
    "days_between": days_between,
    "time_between": time_between,
    "to_instant": to_instant,
}
