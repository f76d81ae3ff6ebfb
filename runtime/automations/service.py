"""Automations as a service: buttons, test runs, the log, switching on and off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS, names_of
from builder.definition.triggers.button import Button
from builder.fields.base import BothLanguages, label_text
from builder.kernel.canonical import parse_json
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, key_hint
from builder.kernel.text import Language, Text, say
from builder.store.database import Database
from builder.store.statement import Query, Unit
from builder.store.tables import event
from builder.store.types import Identifier, Whole, Words
from runtime.access.gate import FieldMap, gate, require_role
from runtime.access.grants import roles_of
from runtime.automations.following import try_again
from runtime.automations.ports import Ports
from runtime.automations.running import Start, run_all
from runtime.automations.runs import (
    Run,
    Statements,
    outcome_json,
    run_table,
    set_failures,
    shown_at,
    standings,
    state_table,
)
from runtime.automations.telling import seen_events, without_words
from runtime.expressions.prepared import Subject
from runtime.query.problems import invalid
from runtime.records.caller import Caller
from runtime.records.holding import hold_record
from runtime.records.rights import may_change
from runtime.records.service import Records
from runtime.records.targets import target_entity
from runtime.records.writer import Writing

JSON = Any
T = TypeVar("T")
_PAGE = 100


class Tried(NamedTuple):
    """What a run did, or would do."""

    run: Run | None
    """None: nothing was to be noted (its condition does not hold)."""
    events: list[dict[str, JSON]]
    """Of a test: the events of the records it would write."""


class _Undo(Exception):
    """Ends a transaction of which nothing may stay; carries what it was for."""

    def __init__(self, result: Any) -> None:
        self.result = result
        super().__init__("undo")


class Automations:
    """What people do with automations."""

    def __init__(self, database: Database, records: Records, ports: Ports) -> None:
        self._database = database
        self._records = records
        self._statements = Statements(database.dialect)
        self.ports = ports

    # -- buttons -------------------------------------------------------------------------------------------------------

    async def buttons(self, caller: Caller, app: str, entity: str, record_id: str, language: Language) -> list[JSON]:
        """Return the buttons of a record: which there are, which can be pressed now, and why not."""

        def unit(w: Writing) -> Unit[list[JSON]]:
            subject = yield from self._subject(w, caller, entity, record_id, "select")
            stand = yield from standings(w)
            found: list[JSON] = []
            for automation in w.app.definition.of(AUTOMATIONS):
                if automation.entity != entity or not isinstance(automation.trigger, Button):
                    continue
                off = not automation.enabled or (automation.key in stand and stand[automation.key].is_disabled)
                allowed = yield from may_press(w, subject, automation.trigger)
                holds = yield from self.ports.expressions.holds(w, subject, automation.condition)
                found.append(_button_json(automation, automation.trigger, language, (off, allowed, holds)))
            return found

        return await self._undone(caller, app, unit)

    async def press(self, caller: Caller, app: str, entity: str, record_id: str, key: str) -> Run:
        """Run a button's automation for a record.

        Raises:
            Problem: ``automation.not_found``, ``access.denied``, ``automation.disabled``, ``automation.condition``.
        """

        def unit(w: Writing) -> Unit[Run]:
            automation = get_automation(w, key)
            if automation.entity != entity or not isinstance(automation.trigger, Button):
                raise no_automation(w, key)
            subject = yield from self._subject(w, caller, entity, record_id, "write")
            if not (yield from may_press(w, subject, automation.trigger)):
                raise Problem("access.denied", say("您不能使用这个按钮", "This button is not for you"))
            stand = yield from standings(w)
            if not automation.enabled or (key in stand and stand[key].is_disabled):
                raise Problem("automation.disabled")
            if not (yield from self.ports.expressions.holds(w, subject, automation.condition)):
                raise Problem("automation.condition")
            start = Start(automation, subject, w.caller, say("手动触发", "Somebody pressed the button"))
            runs = yield from run_all(w, self.ports, [start])
            return runs[0] if w.sight is None else without_words(runs[0])

        return await self._records.work(caller, app, unit)

    # -- trying --------------------------------------------------------------------------------------------------------

    async def test(self, caller: Caller, app: str, key: str, record_id: str) -> Tried:
        """Run an automation for a record in a transaction that is undone: the real thing, of which nothing stays.

        Raises:
            Problem: ``automation.not_found``, ``record.not_found``.
        """
        require_role(caller.actor, "builder", app)

        def unit(w: Writing) -> Unit[Tried]:
            automation = get_automation(w, key)
            subject = yield from self._subject(w, caller, automation.entity, record_id, "select")
            since = yield from _last_event(w)
            start = Start(
                automation.model_copy(update={"log": "all", "throttle": None, "actions": _inside(automation)}),
                subject,
                w.caller,
                say("试运行", "A test run"),
            )
            runs = yield from run_all(w, self.ports, [start])
            events = yield from seen_events(w, (yield from _events_since(w, since)))
            return Tried(runs[0] if runs else None, events)

        return await self._undone(caller, app, unit)

    async def _undone(self, caller: Caller, app: str, make: Callable[[Writing], Unit[T]]) -> T:
        def unit(w: Writing) -> Unit[T]:
            raise _Undo((yield from make(w)))

        try:
            return await self._records.work(caller, app, unit)
        except _Undo as undo:
            result: T = undo.result
            return result

    def _subject(self, w: Writing, caller: Caller, entity: str, record_id: str, use: Any) -> Unit[Subject]:
        owner = target_entity(w.seen, entity)
        gate(caller.actor, w.app.key, FieldMap({(entity, "", use)}))
        known = find_uuid(record_id) or "00000000-0000-0000-0000-000000000000"
        held = yield from hold_record(w, owner, known)
        return Subject(owner, known, held.shown)

    # -- the log -------------------------------------------------------------------------------------------------------

    async def list_automations(self, caller: Caller, app: str, language: Language) -> list[JSON]:
        """Return the automations of an app and how they stand."""
        require_role(caller.actor, "builder", app)
        published = await self._records.current(caller, app)
        states = {row[0]: row for row in await self._database.read(lambda: _states(self._statements, app))}
        found = []
        for automation in published.app.definition.of(AUTOMATIONS):
            row = states.get(automation.key)
            found.append(
                {
                    "key": automation.key,
                    "label": label_text(automation.label).pick(language),
                    "entity": automation.entity,
                    "trigger": automation.trigger.type,
                    "enabled": automation.enabled,
                    "failures": row[1] if row else 0,
                    "disabled_at": shown_at(row[2]) if row and row[2] else None,
                    "reason": _pick(row[3], language) if row and row[2] else None,
                }
            )
        return found

    async def list_runs(
        self,
        caller: Caller,
        app: str,
        language: Language,
        *,
        automation: str | None = None,
        record: tuple[str, str] | None = None,
        before: str | None = None,
    ) -> list[JSON]:
        """Return runs, the latest first: of an automation (for builders), or of a record, given as entity and id (for who may read it).

        Raises:
            Problem: ``query.invalid``, ``access.denied``, what reading the record raises.
        """
        if before is not None and find_uuid(before) is None:
            raise invalid("before", say("before 是一次运行的 id", "before is the id of a run"))
        if record is None:
            require_role(caller.actor, "builder", app)
        else:
            await self._records.get(caller, app, *record)  # who may not read it learns nothing of it
        seen = await self._records.current(caller, app)
        in_words = record is None or seen.app.sight is None
        entity, record_id = record or (None, None)
        known = None if record_id is None else find_uuid(record_id)
        rows = await self._database.read(lambda: _runs(self._statements, app, automation, entity, known, before))
        return [_run_row_json(row, language, in_words=in_words) for row in rows]

    async def set_enabled(self, caller: Caller, app: str, key: str, *, enabled: bool) -> None:
        """Switch an automation on again, or off, without a publish.

        Raises:
            Problem: ``automation.not_found``.
        """
        require_role(caller.actor, "builder", app)

        def unit(w: Writing) -> Unit[None]:
            get_automation(w, key)
            who = caller.actor.name if caller.actor else "system"
            reason = None if enabled else say(f"{who} 停用", f"Switched off by {who}")
            yield from set_failures(w, key, 0, reason)

        await self._records.work(caller, app, unit)

    async def retry(self, caller: Caller, app: str, run_id: str) -> Run:
        """Run a failed run's automation again for its record as it is now.

        Raises:
            Problem: ``automation.run_not_found``, ``automation.run_state``, ``record.not_found``.
        """
        require_role(caller.actor, "builder", app)

        def unit(w: Writing) -> Unit[Run]:
            known = find_uuid(run_id)
            row = (yield from _failed_run(w, known)) if known else None
            if row is None:
                raise Problem("automation.run_not_found")
            key, record_id, state, entity, actions = row
            if state != "failed" or record_id is None:
                raise Problem("automation.run_state")
            if actions is not None:
                yield from try_again(w, str(known))
                later = say("稍后继续", "It goes on presently")
                return Run(str(known), key, entity, str(record_id), key.partition(":")[0], "waiting", later)
            automation = get_automation(w, key)
            subject = yield from self._subject(w, caller, automation.entity, str(record_id), "select")
            yield from set_failures(w, key, 0, None)
            reason = say("失败后重试", "Tried again after a failure")
            start = Start(automation.model_copy(update={"log": "all"}), subject, w.caller, reason)
            return (yield from run_all(w, self.ports, [start]))[0]

        return await self._records.work(caller, app, unit)


def run_json(run: Run, language: Language) -> dict[str, JSON]:
    """Write a run for the API."""
    return {
        "id": run.id,
        "automation": run.automation,
        "state": run.state,
        "reason": run.reason.pick(language),
        "outcomes": [{**outcome_json(o), "text": o.text.pick(language)} for o in run.outcomes],
    }


def get_automation(w: Writing, key: str) -> Automation:
    """Return an automation of the app.

    Raises:
        Problem: ``automation.not_found``.
    """
    found = w.app.definition.find(AUTOMATIONS, key)
    if found is None:
        raise no_automation(w, key)
    return found


def no_automation(w: Writing, key: str) -> Problem:
    """There is none of that key here."""
    hint = key_hint(key[:100], names_of(w.app.definition.of(AUTOMATIONS)))
    return Problem(
        "automation.not_found",
        say(f"没有自动化“{key[:100]}”{hint.zh}", f'There is no automation "{key[:100]}"{hint.en}'),
    )


def may_press(w: Writing, subject: Subject, trigger: Button) -> Unit[bool]:
    """Whether the caller has one of the button's roles, of the app or of the platform; without any, whether they may change the record."""
    actor = w.caller.actor
    if actor is None:
        return False
    if not trigger.roles:
        return (yield from may_change(w, subject.entity, subject.record_id))
    has_role = not roles_of(w.app, actor).isdisjoint(trigger.roles)
    return has_role or actor.role == "admin" or actor.role in trigger.roles


