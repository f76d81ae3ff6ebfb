"""PostgreSQL forms that depend on the types or the constants of a call, beyond a single template."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from formulas.sqlforms.binds import bind_type
from formulas.sqlforms.core import Element, Emitter, Form, Sql, no_form, raw
from formulas.sqlforms.sets import members
from formulas.sqlforms.template import pg_argument, pg_arguments, pieces, whole, zone_of
from formulas.sqlforms.texts import shown_text
from formulas.tree import Call, Literal, Tree
from formulas.types import Type

_LONG = "0.000000000000000000000000000000"


def _typed(template: str, args: Sequence[Element], call: Call) -> Sql:
    return Sql(pieces(template, args, bind_type(call.type, "postgresql")), call.type)


def _places(count: int) -> list[str]:
    return [f"{{{place}}}" for place in range(count)]


def _singles(emitter: Emitter, call: Call) -> list[Element]:
    """The arguments of an aggregate; sets among them have no SQL form."""
    if any(arg.type.kind == "set" for arg in call.args):
        raise no_form(call.function)
    return pg_arguments(emitter, call)


def _sum(emitter: Emitter, call: Call) -> Sql:
    args = _singles(emitter, call)
    return _typed(" + ".join(f"coalesce({place}, 0)" for place in _places(len(args))), args, call)


def _average(emitter: Emitter, call: Call) -> Sql:
    args = _singles(emitter, call)
    total = " + ".join(f"coalesce({place}, 0)" for place in _places(len(args)))
    count = f"nullif(num_nonnulls({', '.join(_places(len(args)))}), 0)"
    return _typed(f"round(({total} + {_LONG}) / {count}, 10)", args, call)


def _extreme(name: str) -> Form:
    def form(emitter: Emitter, call: Call) -> Sql:
        args = [byte_order(arg, call.type) for arg in _singles(emitter, call)]
        return _typed(f"{name}({', '.join(_places(len(args)))})", args, call)

    return form


def byte_order(element: Element, type_: Type) -> Element:
    """Texts are ordered by code point whatever the database's locale is."""
    return sa.collate(element, "C") if type_.is_textual else element


def _count(emitter: Emitter, call: Call) -> Sql:
    numbers = [pg_argument(emitter.value(arg), "n") for arg in call.args if arg.type.is_number]
    if any(arg.type.kind == "set" for arg in call.args):
        raise no_form(call.function)
    return _typed(f"num_nonnulls({', '.join(_places(len(numbers)))})" if numbers else "0", numbers, call)


def _count_values(emitter: Emitter, call: Call) -> Sql:
    args = _singles(emitter, call)
    shown = [
        f"nullif({place}, '')" if arg.type.is_textual else place
        for place, arg in zip(_places(len(args)), call.args, strict=True)
    ]
    return _typed(f"num_nonnulls({', '.join(shown)})", args, call)


def _xor(emitter: Emitter, call: Call) -> Sql:
    args = pg_arguments(emitter, call)
    return _typed(f"mod({' + '.join(f'{place}::int' for place in _places(len(args)))}, 2) = 1", args, call)


def _between(emitter: Emitter, call: Call) -> Sql:
    args = [byte_order(arg, part.type) for arg, part in zip(pg_arguments(emitter, call), call.args, strict=True)]
    return _typed("case when num_nulls({0}, {1}, {2}) = 0 then {0} between {1} and {2} end", args, call)


def _choose(emitter: Emitter, call: Call) -> Sql:
    args = pg_arguments(emitter, call)
    whens = " ".join(f"when {place} then {{{place}}}" for place in range(1, len(args)))
    return _typed(f"case {{0}} {whens} end", args, call)


def _textjoin(emitter: Emitter, call: Call) -> Sql:
    separator, skip, *rest = (emitter.value(arg) for arg in call.args)
    args = [sa.cast(separator.element, sa.Text()), emitter.truth(skip), *(shown_text(value) for value in rest)]
    places = _places(len(args))[2:]
    kept = ", ".join(f"nullif({place}, '')" for place in places)
    every = ", ".join(f"coalesce({place}, '')" for place in places)
    between = "coalesce({0}, '')"
    return _typed(
        f"case when coalesce({{1}}, false) then concat_ws({between}, {kept}) else concat_ws({between}, {every}) end",
        args,
        call,
    )


# --- dates ------------------------------------------------------------------------------------------------------------

