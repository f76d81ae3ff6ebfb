"""The walk from a typed tree to a SQLAlchemy expression; what is special of each function is in the other files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from typing import Literal as Choice

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from formulas.errors import FormulaError, Message
from formulas.sqlforms.binds import bind_type, is_wide
from formulas.tree import Call, Literal, Param, Path, Rollup, Tree
from formulas.types import BOOLEAN, Type

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


@dataclass(frozen=True, slots=True)
class Sql:
    """An expression with the type of the language.

    On SQLite a decimal is an integer scaled by `type.scale` unless `wide`, then it is text. `column` is the untouched
    column behind a path, whose storage type the other side of a comparison is bound with.
    """

    element: Element
    type: Type
    wide: bool = False
    column: Element | None = None


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

    def __init__(
        self,
        resolver: Resolver,
        dialect: Dialect,
        forms: Mapping[str, Form],
        conditions: Mapping[str, Condition],
        rollup: Callable[[Emitter, Rollup], Sql],
    ) -> None:
        self.scopes: tuple[Resolver, ...] = (resolver,)
        self.dialect: Dialect = dialect
        self._forms = forms
        self._conditions = conditions
        self._rollup = rollup

    @property
    def postgresql(self) -> bool:
        """Whether the statement is for PostgreSQL, else it is for SQLite."""
        return self.dialect == "postgresql"

    def inside(self, resolver: Resolver) -> Emitter:
        """The emitter of a related row: `this.` steps back out of it."""
        inner = Emitter(resolver, self.dialect, self._forms, self._conditions, self._rollup)
        inner.scopes = (*self.scopes, resolver)
        return inner

    def value(self, tree: Tree, like: Sql | None = None) -> Sql:
        """The exact value. Constants are bound with the storage type of `like`, where that is a column of their type."""
        if isinstance(tree, Path):
            return self._column(tree)
        if isinstance(tree, Literal | Param):
            return self._constant(tree, like)
        if isinstance(tree, Rollup):
            return self._rollup(self, tree)
        form = self._forms.get(tree.function)
        if form is None:
            raise no_form(tree.function)
        return form(self, tree)

    def condition(self, tree: Tree) -> Element:
        """A condition of which only true counts: simpler than the exact value, and indexes serve it."""
        if isinstance(tree, Call) and tree.function in self._conditions:
            return self._conditions[tree.function](self, tree)
        if isinstance(tree, Literal):
            return sa.true() if tree.value is True else sa.false()
        return self.truth(self.value(tree))

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
        return not self.postgresql and isinstance(column.type, sa.Text)

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
