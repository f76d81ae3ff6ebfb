"""Merges as a service."""

from __future__ import annotations

from typing import Any, NamedTuple

from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from builder.store.database import ConstraintRefused
from builder.store.statement import Unit
from runtime.access.gate import FieldMap, gate
from runtime.access.sight import sight_of
from runtime.records.caller import Caller
from runtime.records.holding import hold_record
from runtime.records.merging import Wish, list_merges, merge_records, undo_merge
from runtime.records.seams import finish
from runtime.records.service import Records
from runtime.records.targets import known_id, target_entity, uses_of
from runtime.records.values import with_aliases
from runtime.records.writer import Writing
from runtime.records.written import Written

JSON = Any


class Merged(NamedTuple):
    """The record that stays, and the merge."""

    written: Written
    merge_id: str


class Merges:
    """Merges of records, for all apps of one database."""

    def __init__(self, records: Records, days: int) -> None:
        self._records = records
        self._days = days  # for which a merge can be undone

    async def merge(self, caller: Caller, app: str, entity: str, record_id: str, wish: Wish) -> Merged:
        """Merge others into a record.

        Raises:
            Problem: as ``merge_records``.
        """

        async def run(published: PublishedApp) -> Merged:
            owner = target_entity(published, entity)
            gate(caller.actor, app, _uses(owner), sight_of(published.app))
            known = known_id(owner, record_id)
            others = tuple(dict.fromkeys(known_id(owner, one) for one in wish.others))
            if known in others:
                raise Problem("merge.refused", say("记录不能并入自己", "A record cannot be merged into itself"))
            fields = {key: find_uuid(source) or source for key, source in wish.fields.items()}
            wanted = wish._replace(others=others, fields=fields)
            w = self._records.writing(published, caller)

            def unit() -> Unit[Merged]:
                merge_id = yield from merge_records(w, owner, known, wanted)
                yield from finish(w)
                held = yield from hold_record(w, owner, known)
                shown = with_aliases(owner, held.shown)
                return Merged((yield from self._records.written(w, owner, [shown]))[0], merge_id)

            return await self._transact(w, unit)

        return await self._records.pinned(app, caller, run)

    async def undo(self, caller: Caller, app: str, entity: str, record_id: str, merge_id: str) -> Merged:
        """Take a merge back.

        Raises:
            Problem: as ``undo_merge``.
        """

        async def run(published: PublishedApp) -> Merged:
            owner = target_entity(published, entity)
            gate(caller.actor, app, _uses(owner), sight_of(published.app))
            known = known_id(owner, record_id)
            merge = find_uuid(merge_id)
            if merge is None:
                raise Problem("merge.not_found")
            w = self._records.writing(published, caller)

            def unit() -> Unit[Merged]:
                shown = with_aliases(owner, (yield from undo_merge(w, owner, known, merge, self._days)))
                yield from finish(w)
                return Merged((yield from self._records.written(w, owner, [shown]))[0], merge)

            return await self._transact(w, unit)

        return await self._records.pinned(app, caller, run)

    async def page(self, caller: Caller, app: str, entity: str, record_id: str) -> list[dict[str, JSON]]:
        """Return the merges into a record.

        Raises:
            Problem: ``record.not_found``.
        """
        return await self._records.read_beside(
            caller, app, entity, record_id, lambda w, owner, known: list_merges(w, owner, known, self._days)
        )

    async def _transact(self, w: Writing, unit: Any) -> Merged:
        try:
            merged: Merged = await self._records.transact(w, unit)
        except ConstraintRefused as refused:
            detail = say(
                "记录会违反唯一规则(例如两条记录各有同样的下级记录),请先处理",
                "A unique rule would be broken (both records may have the same below them); see to it first",
            )
            raise Problem("merge.refused", detail) from refused
        return merged


def _uses(owner: Any) -> FieldMap:
    return FieldMap(uses_of(owner, "write").uses | uses_of(owner, "delete").uses)
