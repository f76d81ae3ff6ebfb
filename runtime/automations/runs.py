"""Runs: rows that say why an automation ran or did not, and what became of each action. Reads and writes: dougong_automation_run, _state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from builder.kernel.canonical import dump_json
from builder.kernel.clock import instant_text
from builder.kernel.text import Text, say
from builder.store import process_tables
from builder.store.statement import Query, Statement, Unit
from builder.store.types import Identifier, Instant, Whole, Words
from runtime.automations.actions.base import Outcome
from runtime.query.statements import StatementCache
from runtime.records.ahead import Belief
from runtime.records.writer import Writing

JSON = Any
RunState = Literal["done", "failed", "passed", "waiting"]

_STANDINGS = "standings of automations"
_STARTED = ("automation", "state", "entity", "record_id")
"""What of a run a write tells that is only tried."""

run_table, state_table = process_tables.automation_run, process_tables.automation_state


class Statements(StatementCache):
    """Statements over platform tables, kept by their keys."""

    def kept(self, key: tuple[Any, ...], make: Callable[[str], Any]) -> Statement:
        """Return a statement; ``make`` is given the dialect."""
        return self.get(key, lambda: make(self.dialect))


@dataclass
class Run:
    """One run of an automation."""

    id: str
    automation: str
    entity: str
    record_id: str | None
    trigger: str
    state: RunState
    reason: Text
    outcomes: list[Outcome] = field(default_factory=list)
    cause: str = ""
    depth: int = 0
    next_action: int = 0
    due_at: datetime | None = None
    actions: str | None = None
    """What it carries along, JSON; None: the actions of the automation as it is published."""


class Standing(NamedTuple):
    """How an automation stands."""

    failures: int
    is_disabled: bool


_WELL: Mapping[str, Standing] = {}


def shown_at(value: Any) -> str:
    """Write an instant of a platform row as the API does."""
    return value if isinstance(value, str) else instant_text(value)


def text_json(text: Text) -> dict[str, str]:
    """Write a text in both languages."""
    return {"zh": text.zh, "en": text.en}


def outcome_json(outcome: Outcome) -> dict[str, JSON]:
    """Write what became of an action."""
    records = [{"entity": entity, "id": record_id} for entity, record_id in outcome.records]
    return {"state": outcome.state, "text": text_json(outcome.text), **({"records": records} if records else {})}


def write_runs(w: Writing, runs: Sequence[Run]) -> Unit[None]:
    """Note runs in the transaction they belong to."""
    if not runs:
        return
    rows = [_row(w, run) for run in runs]
    if w.caller.dry_run:
        w.course.started += [{name: row[name] for name in _STARTED} for row in rows]
    columns = list(run_table.c)
    statement = w.statements.kept(
        ("automation", "write_run"),
        lambda _: sa.insert(run_table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in columns}).inline(),
    )
    yield Query(statement, rows if len(rows) > 1 else rows[0])


def _row(w: Writing, run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "app": w.app.key,
        "automation": run.automation,
        "entity": run.entity,
        "record_id": run.record_id,
        "trigger": run.trigger,
        "state": run.state,
        "reason": dump_json(text_json(run.reason)).decode(),
        "outcomes": dump_json([outcome_json(o) for o in run.outcomes]).decode(),
        "at": w.now,
        "actor": w.caller.actor_id,
        "request_id": w.caller.request_id,
        "version": w.app.version,
        "cause": run.cause,
        "depth": run.depth,
        "next_action": run.next_action,
        "due_at": run.due_at,
        "attempts": 0,
        "actions": run.actions,
    }


def standings(w: Writing) -> Unit[Mapping[str, Standing]]:
    """Return how the automations of the app stand that have anything to tell: failures, or switched off; asked once in a write."""
    known: Mapping[str, Standing] | None = w.course.remembered.get(_STANDINGS)
    if known is not None:
        return known
    if w.course.ahead is not None and w.course.ahead.believes(_ALL_WELL):
        return _WELL
    statement = w.statements.kept(("automation", "standings"), lambda _: _select_standings("app"))
    rows = yield Query(statement, {"app": w.app.key})
    found = {row[0]: Standing(row[1], row[2] is not None) for row in rows}
    w.course.remembered[_STANDINGS] = found
    return found


def _select_standings(app: str) -> sa.Select[Any]:
    return sa.select(state_table.c.automation, state_table.c.failures, state_table.c.disabled_at).where(
        state_table.c.app == sa.bindparam(app, type_=Words()),
        sa.or_(state_table.c.failures > 0, state_table.c.disabled_at.is_not(None)),
    )


_ALL_WELL = Belief(_STANDINGS, _select_standings("g_app"))


def count_runs(w: Writing, automation: str, record_id: str | None, minutes: int) -> Unit[int]:
    """Return how often an automation ran lately, for a record or at all."""
    r = run_table
    each = record_id is not None
    conditions = [
        r.c.app == sa.bindparam("app", type_=Words()),
        r.c.automation == sa.bindparam("automation", type_=Words()),
        r.c.at > sa.bindparam("since", type_=Instant()),
        r.c.state != "passed",
    ]
    if each:
        conditions.append(r.c.record_id == sa.bindparam("record", type_=Identifier()))
    statement = w.statements.kept(
        ("automation", "count_runs", each), lambda _: sa.select(sa.func.count()).select_from(r).where(*conditions)
    )
    since = w.now - timedelta(minutes=minutes)
    rows = yield Query(statement, {"app": w.app.key, "automation": automation, "since": since, "record": record_id})
    return int(rows[0][0])


def set_failures(w: Writing, automation: str, failures: int, reason: Text | None) -> Unit[None]:
    """Keep how many failures in a row there were; with a reason the automation is switched off."""
    w.course.remembered.pop(_STANDINGS, None)

    def make(dialect: str) -> Any:
        from sqlalchemy.dialects import postgresql, sqlite

        insert = (sqlite if dialect == "sqlite" else postgresql).insert(state_table)
        names = {"app": Words(), "automation": Words(), "reason": Words(), "position": Words()}
        values: dict[str, Any] = {name: sa.bindparam(name, type_=kind) for name, kind in names.items()}
        values |= {"failures": sa.bindparam("failures", type_=Whole())}
        values |= {"disabled_at": sa.bindparam("disabled_at", type_=Instant())}
        changed = {name: values[name] for name in ("failures", "disabled_at", "reason")}
        return insert.values(values).on_conflict_do_update(index_elements=["app", "automation"], set_=changed)

    values = {
        "app": w.app.key,
        "automation": automation,
        "failures": failures,
        "disabled_at": None if reason is None else w.now,
        "reason": dump_json(text_json(reason or say("", ""))).decode(),
        "position": "",
    }
    yield Query(w.statements.kept(("automation", "set_failures"), make), values)
