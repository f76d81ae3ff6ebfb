"""Texts: bytewise, by code points, and user text never inside a pattern."""

from __future__ import annotations

import sqlalchemy as sa

from formulas.sqlforms.core import Element, Emitter, Sql, no_form, raw
from formulas.sqlforms.template import pg_argument, pg_arguments, pieces
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
    # counted from the start: substr(x, -0) would be the whole text
    start = sa.func.length(subject, type_=sa.Integer()) - length + sa.literal_column("1")
    return sa.and_(start > sa.literal_column("0"), sa.func.substr(subject, start, type_=sa.Text()) == needle)


def lower(emitter: Emitter, call: Call) -> Sql:
    """LOWER."""
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


def upper(emitter: Emitter, call: Call) -> Sql:
    """UPPER."""
    element = text(emitter.value(call.args[0]))
    if not emitter.postgresql:
        return Sql(sa.func.unicode_upper(element, type_=sa.Text()), TEXT)
    return Sql(sa.collate(sa.func.upper(sa.collate(element, "und-x-icu"), type_=sa.Text()), "C"), TEXT)


def search(emitter: Emitter, call: Call) -> Sql:
    """SEARCH on PostgreSQL: FIND on folded texts; a text with signs of a pattern as the regular expression it stands for."""
    needle, subject = (folded(emitter, sa.cast(emitter.value(part).element, sa.Text())) for part in call.args[:2])
    start = pg_argument(emitter.value(call.args[2]), "i") if len(call.args) > 2 else sa.literal_column("1")
    plain = "nullif(strpos(substr({1}, {2}), {0}), 0) + {2} - 1"
    found = f"case when {{0}} !~ '[*?~]' then {plain} when char_length({{0}}) <= 255 then nullif(regexp_instr({{1}}, {_PATTERN}, {{2}}), 0) end"
    template = f"case when {{2}} between 1 and char_length({{1}}) then {found} when {{2}} = char_length({{1}}) + 1 and btrim({{0}}, '*') = '' then {{2}} end"
    return Sql(pieces(template, [needle, subject, start], sa.Integer()), call.type)


_KEPT = "replace(replace(replace({0}, '~~', chr(1)), '~*', chr(2)), '~?', chr(3))"
_ESCAPED = f"regexp_replace({_KEPT}, '([].^$+(){{}}|\\\\[])', '\\\\\\1', 'g')"
_OPENED = f"replace(replace({_ESCAPED}, '*', '.*'), '?', '.')"
_PATTERN = f"replace(replace(replace({_OPENED}, chr(1), '~'), chr(2), '[*]'), chr(3), '[?]')"


#: Null where the text would be longer than a text may be.
_COUNT = "(char_length({0}) - char_length(replace({0}, {1}, ''))) / nullif(char_length({1}), 0)"
_REPLACED = (
    f"case when coalesce({_COUNT}, 0) * (char_length({{2}}) - char_length({{1}}))::bigint + char_length({{0}}) <= 32767"
    " then replace({0}, {1}, {2}) end"
)


def substitute(emitter: Emitter, call: Call) -> Sql:
    """SUBSTITUTE on PostgreSQL, everywhere or at one occurrence. PostgreSQL's replace leaves an empty text alone."""
    args = pg_arguments(emitter, call)
    if len(args) == 3:
        return Sql(pieces(_REPLACED, args, sa.Text()), TEXT)
    parts = "array_length(string_to_array({0}, {1}), 1)"
    pick = "array_to_string((string_to_array({0}, {1}))[%s], {1})"
    head, tail = pick % "1:{3}", pick % f"{{3}} + 1:{parts}"
    body = f"case when {{0}} = '' or {{1}} = '' or {{3}} >= {parts} then {{0}} else {head} || {{2}} || {tail} end"
    return Sql(pieces(f"case when {{3}} >= 1 and num_nulls({{1}}, {{2}}) = 0 then {body} end", args, sa.Text()), TEXT)


def concat(emitter: Emitter, call: Call) -> Sql:
    """CONCAT on PostgreSQL: the default text of each value, a blank as the empty text."""
    shown: list[Element] = [
        sa.func.coalesce(shown_text(emitter.value(part)), sa.literal_column("''")) for part in call.args
    ]
    while len(shown) > 1:
        shown = [_joined(shown[start : start + 50]) for start in range(0, len(shown), 50)]
    return Sql(shown[0], TEXT)


def _joined(parts: list[Element]) -> Element:
    return pieces(" || ".join(f"{{{place}}}" for place in range(len(parts))), parts, sa.Text())


_SHOWN = {
    "boolean": "case when {0} then 'TRUE' when not {0} then 'FALSE' end",
    "date": "to_char({0}, 'YYYY-MM-DD')",
    "datetime": "to_char({0} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    "time": "to_char({0}, 'HH24:MI:SS')",
    "duration": (
        "case when {0} < 0 then '-' else '' end || case when abs({0}) < 36000 then '0' else '' end || abs({0}) / 3600"
        " || ':' || lpad((abs({0}) / 60 % 60)::text, 2, '0') || ':' || lpad((abs({0}) % 60)::text, 2, '0')"
    ),
}


def shown_text(value: Sql) -> Element:
    """PostgreSQL: the default text of a value, as `values.display` has it."""
    if value.type.is_number:
        return pieces("trim_scale({0})::text", [sa.cast(value.element, sa.Numeric())], sa.Text())
    if value.type.kind in ("set", "geo", "json"):
        raise no_form("CONCAT")
    template = _SHOWN.get(value.type.kind)
    if template is None:
        return sa.cast(value.element, sa.Text())
    element = pg_argument(value, "A")
    return pieces(template, [element], sa.Text())


FORMS = {"CONTAINS": _contains, "STARTSWITH": _starts, "ENDSWITH": _ends, "LOWER": lower}
CONDITIONS = {"CONTAINS": _contains_condition, "STARTSWITH": _starts_condition, "ENDSWITH": _ends_condition}
