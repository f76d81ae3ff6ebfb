"""SQL forms as short templates: `pg("round({0}, {1})")` is said with the arguments in the types they are read as."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from formulas.errors import FormulaError, Message
from formulas.sqlforms.binds import bind_type
from formulas.sqlforms.core import Element, Emitter, Form, Sql
from formulas.tree import Call, Literal, Tree
from formulas.types import TIME

#: Arguments that PostgreSQL's functions take.
ARGUMENT_LIMIT = 90
#: Characters of one expression.
STATEMENT_LIMIT = 200_000
#: Characters from which an argument is not repeated but named.
LONG_PART = 120
_PLACES = re.compile(r"least\(greatest\(\{(\d+)\}, -308\), 20\)")
_PLACE = re.compile(r"\{(\d+)\}")
INT_BOUND = 2**31 - 1


class Pieces(sa.sql.functions.FunctionElement[Any]):
    """A fixed text with places for expressions. Never holds text of a user: values stand in the expressions."""

    inherit_cache = False
    name = "pieces"

    def __init__(self, template: str, args: Sequence[Element], type_: TypeEngine[Any]) -> None:
        self.template = template
        self.type = type_
        super().__init__(*args)


@compiles(Pieces)
def _compile(element: Pieces, compiler: SQLCompiler, **options: Any) -> str:
    parts = [f"({compiler.process(clause, **options)})" for clause in element.clauses]
    text = element.template
    if compiler.preparer._double_percents:
        text = text.replace("%", "%%")
    repeated = [n for n, part in enumerate(parts) if len(part) > LONG_PART and text.count(f"{{{n}}}") > 1]
    if repeated:
        text = _named_once(
            text, parts, repeated, "limit -1 offset 0" if compiler.dialect.name == "sqlite" else "offset 0"
        )
    filled = _PLACE.sub(lambda found: parts[int(found.group(1))], text)
    if len(filled) > STATEMENT_LIMIT:
        raise FormulaError("LIMIT", Message("公式过于复杂，不能在数据库中计算", "too complex for the database"))
    return f"({filled})"


def _named_once(text: str, parts: list[str], repeated: list[int], fence: str) -> str:
    """Compute long arguments once, under a name. OFFSET keeps the planner from putting them back in each place."""
    named = ", ".join(f"{{{n}}} as a{n}" for n in repeated)
    body = text
    for n in repeated:
        body = body.replace(f"{{{n}}}", f"v.a{n}")
    return f"select {body} from (select {named} {fence}) as v"  # noqa: S608 - the text of declarations, never a value


def pieces(template: str, args: Sequence[Element], type_: TypeEngine[Any]) -> Element:
    """An expression from a template with `{0}`, `{1}` …."""
    if len(args) > ARGUMENT_LIMIT:
        raise FormulaError("LIMIT", Message("参数过多，不能在数据库中计算", "too many arguments for the database"))
    return Pieces(template, args, type_)


def negated(condition: Element) -> Element:
    """NOT in brackets of its own: SQLAlchemy may leave them out before IS NULL."""
    return pieces("not {0}", [condition], sa.Boolean())


def pg(*templates: str) -> Form:
    """A PostgreSQL form. The n-th template is for calls with n optional arguments left out … the last for all given.

    Arguments come as numeric, text, boolean, date … whatever their column is; `i` arguments as bounded int.
    """

    def form(emitter: Emitter, call: Call) -> Sql:
        args = pg_arguments(emitter, call)
        chosen = ([template for template in templates if needs(template) == len(args)] or [templates[-1]])[0]
        chosen = _PLACES.sub(lambda found: _known_places(call, int(found.group(1))) or found.group(), chosen)
        if any(part in chosen for part in ("least(", "greatest(", "then 0 ")):  # these make something of a null
            open_ones = [n for n, arg in enumerate(call.args) if not is_whole_constant(arg)]
            present = " and ".join(f"{{{n}}} is not null" for n in open_ones)
            chosen = f"case when {present} then {chosen} end" if present else chosen
        return Sql(pieces(chosen, args, bind_type(call.type, "postgresql")), call.type)

    return form


def _known_places(call: Call, place: int) -> str | None:
    """A constant number of places within the bounds that every template has for it."""
    arg = call.args[place]
    if not (isinstance(arg, Literal) and is_whole_constant(arg)):
        return None
    return f"({min(max(int(arg.value), -308), 20)})"


def needs(template: str) -> int:
    """How many arguments a template mentions."""
    count = 0
    while f"{{{count}}}" in template:
        count += 1
    return count


def pg_arguments(emitter: Emitter, call: Call) -> list[Element]:
    """The arguments in the types that PostgreSQL's functions expect."""
    letters = emitter.letters(call)
    values = [emitter.value(arg) for arg in call.args]
    if emitter.catalogue.local(call.function):
        values = [as_local(emitter, value) for value in values]
    return [
        sa.literal_column(str(arg.value), sa.Integer())  # type: ignore[union-attr]
        if letter == "i" and is_whole_constant(arg)
        else pg_argument(value, letter)
        for arg, value, letter in zip(call.args, values, letters, strict=True)
    ]


def is_whole_constant(tree: Tree) -> bool:
    """A small whole number that may stand in the statement itself."""
    return isinstance(tree, Literal) and type(tree.value) is int and abs(tree.value) <= INT_BOUND


def as_local(emitter: Emitter, value: Sql) -> Sql:
    """An instant as the clock of the emitter's zone shows it."""
    if value.type.kind != "datetime":
        return value
    shown = pieces("{0} at time zone {1}", [value.element, zone_of(emitter)], sa.DateTime())
    return Sql(shown, TIME)


def zone_of(emitter: Emitter) -> Element:
    """The zone as PostgreSQL takes it: a name, or an interval for an offset in seconds."""
    if emitter.zone.lstrip("-").isdigit():
        return sa.literal_column(f"interval '{int(emitter.zone)} seconds'")
    return sa.cast(sa.literal(emitter.zone, sa.Text()), sa.Text())


def pg_argument(value: Sql, letter: str) -> Element:
    """One argument; blanks get the type of their place, since PostgreSQL cannot guess it."""
    if value.type.is_number or (value.type.kind == "blank" and letter in "niN"):
        number = sa.cast(value.element, sa.Numeric())
        if letter != "i":
            return number
        return whole(number, INT_BOUND)
    caster = _CASTS.get(_OF_LETTERS.get(letter, "") if value.type.kind == "blank" else value.type.kind)
    return sa.cast(value.element, caster) if caster is not None else value.element


def whole(number: Element, bound: int) -> Element:
    """A number cut to a bounded integer; LEAST and GREATEST would make something of a null."""
    template = (
        f"(case when {{0}} > {bound} then {bound} when {{0}} < -{bound} then -{bound} else trunc({{0}}) end)::int"
    )
    return pieces(template, [number], sa.Integer())


#: What a blank is in a place, where PostgreSQL has several functions of the name.
_OF_LETTERS = {"t": "text", "b": "boolean", "d": "date", "x": "date", "y": "datetime", "h": "datetime", "m": "datetime"}
_TEXT = sa.Text()
_CASTS: dict[str, TypeEngine[Any]] = {
    **dict.fromkeys(("text", "option", "person", "department", "record", "file"), _TEXT),
    "date": sa.Date(),
    "datetime": sa.TIMESTAMP(timezone=True),
    "boolean": sa.Boolean(),
}