_MONTHS = (
    "((extract(year from {1}) - extract(year from {0})) * 12 + extract(month from {1}) - extract(month from {0})"
    " - case when extract(day from {1}) < extract(day from {0}) then 1 else 0 end)::int"
)
_SPANS = {
    "Y": f"{_MONTHS} / 12",
    "M": _MONTHS,
    "D": "{1} - {0}",
    "YM": f"{_MONTHS} % 12",
    "YD": f"{{1}} - ({{0}} + make_interval(months => {_MONTHS} / 12 * 12))::date",
    "MD": f"{{1}} - ({{0}} + make_interval(months => {_MONTHS}))::date",
}


def _datedif(emitter: Emitter, call: Call) -> Sql:
    unit = call.args[2]
    span = _SPANS.get(str(unit.value).upper()) if isinstance(unit, Literal) else None
    if span is None:
        raise no_form("DATEDIF")
    days = [sa.cast(arg, sa.Date()) for arg in pg_arguments(emitter, Call("DATEDIF", call.args[:2], call.type))]
    return _typed(f"case when {{1}} >= {{0}} then {span} end", days, call)


_CLOCK_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_MONTH_COUNTS = {"month": 1, "quarter": 3, "year": 12}


def _datetimediff(emitter: Emitter, call: Call) -> Sql:
    unit = _unit(call.args[2])
    end, start = (pg_argument(emitter.value(arg), "m") for arg in call.args[:2])
    if unit in _CLOCK_SECONDS:
        return _typed(f"trunc(extract(epoch from {{0}} - {{1}}) / {_CLOCK_SECONDS[unit]})::bigint", [end, start], call)
    if unit not in _MONTH_COUNTS:
        raise no_form("DATETIMEDIFF")
    # least and greatest pass over blanks, so a blank has to be looked for
    early, late = "least({0}, {1}) at time zone {2}", "greatest({0}, {1}) at time zone {2}"
    months = (
        f"((extract(year from {late}) - extract(year from {early})) * 12"
        f" + extract(month from {late}) - extract(month from {early})"
        f" - case when (extract(day from {late}), ({late})::time) < (extract(day from {early}), ({early})::time)"
        " then 1 else 0 end)::int"
    )
    signed = f"case when {{0}} >= {{1}} then 1 else -1 end * ({months} / {_MONTH_COUNTS[unit]})"
    return _typed(f"case when num_nulls({{0}}, {{1}}) = 0 then {signed} end", [end, start, zone_of(emitter)], call)


_STEPS = {"day": ("days", 1), "week": ("days", 7), "month": ("months", 1), "year": ("months", 12)}


def _dateadd(emitter: Emitter, call: Call) -> Sql:
    unit = _unit(call.args[2])
    moment = emitter.value(call.args[0])
    name, times = ("months", 3) if unit == "quarter" else _STEPS.get(unit, ("", 0))
    if not name:
        return _add_clock_time(moment, call.args[1], unit, call, emitter)
    count = whole(pg_argument(emitter.value(call.args[1]), "n"), 10_000_000)
    if moment.type.kind == "datetime":
        local: Element = pieces("{0} at time zone {1}", [moment.element, zone_of(emitter)], sa.DateTime())
        shown = f"({_stepped(name, times)}) at time zone {{2}}"
        return _typed(shown, [local, count, zone_of(emitter)], call)
    day = sa.cast(pg_argument(moment, "d"), sa.Date())
    return _typed(f"({_stepped(name, times)})::date", [day, count], call)


def _stepped(name: str, times: int) -> str:
    """`{0}` some months or days later, null where that is not between the years 1 and 9999."""
    if name == "months":
        reached, last = f"({MONTH_OF} + {{1}}::bigint * {times})", LAST_MONTH
    else:
        reached, last = f"({{0}}::date - '0001-01-01'::date + {{1}}::bigint * {times})", LAST_DAY
    return f"case when {reached} between 0 and {last} then {{0}} + make_interval({name} => {{1}} * {times}) end"


#: Days and months from the first day of the calendar to its last, and the count of a date's months.
LAST_DAY, LAST_MONTH = 3_652_058, 119_987
MONTH_OF = "((extract(year from {0}) - 1) * 12 + extract(month from {0}) - 1)"


#: Seconds that no instant is moved by.
_FAR = 400_000_000_000


def seconds(expression: str) -> str:
    """An interval of exactly so many seconds: PostgreSQL's product of a number and an interval goes through floats."""
    return f"make_interval(hours => (({expression}) / 3600)::int, secs => mod({expression}, 3600)::double precision)"


def moved_by(expression: str) -> str:
    """`{0}` so many seconds (bigint) later, null outside the years 1 to 9999."""
    reached = f"(floor(extract(epoch from {{0}})) + {expression})"
    return f"case when {reached} between -62135596800 and 253402300799 then {{0}} + {seconds(expression)} end"


