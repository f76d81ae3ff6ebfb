"""What a person holds: records that name them in a field, open approvals, people and departments they lead.

Reads: every app's records, dougong_approval_task, dougong_user, dougong_department. Writes: nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.registry.registry import Registry
from builder.store import tables
from builder.store.database import Database
from runtime.query.request import read_members
from runtime.records.caller import Caller
from runtime.records.service import Records

JSON = Any
_PAGE = 200


class Holding(NamedTuple):
    """A field of an entity that names people."""

    app: str
    entity: str
    field: str
    many: bool
    """Whether it holds a set of people."""

    def condition(self, user_id: str) -> dict[str, JSON]:
        """Return the filter of the records in which it names a user."""
        return {self.field: {"_has" if self.many else "_eq": user_id}}


def holdings_of(app: str, entity: CompiledEntity) -> list[Holding]:
    """Return the fields of an entity that name people and can be changed."""
    return [
        Holding(app, entity.key, field.key, many=field.lists == "user")
        for field in entity.plain
        if field.refers_to == "user" or field.lists == "user"
    ]


class Holdings:
    """Finds what people hold."""

    def __init__(self, database: Database, registry: Registry, records: Records) -> None:
        self._database = database
        self._registry = registry
        self._records = records

    def list_apps(self) -> list[str]:
        """Return the apps that are published."""
        with self._database.snapshot() as connection:
            published = sa.select(tables.app.c.key).where(tables.app.c.published_version > 0)
            return list(connection.scalars(published.order_by(tables.app.c.key)))

    async def list_holdings(self, caller: Caller) -> list[Holding]:
        """Return every field of every app that names people."""
        found: list[Holding] = []
        for app in self.list_apps():
            try:
                current = await self._records.current(caller, app)
            except Problem:
                continue  # deleted meanwhile
            for entity in current.app.own.values():
                found += holdings_of(app, entity)
        return found

    async def count(self, caller: Caller, holding: Holding, user_id: str) -> int:
        """Return how many records name a user in a field."""
        asked = {"filter": holding.condition(user_id), "fields": ["id"], "limit": 1, "count": "exact"}
        page = await self._records.list_page(caller, holding.app, holding.entity, read_members(asked))
        return int(page.counted.number if page.counted is not None else 0)

    async def ids(self, caller: Caller, holding: Holding, user_id: str) -> AsyncIterator[dict[str, JSON]]:
        """Yield the records that name a user in a field: id and the field. What is changed meanwhile is not seen again."""
        cursor: str | None = None
        while True:
            asked: dict[str, JSON] = {
                "filter": holding.condition(user_id),
                "fields": ["id", holding.field],
                "sort": ["id"],
                "limit": _PAGE,
            }
            if cursor is not None:
                asked["cursor"] = cursor
            page = await self._records.list_page(caller, holding.app, holding.entity, read_members(asked))
            for record in [parse_json(body) for body in page.records]:
                yield record
            cursor = page.next_cursor
            if cursor is None:
                return

    def count_open_tasks(self, user_id: str) -> int:
        """Return how many approvals wait for a user."""
        t = tables.approval_task.c
        mine = sa.select(sa.func.count()).where(t.user_id == user_id, t.state.in_(("waiting", "open")))
        with self._database.snapshot() as connection:
            return int(connection.scalar(mine) or 0)
