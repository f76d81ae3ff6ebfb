"""The walk from a typed tree to a SQLAlchemy expression; what is special of each function is in the other files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeAlias
from typing import Literal as Choice

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from formulas.errors import FormulaError, Message
from formulas.sqlforms.binds import WIDE, bind_type, is_wide
from formulas.sqlforms.shortcuts import NOTHING_KNOWN, Shortcuts
from formulas.tree import Call, Literal, Param, Path, Rollup, Tree, desugared, walk
from formulas.types import BLANK, BOOLEAN, Type, integer

#: Nodes that one statement may be built from; forms that repeat their arguments count them each time.
NODE_LIMIT = 5_000
#: Calls inside each other. SQLite's parser has a stack of 100 symbols, SQLAlchemy's compiler Python's own.
DEPTH_LIMITS: dict[str, int] = {"sqlite": 16, "postgresql": 30}
#: Conditions that are null, hence false, when an argument is an error.
NULL_IS_FALSE = frozenset(("and", "or", "lt", "le", "gt", "ge", "in", "CONTAINS", "STARTSWITH", "ENDSWITH"))
#: Functions whose form sees to errors itself.
HANDLED = frozenset(("IF", "IFERROR", "IFNA", "ISERROR", "ISBLANK", "COALESCE", "and", "or", "not", "zero", "NA"))

Dialect: TypeAlias = Choice["sqlite", "postgresql"]
Element: TypeAlias = sa.ColumnElement[Any]


class Related(Protocol):
    """The rows of a to-many relation, correlated with the current row."""

    @property
    def resolver(self) -> Resolver:
        """Gives the columns of the related rows; it may note the joins that they need."""

    def select(self, columns: Sequence[Element], condition: Element | None) -> sa.Select[Any]:
        """The correlated select, asked for after all columns have been given."""


class Resolver(Protocol):
    """Where the columns are. The query builder implements it and adds the joins that paths need."""

    def column(self, path: Path) -> Element:
        """The column at the end of the path, with its storage type. `path.up` is 0 here."""

    def related(self, relation: tuple[str, ...]) -> Related:
        """The rows at the end of a path whose last step is a to-many relation."""


class Asked(NamedTuple):
    """A question to the directory, as SQL."""

    subject: Element
    """A column of the ids it is asked about: constants are bound as that is."""
    answer: Callable[[Element], Element]
    """From such an id to what the directory says of it, null where it says nothing; a plain column's type."""


class Asking:
    """A resolver that knows the tables of people and departments."""

    def asked(self, function: str) -> Asked:
        """How `USERDEPT`, `MANAGER` or `DEPTPATH` is asked here."""
        raise NotImplementedError


class Gathered(Protocol):
    """The rows of a to-many relation, read once for several aggregates, each of which takes what it wants of them."""

    @property
    def resolver(self) -> Resolver:
        """Gives the columns of the related rows."""

    def add(self, aggregate: Element, empty: Element) -> Element:
        """The value of one more aggregate; `empty` is what it is without any row."""


