"""How formulas ask the directory in SQL: from the tables of people and departments, in the snapshot of the records. See docs/decisions/0031.

Reads: dougong_user, dougong_department.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from builder.store import tables
from builder.store.types import Identifier, StoredType, Words
from formulas.directory import DEEPEST
from formulas.sql import Asked
from formulas.sqlforms.template import pieces

Element = sa.ColumnElement[Any]

_OF_PERSON = "(select asked.{column} from {user} as asked where asked.id = {{0}})"
# upwards from one department, by its key: a few steps a record, however many departments there are
_PATH = """(with recursive above (path, parent_id, height) as (
 select {told}, asked.parent_id, 1 from {department} as asked where asked.id = {{0}}
 union all select {told} || '/' || above.path, asked.parent_id, above.height + 1
 from above join {department} as asked on asked.id = above.parent_id where above.height < {deepest}
) select path from above order by height desc limit 1)"""

_TOLD = {"DEPTPATH": "asked.name", "DEPTIDS": "cast(asked.id as text)"}


def directory_of(function: str) -> Asked:
    """Return how ``USERDEPT``, ``MANAGER``, ``DEPTPATH`` or the ids of that path are asked."""
    if function in _TOLD:
        text = _PATH.format(department=tables.department.name, deepest=DEEPEST, told=_TOLD[function])
        return _asked(text, tables.department.c.id, Words())
    column = "department_id" if function == "USERDEPT" else "manager_id"
    return _asked(_OF_PERSON.format(column=column, user=tables.user.name), tables.user.c.id, Identifier())


def _asked(template: str, subject: Element, kind: StoredType) -> Asked:
    return Asked(subject, lambda element: pieces(template, [element], kind))
