"""What an app keeps aside: look at it, and destroy it for good when somebody says so."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.publish.impact import count_rows, count_where
from builder.publish.kept import Kept, forget_for_good, list_kept
from builder.publish.publish import lock_app
from builder.registry.apps import get_app
from builder.registry.busy import told_when_busy
from builder.registry.registry import Registry


class KeptLine(NamedTuple):
    """One thing that is kept aside."""

    id: str
    entity: str
    field: str | None
    """None: the whole entity."""
    table: str
    column: str | None
    version: int
    """The version that set it aside."""
    kept_at: datetime
    value_count: int
    """Values that are not blank, or records."""


def list_aside(registry: Registry, app: str) -> list[KeptLine]:
    """Return everything an app keeps aside, latest first.

    Raises:
        Problem: ``app.not_found``.
    """
    with registry.database.snapshot() as connection:
        get_app(connection, app)
        return [_line(connection, kept) for kept in list_kept(connection, app)]


def purge_kept(registry: Registry, app: str, kept_id: str, *, confirm: str | None) -> KeptLine:
    """Destroy one thing that is kept aside; return what it was. ``confirm`` must repeat its id. Nothing brings it back.

    Raises:
        Problem: ``app.confirmation`` with what would be destroyed, ``kept.not_found``, ``app.not_found``, ``publish.busy``.
    """
    with told_when_busy(), registry.database.exclusive_schema() as connection:
        lock_app(connection, app)
        listed = list_kept(connection, app)
        kept = next((item for item in listed if item.id == kept_id), None)
        if kept is None:
            raise Problem("kept.not_found", say(f"没有保留“{kept_id}”", f'Nothing with the id "{kept_id}" is kept'))
        line = _line(connection, kept)
        if confirm != kept.id:
            detail = say(
                f"清除会销毁 {line.value_count} 个值或记录,无法恢复;请用 confirm={kept.id} 确认",
                f"This destroys {line.value_count} values or records for good; confirm with confirm={kept.id}",
            )
            raise Problem("app.confirmation", detail, extra={"destroys": line_json(line)})
        forget_for_good(connection, app, kept)
    return line


def line_json(line: KeptLine) -> dict[str, str | int | None]:
    """Write a line without its time."""
    return {name: value for name, value in line._asdict().items() if name != "kept_at"}


def _line(connection: sa.Connection, kept: Kept) -> KeptLine:
    if kept.column_name:
        column = kept.column()
        count, _ = count_where(connection, kept.table_name, column.name, column.type, blank=False)
    else:
        count = count_rows(connection, kept.table_name)
    return KeptLine(
        id=kept.id,
        entity=kept.entity,
        field=kept.field or None,
        table=kept.table_name,
        column=kept.column_name or None,
        version=kept.version,
        kept_at=kept.kept_at,
        value_count=count,
    )
