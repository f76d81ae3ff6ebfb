"""What must always be true of timers: ``dougong doctor`` looks, and so do the fault tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.compiled.reminders import CompiledReminder
from builder.kernel.limits import TIMER_BATCH
from builder.kernel.text import Text, say
from builder.store import tables
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Whole, Words
from runtime.records.writer import Writing
from runtime.timers import rows
from runtime.timers.looking import Sight, look, record_rules
from runtime.timers.rows import Timer

_SHOWN = 20


def audit(w: Writing) -> Unit[list[Text]]:
    """Return what is wrong with an app's timers: strays, records without the timer they should have, timers that cannot come."""
    found: list[Text] = []
    rules = w.app.reminders.by_key
    waiting = yield from _waiting(w)
    found += yield from _strays(w)
    for key in sorted({rule.entity for rule in rules.values()}):
        entity = w.app.entities[key]
        last: str | None = None
        while len(found) < _SHOWN:
            ids = yield from _ids_after(w, entity, last)
            if not ids:
                break
            last = ids[-1]
            seen = yield from look(w, entity, ids)
            standing = yield from rows.own_timers(w.statements, w.app, key, ids)
            found += _compare(w, entity, seen, standing, waiting)
    return found[:_SHOWN]


def _compare(
    w: Writing,
    entity: CompiledEntity,
    seen: Mapping[str, Mapping[str, Sight]],
    standing: list[Timer],
    waiting: set[str],
) -> Iterator[Text]:
    timers = {(timer.rule, timer.subject): timer for timer in standing}
    for rule in record_rules(w.app, entity.key):
        if rule.key in waiting:
            continue  # its records are about to be looked at again
        for record_id, sights in seen.items():
            yield from _one(rule, record_id, sights[rule.key], timers.get((rule.key, record_id)))


def _one(rule: CompiledReminder, record_id: str, sight: Sight, timer: Timer | None) -> Iterator[Text]:
    wanted = sight.holds and (sight.anchor is not None or rule.is_tracked)
    place = f"{rule.entity}/{record_id}"
    if wanted and timer is None:
        yield say(f"提醒“{rule.key}”没有看住 {place}", f"The reminder {rule.key} does not watch {place}")
    if timer is None:
        return
    if timer.due_at is not None and (timer.step >= len(rule.steps) or timer.acknowledged_at is not None):
        yield say(
            f"提醒“{rule.key}”对 {place} 还会触发,却已无步骤",
            f"The reminder {rule.key} of {place} is due without a step",
        )
    if not rule.is_tracked and sight.anchor is not None and wanted and timer.anchor_at != sight.anchor:
        yield say(
            f"提醒“{rule.key}”对 {place} 的起点不符", f"The reminder {rule.key} of {place} counts from another moment"
        )


def _waiting(w: Writing) -> Unit[set[str]]:
    row = tables.timer_rearm
    statement = w.statements.kept(
        ("audit_rearm",), lambda _: sa.select(row.c.rule).where(row.c.app == sa.bindparam("app", type_=Words()))
    )
    return {str(found[0]) for found in (yield Query(statement, {"app": w.app.key}))}


def _strays(w: Writing) -> Unit[list[Text]]:
    """Timers of reminders that there are not, or of records that are gone."""
    timer = rows.timer
    found: list[Text] = []
    for key, entity in w.app.entities.items():

        def make(_: str, key: str = key, entity: CompiledEntity = entity) -> sa.Select[tuple[str, str]]:
            gone = ~sa.exists().where(entity.table.c.id == timer.c.record_id)
            here = (timer.c.app == sa.bindparam("app", type_=Words())) & (timer.c.entity == key)
            return sa.select(timer.c.rule, timer.c.record_id).where(here, gone).limit(_SHOWN)

        lines = yield Query(w.statements.kept(("audit_gone", key), make), {"app": w.app.key})
        found += [
            say(
                f"提醒“{line[0]}”属于已不存在的 {key}/{line[1]}",
                f"The reminder {line[0]} is of {key}/{line[1]}, which is gone",
            )
            for line in lines
        ]
    known = sorted((rule.key, rule.entity) for rule in w.app.reminders.by_key.values())
    pairs = w.statements.kept(
        ("audit_rules",),
        lambda _: (
            sa.select(timer.c.rule, timer.c.entity).where(timer.c.app == sa.bindparam("app", type_=Words())).distinct()
        ),
    )
    for line in (yield Query(pairs, {"app": w.app.key})):
        if (line[0], line[1]) not in known:
            found.append(say(f"没有提醒“{line[0]}”,却有期限", f"There are timers of {line[0]}, which is no reminder"))
    return found


def _ids_after(w: Writing, entity: CompiledEntity, after: str | None) -> Unit[list[str]]:
    def make(_: str) -> sa.Select[tuple[str]]:
        chosen = sa.select(entity.table.c.id).order_by(entity.table.c.id).limit(sa.bindparam("limit", type_=Whole()))
        return chosen if after is None else chosen.where(entity.table.c.id > sa.bindparam("after", type_=Identifier()))

    statement = w.statements.kept(("audit_ids", entity.key, after is None), make)
    lines = yield Query(statement, {"after": after, "limit": TIMER_BATCH})
    return [str(line[0]) for line in lines]