def _inside(automation: Automation) -> tuple[Any, ...]:
    """A test shows everything at once, also what would go on after the commit."""
    return tuple(
        action.model_copy(update={"run": "inside"}) if getattr(action, "run", None) == "after" else action
        for action in automation.actions
    )


def _button_json(
    automation: Automation, trigger: Button, language: Language, state: tuple[bool, bool, bool]
) -> dict[str, JSON]:
    off, allowed, holds = state
    why: Text | None = None
    if off:
        why = say("自动化已停用", "The automation is switched off")
    elif not allowed:
        why = say("您不能使用这个按钮", "This button is not for you")
    elif not holds:
        why = say("记录不满足条件", "The record does not meet the condition")
    confirm = trigger.confirm
    text = say(confirm.zh, confirm.en) if isinstance(confirm, BothLanguages) else say(confirm or "", confirm or "")
    return {
        "automation": automation.key,
        "label": label_text(trigger.label).pick(language),
        "confirm": text.pick(language) or None,
        "possible": why is None,
        "why_not": why.pick(language) if why else None,
    }


def _pick(text: str, language: Language) -> str:
    found: dict[str, str] = parse_json(text)
    return found[language]


def _states(statements: Statements, app: str) -> Unit[Any]:
    statement = statements.kept(
        ("automation", "states"),
        lambda _: sa.select(
            state_table.c.automation, state_table.c.failures, state_table.c.disabled_at, state_table.c.reason
        ).where(state_table.c.app == sa.bindparam("app", type_=Words())),
    )
    return (yield Query(statement, {"app": app}))


