"""Which apps have automations of a kind that no write starts: looked up again only for apps that were published since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.definition.triggers.base import TriggerModel
from builder.kernel.problems import Problem
from builder.registry.registry import PublishedApp
from builder.store import tables
from builder.store.database import Database
from builder.store.statement import Query, Rows, Unit
from runtime.automations.runs import Statements
from runtime.records.caller import system_caller
from runtime.records.service import Records


class Watched:
    """The automations of one kind of trigger, of all apps."""

    def __init__(self, database: Database, records: Records, statements: Statements, kind: type[TriggerModel]) -> None:
        self._database = database
        self._records = records
        self._statements = statements
        self._kind = kind
        self._seen: dict[str, tuple[str, PublishedApp | None, tuple[Automation, ...]]] = {}

    async def each(self) -> Iterator[tuple[PublishedApp, Automation]]:
        """Return the automations as they are published now, with their apps."""
        pins = {str(row[0]): str(row[1]) for row in await self._database.read(self._pins)}
        for app, pin in pins.items():
            known = self._seen.get(app)
            if known is None or known[0] != pin:
                self._seen[app] = await self._look(app, pin)
        for gone in self._seen.keys() - pins.keys():
            del self._seen[gone]
        return iter([(found, one) for _, found, listed in self._seen.values() if found for one in listed])

    async def _look(self, app: str, pin: str) -> tuple[str, PublishedApp | None, tuple[Automation, ...]]:
        try:
            found = await self._records.current(system_caller("automations", "automation"), app)
        except Problem:
            return pin, None, ()  # it has no version yet, or is gone by now
        listed = tuple(one for one in found.app.definition.of(AUTOMATIONS) if isinstance(one.trigger, self._kind))
        return pin, found, listed

    def _pins(self) -> Unit[Rows]:
        row = tables.app.c

        def make(_: str) -> sa.Select[Any]:
            return sa.select(row.key, row.pin).where(row.published_version > 0).order_by(row.key)

        return (yield Query(self._statements.kept(("automation", "pins"), make), {}))