def _add_clock_time(moment: Sql, count: Tree, unit: str, call: Call, emitter: Emitter) -> Sql:
    size = {"second": 1, "minute": 60, "hour": 3600}.get(unit)
    if size is None or moment.type.kind != "datetime":
        raise no_form("DATEADD")
    number = pg_argument(emitter.value(count), "n")
    most = _FAR // size
    clamped = f"case when {{0}} > {most} then {most} when {{0}} < -{most} then -{most} else trunc({{0}}) end"
    bounded = pieces(f"(({clamped}) * {size})::bigint", [number], sa.BigInteger())
    return _typed(moved_by("{1}"), [moment.element, bounded], call)


def _add_time(emitter: Emitter, call: Call) -> Sql:
    moment, duration = (emitter.value(arg) for arg in call.args)
    return _typed(
        moved_by("{1}"), [moment.element, sa.cast(raw(duration.element, sa.BigInteger()), sa.BigInteger())], call
    )


def _time(emitter: Emitter, call: Call) -> Sql:
    # Not as arguments of the letter i: those are cut to 32 bits, which would make a valid time of too many seconds.
    parts = [pg_argument(emitter.value(arg), "n") for arg in call.args]
    total = "(trunc({0}) * 3600 + trunc({1}) * 60 + trunc({2}))"
    return _typed(f"case when {total} between 0 and 100000000000 then ({total} % 86400)::bigint end", parts, call)


def _unit(tree: Tree) -> str:
    word = str(tree.value).strip().lower() if isinstance(tree, Literal) else ""
    return CHINESE_UNITS.get(word, word.removesuffix("s"))


CHINESE_UNITS = {
    "秒": "second",
    "分": "minute",
    "分钟": "minute",
    "时": "hour",
    "小时": "hour",
    "日": "day",
    "天": "day",
    "周": "week",
    "月": "month",
    "季": "quarter",
    "季度": "quarter",
    "年": "year",
}
_BOUNDARIES = ("day", "week", "month", "quarter", "year")


def _boundary(end: bool) -> Form:
    """STARTOF and ENDOF."""

    def form(emitter: Emitter, call: Call) -> Sql:
        unit = _unit(call.args[1])
        if unit not in _BOUNDARIES:
            raise no_form(call.function)
        moment = emitter.value(call.args[0])
        first = f"date_trunc('{unit}', {{0}}::timestamp)"
        name, times = ("months", 3) if unit == "quarter" else (f"{unit}s", 1)
        following = f"({first} + make_interval({name} => {times}))"
        if moment.type.kind != "datetime":
            day = sa.cast(pg_argument(moment, "d"), sa.Date())
            last = f"case when {following} < '10000-01-01'::timestamp then {following}::date - 1 end"
            return _typed(last if end else f"{first}::date", [day], call)
        local = pieces("{0} at time zone {1}", [moment.element, zone_of(emitter)], sa.DateTime())
        last = f"{following} at time zone {{1}} - interval '1 millisecond'"
        shown = (
            f"case when {following} < '10000-01-01'::timestamp then {last} end"
            if end
            else f"{first} at time zone {{1}}"
        )
        return _typed(shown, [local, zone_of(emitter)], call)

    return form


def _datetime(emitter: Emitter, call: Call) -> Sql:
    day, duration = (emitter.value(arg) for arg in call.args)
    args: list[Element] = [
        sa.cast(day.element, sa.Date()),
        raw(duration.element, sa.BigInteger()),
        zone_of(emitter),
    ]
    start = pieces("{0}::timestamp at time zone {1}", [args[0], args[2]], sa.TIMESTAMP(timezone=True))
    return _typed(moved_by("{1}"), [start, args[1]], call)


# --- sets -------------------------------------------------------------------------------------------------------------

_MEMBERS = "(select v, min(o) as o from jsonb_array_elements(%s) with ordinality as t(v, o) group by v) as members"
_GATHERED = "select coalesce(jsonb_agg(v order by o), '[]'::jsonb) from "


def _arrays(emitter: Emitter, call: Call) -> list[Element]:
    return [members(emitter, emitter.value(arg)) for arg in call.args]


def _set(template: str) -> Form:
    return lambda emitter, call: _typed(template, _arrays(emitter, call), call)


def _jaccard(emitter: Emitter, call: Call) -> Sql:
    shared = "(select count(*) from (select jsonb_array_elements({0}) intersect select jsonb_array_elements({1})) as s)"
    either = "(select count(*) from (select jsonb_array_elements({0}) union select jsonb_array_elements({1})) as s)"
    template = f"round(({shared}::numeric + {_LONG}) / nullif({either}, 0), 10)"
    return _typed(template, _arrays(emitter, call), call)