class Gathering:
    """A resolver that can compute all aggregates over one relation in one pass over its rows."""

    def gathered(self, relation: tuple[str, ...]) -> Gathered | None:
        """The rows at the end of a path, or None where each aggregate has to ask for them by itself."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Sql:
    """An expression with the type of the language.

    On SQLite a decimal is an integer scaled by `type.scale` unless `wide`, then it is text. `column` is the untouched
    column behind a path, whose storage type the other side of a comparison is bound with. `short` is for SQLite alone.
    """

    element: Element
    type: Type
    wide: bool = False
    column: Element | None = None
    short: Shortcuts = NOTHING_KNOWN


class Catalogue(Protocol):
    """What the emitter asks of the declared functions."""

    def form(self, function: str, dialect: Dialect) -> Form | None:
        """The SQL form, or None."""

    def condition(self, function: str) -> Condition | None:
        """The form in which only true counts, or None."""

    def letters(self, call: Call) -> list[str]:
        """The signature letter of each argument."""

    def fails(self, function: str) -> bool:
        """Whether it may give an error for arguments that are no errors."""

    def strict(self, function: str) -> bool:
        """Whether any blank argument gives a blank, and any error an error."""

    def local(self, function: str) -> bool:
        """Whether it reads instants by the clock of the zone."""

    def rollup(self, emitter: Emitter, tree: Rollup) -> Sql:
        """The SQL of a rollup."""


Form: TypeAlias = Callable[["Emitter", Call], Sql]
Condition: TypeAlias = Callable[["Emitter", Call], Element]


def no_form(function: str) -> FormulaError:
    """What to say of a function that SQL cannot compute."""
    return FormulaError(
        "TYPE",
        Message(
            f"{function} 不能在数据库中计算，请用已存储的公式字段",
            f"{function} has no SQL form; use a stored formula field",
        ),
    )


class Emitter:
    """Builds the expression of one tree in one dialect."""

    def __init__(self, resolver: Resolver, dialect: Dialect, catalogue: Catalogue, zone: str = "UTC") -> None:
        self.scopes: tuple[Resolver, ...] = (resolver,)
        self.dialect: Dialect = dialect
        self.catalogue = catalogue
        #: Name of the zone whose clock dates and hours are read from.
        self.zone = zone
        self.budget = [NODE_LIMIT]
        self.depth = 0
        self.emitted: dict[int, tuple[Tree, Sql]] = {}

    @property
    def postgresql(self) -> bool:
        """Whether the statement is for PostgreSQL, else it is for SQLite."""
        return self.dialect == "postgresql"

    def inside(self, resolver: Resolver) -> Emitter:
        """The emitter of a related row: `this.` steps back out of it."""
        inner = Emitter(resolver, self.dialect, self.catalogue, self.zone)
        inner.scopes = (*self.scopes, resolver)
        inner.budget, inner.depth = self.budget, self.depth
        return inner

    def value(self, tree: Tree, like: Sql | None = None) -> Sql:
        """The exact value. Constants are bound with the storage type of `like`, where that is a column of their type."""
        if isinstance(tree, Path):
            return self._column(tree)
        if isinstance(tree, Literal | Param):
            return self._constant(tree, like)
        # Forms ask for an argument more than once (as integers, for Python, for errors); made anew each time, the work doubled per level.
        kept = self.emitted.get(id(tree))
        if kept is None:
            kept = self.emitted[id(tree)] = (tree, self._made(tree))
        return kept[1]

    def _made(self, tree: Call | Rollup) -> Sql:
        self.budget[0] -= 1
        if self.budget[0] < 0:
            raise FormulaError("LIMIT", Message("公式过于复杂，不能在数据库中计算", "too complex for the database"))
        if isinstance(tree, Rollup):
            return self.catalogue.rollup(self, tree)
        return self._call(desugared(tree))

    def _call(self, call: Call) -> Sql:
        """A function; unless it passes blanks and errors through by itself, an error before it is kept null."""
        form = self.catalogue.form(call.function, self.dialect)
        if form is None:
            raise no_form(call.function)
        self.depth += 1
        if self.depth > DEPTH_LIMITS[self.dialect]:
            raise FormulaError("LIMIT", Message("嵌套过深，不能在数据库中计算", "nested too deeply for the database"))
        found = form(self, call)
        self.depth -= 1
        if self.catalogue.strict(call.function) or call.function in HANDLED:
            return found
        failed = any_error(self, call.args)
        if failed is None:
            return found
        return replace(found, element=sa.case((failed, sa.null()), else_=found.element))

    def letters(self, call: Call) -> list[str]:
        """The signature letter of each argument."""
        return self.catalogue.letters(call)

    def condition(self, tree: Tree) -> Element:
        """A condition of which only true counts: simpler than the exact value, and indexes serve it."""
        if isinstance(tree, Literal):
            return sa.true() if tree.value is True else sa.false()
        if isinstance(tree, Call):
            form = self.catalogue.condition(tree.function)
            if form is not None and (tree.function in NULL_IS_FALSE or not self.can_fail(*tree.args)):
                return form(self, tree)
        return self.truth(self.value(tree))

    def can_fail(self, *trees: Tree) -> bool:
        """Whether any part may be an error."""
        return any(
            self.catalogue.fails(node.function) or (isinstance(node, Call) and node.function in ("IFS", "SWITCH"))
            for tree in trees
            for node in walk(tree)
            if isinstance(node, Call | Rollup)
        )

    def truth(self, value: Sql) -> Element:
        """A stored boolean as a condition; SQLite keeps it as 0 or 1."""
        if value.column is None:
            return value.element
        if self.postgresql:
            return sa.type_coerce(value.element, sa.Boolean())
        return sa.type_coerce(value.element, sa.Integer()) == sa.literal_column("1")

    def _column(self, path: Path) -> Sql:
        resolver = self.scopes[-1 - path.up]
        column = resolver.column(Path(path.steps, path.type))
        return Sql(column, path.type, is_wide(path.type) and self._is_text(column), column)

    def _is_text(self, column: Element) -> bool:
        return not self.postgresql and (column.type is WIDE or isinstance(column.type, sa.Text))

    def _constant(self, tree: Literal | Param, like: Sql | None) -> Sql:
        type_ = tree.type
        if isinstance(tree, Literal) and tree.value is None:
            return Sql(sa.null(), type_)
        if isinstance(tree, Literal) and isinstance(tree.value, bool):
            return Sql(sa.true() if tree.value else sa.false(), BOOLEAN)
        storage, wide = self.storage(type_, like)
        if isinstance(tree, Literal):
            return Sql(sa.literal(tree.value, storage), type_, wide)
        return Sql(sa.bindparam(f"p{tree.index}", type_=storage), type_, wide)

    def storage(self, type_: Type, like: Sql | None) -> tuple[TypeEngine[Any], bool]:
        """The storage type for a constant, and whether it is wide on SQLite."""
        if like is not None and like.column is not None and same_storage(like.type, type_):
            return like.column.type, like.wide
        return bind_type(type_, self.dialect), is_wide(type_) and not self.postgresql


def same_storage(left: Type, right: Type) -> bool:
    """Whether a value of one type may be bound as the column type of the other."""
    return left.kind == right.kind and left.scale == right.scale and left.digits >= right.digits


def raw(element: Element, type_: TypeEngine[Any]) -> Element:
    """The stored form without its Python conversion, so that SQL operators see plain numbers and texts.

    A bound constant keeps its type: that is what converts it to the stored form.
    """
    return element if isinstance(element, sa.BindParameter) else sa.type_coerce(element, type_)


def number(value: int) -> Element:
    """An integer written into the statement."""
    return sa.literal_column(str(value), sa.BigInteger())


def any_error(emitter: Emitter, trees: Sequence[Tree]) -> Element | None:
    """Whether any of the values is an error, or None if none can be."""
    found = [failed for tree in trees if (failed := error(emitter, tree)) is not None]
    return sa.or_(*found) if found else None


def error(emitter: Emitter, tree: Tree) -> Element | None:
    """A condition (never null) that the value is an error, or None if it cannot be one.

    A function that fails does so where it is null though no argument is: blanks come from blanks only.
    """
    if not isinstance(tree, Call | Rollup) or not emitter.can_fail(tree):
        return None
    if isinstance(tree, Rollup):
        return None
    call = desugared(tree)
    if call.function in _ERRORS:
        return _ERRORS[call.function](emitter, call)
    before = any_error(emitter, call.args)
    if not emitter.catalogue.fails(call.function):
        return before
    itself: Element = emitter.value(call).element.is_(sa.null())
    if emitter.catalogue.strict(call.function):
        if any(isinstance(arg, Literal) and arg.value is None for arg in call.args):
            return before
        present = [emitter.value(arg) for arg in call.args if not isinstance(arg, Literal | Param)]
        itself = sa.and_(itself, *(value.element.is_not(sa.null()) for value in present))
    return itself if before is None else sa.or_(before, itself)


def _or_false(condition: Element | None) -> Element:
    return sa.false() if condition is None else condition


def _choice_error(emitter: Emitter, call: Call) -> Element:
    """Of IF: the condition's error, else that of the branch taken. A chain of choices is one CASE."""
    whens: list[tuple[Element, Element]] = []
    otherwise: Tree = call
    while isinstance(otherwise, Call) and otherwise.function == "IF":
        test, then, *rest = otherwise.args
        failed = error(emitter, test)
        if failed is not None:
            whens.append((failed, sa.true()))
        whens.append((emitter.condition(test), _or_false(error(emitter, then))))
        otherwise = desugared(rest[0]) if rest and isinstance(rest[0], Call) else (rest[0] if rest else NOTHING)
    return sa.case(*whens, else_=_or_false(error(emitter, otherwise)))


