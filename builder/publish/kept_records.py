"""Records that the trash and merges keep follow the names of today: what is kept is JSON by the keys of entities and fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json, parse_json
from builder.publish.step import Work
from builder.store import writing_tables

JSON = Any
_CHUNK = 1_000
_trash, _merge = writing_tables.trash, writing_tables.merge


class FieldName(NamedTuple):
    """A field that takes another key."""

    entity: str
    old: str
    new: str


def follow_entity(work: Work, old: str, new: str) -> None:
    """Let what is kept of an entity, and what names it, follow its key."""
    for table in (_trash, _merge):
        here = (table.c.app == work.app) & (table.c.entity == old)
        work.connection.execute(sa.update(table).where(here).values(entity=new))

    def renamed(entry: list[JSON], place: int) -> list[JSON]:
        return [*entry[:place], new, *entry[place + 1 :]] if entry[place] == old else entry

    _rewrite(work, _trash, "blanked", old, lambda cut: [renamed(entry, 0) for entry in cut])
    _rewrite(work, _merge, "body", old, lambda body: {**body, "moved": [renamed(one, 0) for one in body["moved"]]})


def follow_field(work: Work, name: FieldName) -> None:
    """Let what is kept of an entity's records, and references that name the field, follow its key."""

    def renamed(entry: list[JSON]) -> list[JSON]:
        return [*entry[:2], name.new, *entry[3:]] if (entry[0], entry[2]) == (name.entity, name.old) else entry

    def members(values: dict[str, JSON]) -> dict[str, JSON]:
        return {name.new if key == name.old else key: value for key, value in values.items()}

    own_trash, own_merge = _trash.c.entity == name.entity, _merge.c.entity == name.entity
    _rewrite(work, _trash, "body", name.old, members, own_trash)
    _rewrite(work, _trash, "blanked", name.old, lambda cut: [renamed(entry) for entry in cut])
    _rewrite(work, _merge, "body", name.old, lambda body: {**body, "moved": [renamed(one) for one in body["moved"]]})
    taken = ("before", "after")
    _rewrite(work, _merge, "body", name.old, lambda body: {**body, **{k: members(body[k]) for k in taken}}, own_merge)


def _rewrite(
    work: Work,
    table: sa.Table,
    column: str,
    named: str,
    change: Callable[[JSON], JSON],
    also: sa.ColumnElement[bool] | None = None,
) -> None:
    for row_id, text in _rows(work, table, column, named, also):
        before = parse_json(text)
        after = change(before)
        if after != before:
            values = {column: dump_json(after).decode()}
            work.connection.execute(sa.update(table).where(table.c.id == row_id).values(values))


def _rows(
    work: Work, table: sa.Table, column: str, named: str, also: sa.ColumnElement[bool] | None
) -> Iterator[tuple[str, str]]:
    last = "00000000-0000-0000-0000-000000000000"
    wanted = sa.select(table.c.id, table.c[column]).where(
        table.c.app == work.app, table.c[column].contains(f'"{named}"', autoescape=True)
    )
    wanted = wanted if also is None else wanted.where(also)
    while rows := work.connection.execute(wanted.where(table.c.id > last).order_by(table.c.id).limit(_CHUNK)).all():
        yield from ((str(row[0]), str(row[1])) for row in rows)
        last = str(rows[-1][0])
