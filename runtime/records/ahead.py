"""A write with what follows from it (automations, timers) run ahead of its transaction, and then written as one statement.

In a transaction every step waits for the server: a creation that starts three automations took eighteen trips. Here the unit is run
without one: what it asks for is read, what it writes is gathered, a record it made or changed is remembered, and at the end everything
is one statement that compares what the write stands on: the app's version, the epoch, the revision of each record that it changes.

This is an attempt. Whatever it is not made for (a record has to be held, a read looks at a table that is to be written, an action has
failed, somebody came between) ends it with nothing written, and the long form, a transaction, does the work and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.store.statement import Query, Row
from runtime.records.statements import RecordStatements

JSON = Any
Key = tuple[str, str]
"""Entity and id of a record."""

PAUSE = 20
"""So many writes of a kind are not tried ahead after one was in vain."""
DOUBT = 200
"""So many writes of an app ask again what they could believe, after a belief may have been wrong."""


class Held(NamedTuple):
    """A record as it is, held until the end of the transaction."""

    revision: int
    shown: dict[str, JSON]


class Belief(NamedTuple):
    """What nearly always is so, and is therefore not asked before the write but compared in its statement."""

    name: str
    against: sa.Select[Any]
    """Finds a row if it is not so; its parameter is the app's key, ``g_app``."""


class Along(NamedTuple):
    """What a read of a record is to bring along, so that it costs no trip of its own."""

    query: Query
    """Reads what ``look`` reads, and more behind it."""
    take: Callable[[Row], None]
    """Is given what came behind."""


class CannotAhead(Exception):
    """The write needs a transaction."""


class Ahead:
    """What a write that is run ahead wants to write."""

    def __init__(self, *, believes: bool = False) -> None:
        self._believes = believes
        self.beliefs: dict[str, Belief] = {}
        """What it stands on besides."""
        self.pending: list[Query] = []
        self.known: dict[Key, Held] = {}
        """Records that it made or changed, as they will be."""
        self.along: dict[Key, Along] = {}
        """What the first look at a record brings along."""
        self._rows: dict[Key, dict[str, Any]] = {}
        self._seen: dict[Key, int] = {}
        self._changes: dict[Key, tuple[CompiledEntity, dict[str, Any]]] = {}

    def believes(self, belief: Belief) -> bool:
        """Whether the write stands on a belief from here on; False: it has to ask."""
        if self._believes:
            self.beliefs[belief.name] = belief
        return self._believes

    def made(self, entity: CompiledEntity, record_id: str, row: dict[str, Any], shown: dict[str, JSON]) -> None:
        """Remember a record that is to be inserted with the values ``row``; as it would be held, without aliases."""
        self._rows[entity.key, record_id] = row
        if entity.aliases:
            aliases = {alias.key for alias in entity.aliases}
            shown = {key: value for key, value in shown.items() if key not in aliases}
        self.known[entity.key, record_id] = Held(row["revision"], shown)

    def saw(self, entity: CompiledEntity, record_id: str, held: Held) -> None:
        """Remember a record that was read instead of being held: its revision is compared when it is written."""
        self.known[entity.key, record_id] = held
        self._seen[entity.key, record_id] = held.revision

    def change(self, entity: CompiledEntity, record_id: str, values: Mapping[str, Any]) -> None:
        """Put a change into the insertion of its record, if that is still to come, or into what is changed of it already."""
        key = (entity.key, record_id)
        row = self._rows.get(key)
        if row is not None:
            row |= {name.removeprefix("v_"): value for name, value in values.items() if name != "id"}
        elif key in self._seen:
            self._changes.setdefault(key, (entity, {}))[1].update(values)
        else:
            raise CannotAhead

    def changes(self, statements: RecordStatements) -> list[Query]:
        """Return how records change that were there before.

        Raises:
            CannotAhead: a record was to be held that is not changed.
        """
        if self._seen.keys() != self._changes.keys():
            raise CannotAhead
        updates = []
        for key, (entity, values) in self._changes.items():
            changed = tuple(field.key for field in entity.stored if f"v_{field.key}" in values)
            updates.append(Query(statements.update_seen(entity, changed), {**values, "seen": self._seen[key]}))
        return updates

    def gather(self, query: Query) -> bool:
        """Take a write that need not be done at once.

        Raises:
            CannotAhead: it is no such write, but no read either.
        """
        statement = query.statement
        if statement.inserts is not None or statement.updates is not None:
            self.pending.append(query)
            return True
        if statement.sql.startswith("SAVEPOINT "):
            return True  # whoever goes back to it ends the attempt
        if statement.reads is None or not statement.reads.isdisjoint(self.written()):
            raise CannotAhead
        return False

    def written(self) -> set[str | None]:
        """Return the tables of which rows are to be written."""
        changed: set[str | None] = {entity.table.name for entity, _ in self._changes.values()}
        return changed.union(*((q.statement.inserts, q.statement.updates) for q in self.pending))


class Attempts:
    """Which writes are tried ahead: after one was in vain, the next ones of its kind are not.

    In vain is what the long form could do and the attempt could not. What both refuse says nothing of its kind: otherwise one person
    who keeps being refused would slow everybody's writes.
    """

    def __init__(self) -> None:
        self._pauses: dict[tuple[str, str, str], int] = {}
        self._doubts: dict[str, int] = {}

    def worth(self, key: tuple[str, str, str]) -> bool:
        """Whether to try."""
        left = self._pauses.get(key, 0)
        if left:
            self._pauses[key] = left - 1
        return not left

    def believes(self, app: str) -> bool:
        """Whether a write of an app may believe what nearly always is so."""
        left = self._doubts.get(app, 0)
        if left:
            self._doubts[app] = left - 1
        return not left

    def in_vain(self, key: tuple[str, str, str], app: str, ahead: Ahead) -> None:
        """Leave the next ones alone; or, if it believed something, let them ask first."""
        if ahead.beliefs:
            self._doubts[app] = DOUBT
            return
        if len(self._pauses) > 1_000:
            self._pauses.clear()
        self._pauses[key] = PAUSE