NOTHING = Literal(None, BLANK)


def _logic_error(emitter: Emitter, call: Call) -> Element:
    """Of AND and OR: an error that the other conditions do not make irrelevant."""
    return sa.and_(_or_false(any_error(emitter, call.args)), emitter.value(call).element.is_(sa.null()))


def _first_error(emitter: Emitter, call: Call) -> Element:
    """Of COALESCE: an error before the first value that is not blank."""
    found: Element = sa.false()
    for arg in reversed(call.args):
        failed = error(emitter, arg)
        blank = emitter.value(arg).element.is_(sa.null())
        found = sa.and_(blank, found) if failed is None else sa.or_(failed, sa.and_(blank, found))
    return found


def _place_error(emitter: Emitter, call: Call) -> Element:
    """Of CHOOSE: an error among its arguments, or a place outside of them."""
    place, above = call.args[0], Literal(len(call.args), integer(3))
    outside = [emitter.condition(Call("lt", (place, Literal(1, integer(1))), BOOLEAN))]
    outside.append(emitter.condition(Call("ge", (place, above), BOOLEAN)))
    return sa.func.coalesce(sa.or_(_or_false(any_error(emitter, call.args)), *outside), sa.false())


def _second_error(emitter: Emitter, call: Call) -> Element:
    """Of IFERROR: the error of what stands in."""
    return sa.and_(_or_false(error(emitter, call.args[0])), _or_false(error(emitter, call.args[1])))


_ERRORS: dict[str, Callable[[Emitter, Call], Element]] = {
    "IF": _choice_error,
    "and": _logic_error,
    "or": _logic_error,
    "CHOOSE": _place_error,
    "COALESCE": _first_error,
    "IFERROR": _second_error,
    "ISERROR": lambda _emitter, _call: sa.false(),
    "ISBLANK": lambda _emitter, _call: sa.false(),
    "NA": lambda _emitter, _call: sa.true(),
}