_RUN_COLUMNS = ("id", "automation", "entity", "record_id", "trigger", "state", "reason", "outcomes", "at", "actor")


def _runs(
    statements: Statements,
    app: str,
    automation: str | None,
    entity: str | None,
    record_id: str | None,
    before: str | None,
) -> Unit[Any]:
    r = run_table.c
    conditions = [r.app == sa.bindparam("app", type_=Words())]
    if automation is not None:
        conditions.append(r.automation == sa.bindparam("automation", type_=Words()))
    if record_id is not None:
        conditions.append(r.entity == sa.bindparam("entity", type_=Words()))
        conditions.append(r.record_id == sa.bindparam("record", type_=Identifier()))
    if before is not None:
        conditions.append(r.id < sa.bindparam("before", type_=Identifier()))
    columns = [r[name] for name in (*_RUN_COLUMNS, "cause", "depth")]
    statement = statements.kept(
        ("automation", "runs", automation is None, record_id is None, before is None),
        lambda _: sa.select(*columns).where(*conditions).order_by(r.at.desc(), r.id.desc()).limit(_PAGE),
    )
    values = {"app": app, "automation": automation, "entity": entity, "record": record_id, "before": before}
    return (yield Query(statement, values))


def _run_row_json(row: Any, language: Language, *, in_words: bool) -> dict[str, JSON]:
    shown = dict(zip((*_RUN_COLUMNS, "cause", "depth"), row, strict=True))
    outcomes = [
        {**o, "text": o["text"][language]} if in_words else {"state": o["state"], "text": ""}
        for o in parse_json(shown["outcomes"])
    ]
    ids = {name: None if shown[name] is None else str(shown[name]) for name in ("id", "record_id")}
    at = shown_at(shown["at"])
    reason = _pick(shown["reason"], language) if in_words else ""
    return {**shown, **ids, "at": at, "reason": reason, "outcomes": outcomes}


