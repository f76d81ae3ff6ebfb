"""Automations that follow another app: its feed is read from where they stand, one transaction for each chunk with the new position.

So no event is lost or taken twice, whatever dies when. What follows from a run of an automation carries on its depth, over apps too.
Reads and writes: dougong_automation_state, _run, and whatever the actions write.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.definition.triggers.app_event import AppEvent
from builder.kernel.canonical import parse_json
from builder.kernel.clock import Clock
from builder.kernel.faults import crash_point
from builder.kernel.ids import Ids
from builder.kernel.limits import EVENTS_FOLLOWED
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.store.database import ConstraintRefused, Database, DatabaseBusy
from builder.store.statement import Query, Unit
from builder.store.types import Words
from runtime.automations.messages import deliver
from runtime.automations.ports import Ports
from runtime.automations.positions import hold_state, move_position, positions
from runtime.automations.running import started_by_time
from runtime.automations.runs import Run, Statements, run_table
from runtime.automations.service import get_automation
from runtime.automations.watched import Watched
from runtime.identity.actors import SYSTEM
from runtime.query.statements import StatementCache
from runtime.records.caller import Caller, system_caller
from runtime.records.events import START, Event, FeedPosition, Wanted, feed, read_position
from runtime.records.service import Records
from runtime.records.writer import Writing

JSON = Any
_STRIDE = 1_000
"""So many events that are not for it an automation leaves behind before it notes that it has seen them."""


class AppEvents:
    """Brings events of other apps to the automations that wait for them; any number of processes may."""

    def __init__(self, database: Database, records: Records, ports: Ports, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._records = records
        self._ports = ports
        self._clock = clock
        self._ids = ids
        self._statements = Statements(database.dialect)
        self._feeds = StatementCache(database.dialect)
        self._watched = Watched(database, records, self._statements, AppEvent)

    async def run_due(self) -> int:
        """Take one chunk of every feed that has something new; return how many had."""
        watched = list(await self._watched.each())
        known = await self._database.read(lambda: positions(self._statements)) if watched else {}
        count = 0
        for published, automation in watched:
            trigger = automation.trigger
            assert isinstance(trigger, AppEvent)
            position = known.get((published.app.key, automation.key))
            try:
                page = await self._database.read(partial(self._page, trigger, position))
                if _follows(trigger, position) and not page.events and page.reached.id - _read(position).id < _STRIDE:
                    continue
                records = [await self._record(trigger.app, event) for event in page.events]
                unit = partial(
                    self._take, key=automation.key, position=position, page=(page.reached, page.events, records)
                )
                caller = system_caller(self._ids.record_id(), "automation")
                count += await self._records.work(caller, published.app.key, unit)
            except (DatabaseBusy, Problem, ConstraintRefused):
                continue  # it stands where it stood, for the next tick
        return count

    async def tell(self, app: str, key: str, message: JSON) -> Run | None:
        """Deliver one event to an automation of an app, as if the other app had told it (scenarios)."""

        def unit(w: Writing) -> Unit[Run | None]:
            automation = get_automation(w, key)
            assert isinstance(automation.trigger, AppEvent)
            if automation.trigger.kinds and message["kind"] not in automation.trigger.kinds:
                return None
            reason = _reason(automation.trigger, message["kind"])
            return (yield from deliver(w, self._ports, automation, automation.trigger, message, reason))

        return await self._records.work(system_caller(self._ids.record_id(), "automation"), app, unit)

    def _page(self, trigger: AppEvent, position: JSON) -> Unit[Any]:
        """Read on; of a feed that was not followed before, just see where it stands."""
        wanted = Wanted(frozenset({trigger.of_entity}))
        if not _follows(trigger, position):
            page = yield from feed(self._feeds, trigger.app, START, 0, wanted)
            return page._replace(reached=page.head)
        return (yield from feed(self._feeds, trigger.app, _read(position), EVENTS_FOLLOWED, wanted))

    async def _record(self, app: str, event: Event) -> JSON:
        """Return the record as it is now; None if it is gone."""
        try:
            caller = system_caller(self._ids.record_id(), "automation")
            found = await self._records.get(caller, app, event.entity, event.record_id)
        except Problem:
            return None
        return parse_json(found.body)

    def _take(
        self, w: Writing, key: str, position: JSON, page: tuple[FeedPosition, list[Event], list[JSON]]
    ) -> Unit[int]:
        """Deliver a chunk and move the position; 0: somebody else did."""
        automation = w.app.definition.find(AUTOMATIONS, key)
        row = yield from hold_state(w, key, wait=False)
        if row is None or automation is None or not isinstance(automation.trigger, AppEvent):
            return 0
        if (parse_json(row[0]) if row[0] else None) != position:
            return 0
        reached, events, records = page
        if automation.enabled and row[1] is None:  # what happens while it is switched off is not made up for
            for event, record in zip(events, records, strict=True):
                yield from self._one(w, started_by_time(automation), automation.trigger, event, record)
        yield from move_position(w, key, {"feed": automation.trigger.app, "at": reached.text()})
        crash_point("app_event.chunk")
        return 1

    def _one(self, w: Writing, automation: Automation, trigger: AppEvent, event: Event, record: JSON) -> Unit[None]:
        shown = parse_json(event.body)
        if trigger.kinds and shown["kind"] not in trigger.kinds:
            return
        depth = (yield from _depth(w, trigger.app, shown["request_id"])) if shown["door"] == "automation" else 0
        caller = Caller(SYSTEM, shown["request_id"], "automation", None, f"event:{event.position.text()}", depth)
        reason = _reason(trigger, shown["kind"])
        message = app_message(trigger.app, shown, record)
        yield from deliver(w.acting_as(caller), self._ports, automation, trigger, message, reason)


def _reason(trigger: AppEvent, kind: str) -> Text:
    place = f"{trigger.of_entity} {kind}"
    return say(f"应用“{trigger.app}”:{place}", f'App "{trigger.app}": {place}')


def app_message(app: str, shown: JSON, record: JSON) -> dict[str, JSON]:
    """Write an event of an app as the message that automations map from."""
    names = ("entity", "record_id", "kind", "revision", "at", "changes")
    return {"app": app, **{name: shown.get(name) for name in names}, "record": record}


def _follows(trigger: AppEvent, position: JSON) -> bool:
    """Whether a position is one in this trigger's feed."""
    return position is not None and position.get("feed") == trigger.app


def _read(position: JSON) -> FeedPosition:
    return read_position(position["at"])


def _depth(w: Writing, app: str, request_id: str) -> Unit[int]:
    """Return how deep the chain is that wrote an event: one more than its deepest run."""
    r = run_table.c
    statement = w.statements.kept(
        ("automation", "depth"),
        lambda _: sa.select(sa.func.max(r.depth)).where(
            r.request_id == sa.bindparam("request", type_=Words()), r.app == sa.bindparam("app", type_=Words())
        ),
    )
    rows = yield Query(statement, {"request": request_id, "app": app})
    return 0 if rows[0][0] is None else int(rows[0][0]) + 1
