"""Search indexes under a publish: triggers stand aside while tables change, and an index whose texts changed is built anew afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.kernel.text import Text, say
from builder.publish.step import Step, Work
from builder.publish.steps.entities import CreateEntity, KeepEntity, RenameEntity, RestoreEntity
from builder.publish.steps.fields import AddField, ConvertField, RenameField, RestoreField
from builder.store.searching import postgresql, sqlite
from builder.store.searching.rows import IndexRow, change_row, drop_row, list_rows
from builder.store.statement import SQLITE


@dataclass(frozen=True, kw_only=True)
class DropSearchIndex(Step):
    """An index does not hold what the texts will be: it goes, and where it is still wanted another is built while people work."""

    kind: ClassVar[str] = "drop_search_index"
    row: IndexRow
    again: bool

    def summary(self) -> Text:
        """Say what happens."""
        if self.again:
            return say(
                f"{self.entity} 的搜索索引将在发布后于后台重建;此间搜索会慢一些",
                f"The search index of {self.entity} is built anew after the publish, while people work; until then searches are slower",
            )
        return say(f"删除 {self.entity} 的搜索索引", f"Drop the search index of {self.entity}")

    def fill(self, work: Work) -> None:
        """Remove it; ``runtime/upkeep/search_indexes.py`` makes another."""
        drop_index(work.connection, self.row)


def drop_index(connection: sa.Connection, row: IndexRow) -> None:
    """Remove an index and its row."""
    if connection.dialect.name == SQLITE:
        sqlite.drop(connection, row)
    else:
        postgresql.drop(connection, row)
    drop_row(connection, row)


def search_steps(connection: sa.Connection, target: CompiledApp, steps: Sequence[Step]) -> list[Step]:
    """Return the steps by which indexes go that no longer fit what is there after the steps of a plan."""
    gone: list[Step] = []
    for row in list_rows(connection, target.key) if steps else ():
        columns = _searched(target, row)
        if not columns or _is_outdated(row, columns, steps):
            gone.append(DropSearchIndex(entity=row.entity, row=row, again=bool(columns)))
    return gone


def set_aside(connection: sa.Connection, app: str) -> None:
    """Stop noting what is touched: SQLite can neither rename nor rebuild what a trigger reads."""
    if connection.dialect.name == SQLITE:
        for row in list_rows(connection, app):
            sqlite.drop_triggers(connection, row)


def take_up(connection: sa.Connection, target: CompiledApp) -> None:
    """Let the indexes that stayed go on with the fields there are now. A field that came is blank in all records."""
    for row in list_rows(connection, target.key):
        columns = _searched(target, row)
        if connection.dialect.name == SQLITE:
            sqlite.add_triggers(connection, row.table, columns)
        elif columns != row.columns:
            postgresql.drop(connection, row, [column for column in row.columns if column not in columns])
            if set(columns) - set(row.columns):
                change_row(connection, row, state="building")
        if columns != row.columns:
            change_row(connection, row, columns=columns)


def searched_columns(target: CompiledApp, entity: str) -> tuple[str, ...]:
    """Return the columns that a search of an entity reads."""
    found = target.own.get(entity)
    return tuple(key for key in found.definition.searched if key in found.physical.columns) if found else ()


def _searched(target: CompiledApp, row: IndexRow) -> tuple[str, ...]:
    found = target.own.get(row.entity)
    return searched_columns(target, row.entity) if found and found.physical.name == row.table else ()


def _is_outdated(row: IndexRow, columns: Iterable[str], steps: Sequence[Step]) -> bool:
    """Whether the texts that are searched will be others than those in the index. One that lost some still leads to all the others."""
    blank: set[str] = set()
    for step in steps:
        if isinstance(step, RenameEntity | KeepEntity | RestoreEntity | CreateEntity):
            if row.entity in (step.entity, getattr(step, "old_entity", "")):
                return True
        elif step.entity != row.entity or step.field not in columns:
            continue
        elif isinstance(step, ConvertField | RestoreField | RenameField):
            return True
        elif isinstance(step, AddField):
            if step.definition.default is not None or step.definition.assigned:
                return True
            blank.add(step.field)
    return not set(columns) <= set(row.columns) | blank
