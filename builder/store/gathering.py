"""Several writing statements as one: on PostgreSQL one trip to the server, and a transaction by itself.

Each becomes a part of a ``WITH``; new rows for one table are one part, in the order in which they were given (events are told in it).
Whatever is changed or deleted is a part of its own, of one row that no other part touches. All parts stand or fall together, and foreign
keys are checked when all are written, so their order does not matter otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from builder.store.statement import IF_NEW, ROWS, Query, Sheet, Statement

PARTS = "PARTS"
_PLACE = re.compile(r"\$(\d+)")
_VALUES = " VALUES "
_MANY_ROWS = 32  # of one table; each number of them is a statement of its own
_MANY_CHANGES = 8
_COUNTED = " RETURNING 1 AS one"


class Part(NamedTuple):
    """A statement with the rows that it is given."""

    statement: Statement
    rows: tuple[Mapping[str, Any], ...]


def parts_of(pending: Sequence[Query]) -> list[Part] | None:
    """Bring writes together by their statements; None: they cannot be one statement."""
    changes: list[Part] = []
    rows: dict[str, list[Mapping[str, Any]]] = {}
    statements: dict[str, Statement] = {}
    for statement, values in pending:
        if statement.inserts is None:
            if not isinstance(values, Mapping) or len(changes) == _MANY_CHANGES:
                return None
            changes.append(Part(statement, (values,)))
            continue
        known = statements.setdefault(statement.inserts, statement)
        if known is not statement and known.sql != statement.sql:
            return None
        listed = rows.setdefault(statement.inserts, [])
        if isinstance(values, Sheet):
            if listed:
                return None
            listed.append({**values.same, ROWS: values.rows})
        else:
            listed += [values] if isinstance(values, Mapping) else values
    parts = [Part(statements[table], tuple(listed)) for table, listed in rows.items()]
    fit = all(len(p.rows) == 1 or (_VALUES in p.statement.sql and len(p.rows) <= _MANY_ROWS) for p in parts)
    return [*changes, *parts] if fit else None


def shape_of(parts: Sequence[Part]) -> tuple[Any, ...]:
    """Return what the text of the whole depends on."""
    return tuple((part.statement.sql, len(part.rows)) for part in parts)


class Whole(Statement):
    """All parts in one text; its values are told in ``whole_statement``."""

    __slots__ = ("condition",)

    def __init__(self, sql: str, condition: Statement) -> None:
        super().__init__(sql, (), has_rows=True)
        self.condition = condition

    def bind(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return driver parameters: those of all rows of all parts, then those of the condition."""
        bound: list[Any] = []
        for part in values[PARTS]:
            for row in part.rows:
                bound += part.statement.bind(row)
        return (*bound, *self.condition.bind(values))


def whole_statement(parts: Sequence[Part], condition: Statement) -> Whole:
    """Return the statement that carries all parts out if the condition holds, and nothing at all otherwise.

    Its values are those of the condition, and the parts themselves as ``PARTS``.

    Args:
        condition: selects one row or none. Parts that are no inserts have to change a row each.

    Otherwise it fails with a division by zero (``NotNow``): the one way for a statement to undo itself.
    """
    texts: list[str] = []
    changes: list[str] = []
    count = 0
    for place, part in enumerate(parts):
        head, _, values = part.statement.sql.partition(_VALUES)
        tail = IF_NEW if values.endswith(IF_NEW) else ""
        values = values.removesuffix(IF_NEW)
        each = []
        for _ in part.rows:
            each.append(_moved(values or head, count))
            count += len(part.statement.slots)
        text = f"{head}{_VALUES}{', '.join(each)}{tail}" if values else each[0]
        if part.statement.inserts is None:
            text += _COUNTED
            changes.append(f" * (SELECT count(*) FROM part{place})")  # noqa: S608 - a number of ours
        texts.append(f"part{place} AS ({text})")
    texts.append(f"fine AS ({_moved(condition.sql, count)})")
    number = "(SELECT count(*) FROM fine)" + "".join(changes)  # noqa: S608 - of prepared texts
    return Whole(f"WITH {', '.join(texts)} SELECT 1 / ({number})", condition)


def _moved(text: str, by: int) -> str:
    return _PLACE.sub(lambda found: f"${int(found[1]) + by}", text) if by else text


def with_look(write: Statement, look: Statement) -> Statement:
    """Return a write that also holds the rows of another select, given behind its own columns; of no row blanks.

    Args:
        write: a ``WITH … SELECT g.… FROM g``.
        look: its parameters have names that ``write`` has not.
    """
    head, chosen, rest = write.sql.rpartition("\n SELECT g.")
    columns, _, nothing = rest.rpartition("\nFROM g")
    assert head, write.sql
    assert not nothing, write.sql
    held = f"look AS ({_moved(look.sql, len(write.slots))})"
    text = f"{head}, {held}{chosen}{columns}, look.* FROM g LEFT JOIN look ON true"
    return Statement(text, (*write.slots, *look.slots), has_rows=True)
