"""Fields that are unique among some records only: the condition of a partial index, said to both databases. See docs/decisions/0008."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.visitors import replacement_traverse

from builder.compiled.computing import field_info
from builder.compiled.system import system_fields
from builder.definition.entity import Entity, UniqueIf
from builder.fields.base import Field, label_text
from builder.kernel.text import Text
from builder.store.statement import DIALECTS
from builder.store.types import StoredType
from formulas.checker import check
from formulas.errors import FormulaError, Message
from formulas.evaluate import Program, program
from formulas.schema import FieldInfo
from formulas.sql import Dialect, to_condition
from formulas.tree import Call, Literal, Path, Tree, walk
from formulas.types import BOOLEAN

#: What both databases take as the condition of an index: nothing that depends on a zone, a locale or a function of ours.
_INDEXABLE = frozenset(("lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not", "in", "IN", "ISBLANK"))
_KINDS = frozenset(("text", "option", "integer", "decimal", "boolean", "date", "person", "department", "record"))
Where = tuple[tuple[str, str], ...]
"""(dialect, SQL over bare column names)."""


@dataclass(frozen=True)
class OwnFields:
    """The stored fields of one entity as a schema: no relations, nothing of others."""

    entity: Entity

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """A stored field by key; a reference is only its id."""
        item = self._field(key)
        if entity != self.entity.key or item is None or item.column_type() is None:
            return None
        return field_info(item)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Keys and labels."""
        for item in (*system_fields(self.entity.key).values(), *self.entity.fields):
            yield item.key, field_info(item).label

    def column(self, path: Path) -> sa.ColumnElement[object]:
        """The bare column of a field."""
        return sa.column(path.steps[0], self.column_type(path.steps[0]))

    def related(self, relation: tuple[str, ...]) -> object:
        """An index knows nothing of others."""
        raise _not_indexable(".".join(relation))

    def column_type(self, key: str) -> StoredType:
        """The type of a field's column."""
        item = self._field(key)
        found = item.column_type() if item is not None else None
        assert found is not None
        return found

    def _field(self, key: str) -> Field | None:
        own = next((item for item in self.entity.fields if item.key == key), None)
        return own or system_fields(self.entity.key).get(key)


@dataclass(frozen=True)
class ConditionalUnique:
    """A conditional unique set, ready to explain a refusal."""

    key: str
    fields: tuple[str, ...]
    where: Where
    program: Program
    message: Text | None

    @classmethod
    def of(cls, entity: Entity, unique: UniqueIf) -> ConditionalUnique:
        """Compile one."""
        message = label_text(unique.message) if unique.message is not None else None
        tree = condition_tree(entity, unique)
        return cls(unique.key, tuple(unique.fields), where_of(entity, unique), program(tree), message)


def condition_tree(entity: Entity, unique: UniqueIf) -> Tree:
    """Return the checked condition. Raises ``FormulaErrors``, and ``FormulaError`` for what no index can say."""
    tree = check(unique.when, OwnFields(entity), entity.key, expected=BOOLEAN).tree
    for node in walk(tree):
        if isinstance(node, Call) and node.function in _INDEXABLE:
            continue
        if isinstance(node, Literal) or (isinstance(node, Path) and len(node.steps) == 1 and node.type.kind in _KINDS):
            continue
        raise _not_indexable(getattr(node, "function", "") or ".".join(getattr(node, "steps", ())))
    return tree


def where_of(entity: Entity, unique: UniqueIf) -> Where:
    """Return the condition in the words of each database."""
    tree, own = condition_tree(entity, unique), OwnFields(entity)
    return tuple(
        (name, _rendered(tree, own, "sqlite" if name == "sqlite" else "postgresql")) for name in sorted(DIALECTS)
    )


def _rendered(tree: Tree, own: OwnFields, dialect: Dialect) -> str:
    condition = to_condition(tree, own, dialect)  # type: ignore[arg-type] # related rows are refused before
    chosen = DIALECTS[dialect]

    def written(element: Any, **_options: Any) -> Any:
        if not isinstance(element, sa.BindParameter):
            return None
        processor: Callable[[Any], Any] | None = element.type.dialect_impl(chosen).bind_processor(chosen)
        value = element.value if processor is None else processor(element.value)
        return sa.literal_column(_constant(value, dialect), element.type)

    return str(replacement_traverse(condition, {}, written).compile(dialect=chosen))


def _constant(value: Any, dialect: str) -> str:
    """A stored value as it is written into a statement. Raises ``FormulaError`` for a kind that is not."""
    if isinstance(value, bool):
        return str(value).lower() if dialect == "postgresql" else str(int(value))
    if isinstance(value, int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, str) and "\x00" not in value:
        return "'" + value.replace("'", "''") + "'"
    raise _not_indexable(str(value)[:60])


def where_text(where: Where, dialect: str) -> sa.TextClause:
    """Return the condition as a clause; a colon in it is a colon."""
    return sa.text(dict(where)[dialect].replace(":", "\\:"))


def _not_indexable(name: str) -> FormulaError:
    zh = f"“{name}”不能用于条件唯一:只能用比较、AND、OR、NOT、IN、ISBLANK 和本记录的存储字段"
    en = f'"{name}" cannot decide what is unique: only comparisons, AND, OR, NOT, IN and ISBLANK over stored fields of the record can'
    return FormulaError("TYPE", Message(zh, en))