def _join(emitter: Emitter, call: Call) -> Sql:
    element = call.args[0].type.element
    if element is None or not element.is_textual:
        raise no_form("JOIN")
    separator = emitter.value(call.args[1]).element if len(call.args) > 1 else sa.literal_column("', '")
    args = [members(emitter, emitter.value(call.args[0])), sa.cast(separator, sa.Text())]
    template = (  # measured first: a long separator would make a text of any length
        "case when (select coalesce(sum(coalesce(char_length(v), 0) + coalesce(char_length({1}), 0)), 0)"
        " from jsonb_array_elements_text({0}) as t(v)) - coalesce(char_length({1}), 0) <= 32767"
        " then (select coalesce(string_agg(coalesce(v, ''), coalesce({1}, '') order by o), '')"
        " from jsonb_array_elements_text({0}) with ordinality as t(v, o)) end"
    )
    return _typed(template, args, call)


def _split(emitter: Emitter, call: Call) -> Sql:
    template = (
        "case when {0} is not null and {1} <> '' then"
        " case when {0} = '' then '[\"\"]'::jsonb else to_jsonb(string_to_array({0}, {1})) end end"
    )
    return _typed(template, pg_arguments(emitter, call), call)


# --- texts to numbers -------------------------------------------------------------------------------------------------

_SPACES = "E' \\t\\u00A0\\u3000'"
_HALF = "translate({0}, '０１２３４５６７８９．，％＋－（）＄', '0123456789.,%+-()$')"
_TRIMMED = f"btrim({_HALF}, {_SPACES})"
_SIGNED = f"case when {_TRIMMED} ~ '^[(][^-+].*[)]$' then '-' || substr({_TRIMMED}, 2, char_length({_TRIMMED}) - 2) else {_TRIMMED} end"
_CURRENCY = "'^([+-]?)[ \\t]*[$¥￥€£][ \\t]*'"
_BARE = f"regexp_replace(rtrim(regexp_replace({_SIGNED}, '%$', ''), {_SPACES}), {_CURRENCY}, '\\1')"
_GROUPED = "'^[+-]?[0-9]{1,3}(,[0-9]{3,3}){1,30}([.][0-9]{0,20})?$'"
_PLAIN = f"(case when {_BARE} ~ {_GROUPED} then replace({_BARE}, ',', '') else {_BARE} end)"


def _value(emitter: Emitter, call: Call) -> Sql:
    exponent = "[0-9]{1,20}([.][0-9]{0,20})?[eE][+-]?[0-7]?[0-9]"
    shape = f"'^[+-]?([0-9]{{1,100}}([.][0-9]{{0,20}})?|[.][0-9]{{1,20}}|{exponent})$'"
    percent = f"case when right({_SIGNED}, 1) = '%' then 0.01 else 1 end"
    template = f"case when {_PLAIN} ~ {shape} then round({_PLAIN}::numeric * {percent}, 20) end"
    return _typed(template, pg_arguments(emitter, call), call)


def _from_unix(emitter: Emitter, call: Call) -> Sql:
    template = (
        "case when {0} >= -62135596800 and {0} < 253402300800 then"
        f" timestamptz 'epoch' + {seconds('floor({0})::bigint')}"
        " + make_interval(secs => ((floor({0} * 1000) - floor({0}) * 1000) / 1000)::double precision) end"
    )
    return _typed(template, pg_arguments(emitter, call), call)


FORMS: dict[str, Form] = {
    "SUM": _sum,
    "AVERAGE": _average,
    "MIN": _extreme("least"),
    "MAX": _extreme("greatest"),
    "COUNT": _count,
    "COUNTA": _count_values,
    "XOR": _xor,
    "BETWEEN": _between,
    "CHOOSE": _choose,
    "TEXTJOIN": _textjoin,
    "DATEDIF": _datedif,
    "DATETIMEDIFF": _datetimediff,
    "DATEADD": _dateadd,
    "STARTOF": _boundary(end=False),
    "ENDOF": _boundary(end=True),
    "DATETIME": _datetime,
    "FROMUNIX": _from_unix,
    "TIME": _time,
    "add_time": _add_time,
    "INTERSECT": _set(_GATHERED + _MEMBERS % "{0}" + " where {1} @> jsonb_build_array(v)"),
    "EXCEPT": _set(_GATHERED + _MEMBERS % "{0}" + " where not {1} @> jsonb_build_array(v)"),
    "UNION": _set(_GATHERED + _MEMBERS % "{0} || {1}"),
    "UNIQUE": _set(_GATHERED + _MEMBERS % "{0}"),
    "JACCARD": _jaccard,
    "JOIN": _join,
    "SPLIT": _split,
    "VALUE": _value,
}
