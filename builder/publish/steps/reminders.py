"""Reminders that are new or changed look at their records again after the publish, in chunks; timers of those that are gone go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.calendars import calendar_documents, default_key
from builder.compiled.reminders import CompiledReminder
from builder.definition.kinds import dump_document
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.publish.impact import count_rows
from builder.publish.step import SAFE, Impact, Step, Work
from builder.store import tables


@dataclass(frozen=True, kw_only=True)
class RearmReminder(Step):
    """Look at all records of a reminder again once the app is published."""

    kind: ClassVar[str] = "rearm_reminder"
    app: str
    reminder: str
    label: Text
    old_table: str
    """The table of its entity as it is called before the publish."""

    def summary(self) -> Text:
        """Say what happens."""
        zh, en = self.label
        return say(f"按新定义重新计算提醒“{zh}”的期限", f'Count the moments of the reminder "{en}" anew')

    def fill(self, work: Work) -> None:
        """Ask for it: the tick does it chunk by chunk; until it gets there, firing looks at each record again anyway."""
        ask_again(work.connection, self.app, [self.reminder], work.now)

    def impact(self, connection: sa.Connection) -> Impact:
        """Every record is looked at."""
        total = count_rows(connection, self.old_table)
        note = say(f"发布后分批重算 {total} 条记录", f"{total} records are looked at in chunks after the publish")
        return Impact("backfill", total, total, note=note) if total else SAFE


@dataclass(frozen=True, kw_only=True)
class DropTimers(Step):
    """Take away the timers of a reminder that is gone, or that watches another entity now."""

    kind: ClassVar[str] = "drop_timers"
    app: str
    reminder: str
    label: Text

    def summary(self) -> Text:
        """Say what happens."""
        zh, en = self.label
        return say(f"取消提醒“{zh}”的所有期限", f'Take away all timers of the reminder "{en}"')

    def fill(self, work: Work) -> None:
        """Delete them."""
        work.connection.execute(sa.delete(tables.timer).where(*self._mine(tables.timer)))
        work.connection.execute(sa.delete(tables.timer_rearm).where(*self._mine(tables.timer_rearm)))

    def impact(self, connection: sa.Connection) -> Impact:
        """Count them."""
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.timer).where(*self._mine(tables.timer)))
        return Impact("safe", int(count or 0), int(count or 0))

    def _mine(self, table: sa.Table) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
        return table.c.app == self.app, table.c.rule == self.reminder


@dataclass(frozen=True, kw_only=True)
class RenameTimers(Step):
    """Timers follow an entity to its new key."""

    kind: ClassVar[str] = "rename_timers"
    app: str
    old_entity: str

    def summary(self) -> Text:
        """Say what happens."""
        return say(
            f"期限随实体 {self.old_entity} 改为 {self.entity}",
            f"Timers of {self.old_entity} follow it to {self.entity}",
        )

    def fill(self, work: Work) -> None:
        """Write the new key."""
        for table in (tables.timer, tables.timer_firing):
            mine = (table.c.app == self.app) & (table.c.entity == self.old_entity)
            work.connection.execute(sa.update(table).where(mine).values(entity=self.entity))


def ask_again(connection: sa.Connection, app: str, reminders: Iterable[str], now: datetime) -> None:
    """Ask that all records of these reminders be looked at again, from the first."""
    row = tables.timer_rearm
    for reminder in reminders:
        connection.execute(sa.delete(row).where(row.c.app == app, row.c.rule == reminder))
        connection.execute(sa.insert(row).values(app=app, rule=reminder, after=None, asked_at=now))


def reminder_steps(
    base: CompiledApp | None,
    target: CompiledApp,
    steps: Iterable[Step],
    old_tables: Mapping[str, str],
    former_keys: Mapping[str, str],
) -> list[Step]:
    """Return what a change of the definition means for timers.

    Args:
        old_tables: for entities that were there before, their table's present name.
        former_keys: entity -> the key it had before.
    """
    before = base.reminders.by_key if base is not None else {}
    found: list[Step] = []
    for key, was in before.items():
        now = target.reminders.by_key.get(key)
        if now is None or former_keys.get(now.entity) != was.entity:
            found.append(DropTimers(entity=was.entity, app=target.key, reminder=key, label=_label(was)))
    if before:
        renamed = {now: was for now, was in former_keys.items() if now != was}
        watched = {rule.entity for rule in before.values()}
        found += [
            RenameTimers(entity=now, app=target.key, old_entity=was) for now, was in renamed.items() if was in watched
        ]
    touched = {(step.entity, step.field) for step in steps if step.field}
    for key, rule in target.reminders.by_key.items():
        if rule.entity in old_tables and not _same(base, target, before.get(key), rule, touched):
            table = old_tables[rule.entity]
            found.append(
                RearmReminder(entity=rule.entity, app=target.key, reminder=key, label=_label(rule), old_table=table)
            )
    return found


def _label(rule: CompiledReminder) -> Text:
    return label_text(rule.document.label)


def _same(
    base: CompiledApp | None,
    target: CompiledApp,
    was: CompiledReminder | None,
    now: CompiledReminder,
    touched: set[tuple[str, str]],
) -> bool:
    """Whether a reminder's moments are what they were."""
    if base is None or was is None or _meaning(was) != _meaning(now):
        return False
    if touched & {(d.entity, d.field) for d in now.reads}:
        return False
    return _calendar(base, was) == _calendar(target, now)


_WORDS = ("label", "help", "acknowledge", "late")


def _meaning(rule: CompiledReminder) -> dict[str, object]:
    """Return what of a reminder bears on when its steps come."""
    written = {name: value for name, value in dump_document(rule.document).items() if name not in _WORDS}
    written["starts_if"] = rule.automation.condition if rule.automation is not None else None
    written["steps"] = [step._replace(label=None) for step in rule.steps]
    return written


def _calendar(app: CompiledApp, rule: CompiledReminder) -> tuple[object, ...]:
    key = rule.document.calendar or default_key(app.definition.app)
    return calendar_documents(app.definition)[key], app.zone