def _failed_run(w: Writing, run_id: str) -> Unit[Any]:
    r = run_table.c
    statement = w.statements.kept(
        ("automation", "failed_run"),
        lambda _: sa.select(r.automation, r.record_id, r.state, r.entity, r.actions).where(
            r.app == sa.bindparam("app", type_=Words()), r.id == sa.bindparam("id", type_=Identifier())
        ),
    )
    rows = yield Query(statement, {"app": w.app.key, "id": run_id})
    return rows[0] if rows else None


def _last_event(w: Writing) -> Unit[int]:
    statement = w.statements.kept(("automation", "last_event"), lambda _: sa.select(sa.func.max(event.c.id)))
    rows = yield Query(statement, {})
    return int(rows[0][0] or 0)


def _events_since(w: Writing, since: int) -> Unit[list[dict[str, JSON]]]:
    """Return what this transaction has written: nothing of others is seen between."""
    e = event.c
    statement = w.statements.kept(
        ("automation", "events_since"),
        lambda _: (
            sa.select(e.kind, e.entity, e.record_id, e.changes)
            .where(
                e.id > sa.bindparam("since", type_=Whole()),
                e.app == sa.bindparam("app", type_=Words()),
                e.request_id == sa.bindparam("request", type_=Words()),
            )
            .order_by(e.id)
        ),
    )
    rows = yield Query(statement, {"since": since, "app": w.app.key, "request": w.caller.request_id})
    return [
        {"kind": kind, "entity": entity, "record_id": str(record_id), "changes": parse_json(changes)}
        for kind, entity, record_id, changes in rows
    ]
