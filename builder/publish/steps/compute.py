"""Computed fields are filled anew when their formula, or what it reads, changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.calendars import calendar_documents, default_key, load_calendars
from builder.compiled.computing import Computed, FieldId
from builder.compiled.recompute import all_in_sql, fill
from builder.fields.base import label_text
from builder.kernel.text import Text, say
from builder.publish.impact import count_rows
from builder.publish.later import is_left_to_job
from builder.publish.step import SAFE, Impact, Step, Work
from builder.publish.steps.stages import MapStages
from formulas.evaluate import DictRow, Program
from formulas.schema import Context
from formulas.sql import Dialect
from formulas.tree import Call, walk

_CHUNK = 2_000
_WORKDAYS = frozenset({"WORKDAY", "NETWORKDAYS", "WORKDAY.INTL", "NETWORKDAYS.INTL", "ISWORKDAY"})
_TOUCHING = frozenset({"add_field", "keep_field", "restore_field", "convert_field", "restore_entity", "keep_entity"})
"""Steps after which values that formulas read may be others."""


@dataclass(frozen=True, kw_only=True)
class ComputeField(Step):
    """Bring a stored computed field up to date for all records of its entity, in one statement."""

    kind: ClassVar[str] = "compute_field"
    app: CompiledApp
    """The app as it will be."""
    computed: Computed
    old_table: str | None
    """The table as it is called before the publish; None if it is new."""

    def summary(self) -> Text:
        """Say what happens."""
        label = label_text(self.app.entities[self.entity].fields[self.field].label)
        return say(
            f"计算字段 {self.entity}.{self.field}({label.zh})",
            f"Compute the field {self.entity}.{self.field} ({label.en})",
        )

    def fill(self, work: Work) -> None:
        """Compute in the database; a local formula that it cannot say is computed record by record. A very large table is left to a job."""
        computed = self.computed
        if is_left_to_job(work, self.app.entities[self.entity], self.field):
            return
        if computed.program is None or all_in_sql(computed.tree):
            dialect: Dialect = "sqlite" if work.dialect == "sqlite" else "postgresql"
            work.connection.execute(fill(self.app, computed, dialect))
        else:
            self._fill_by_record(work, computed.program)

    def _fill_by_record(self, work: Work, program: Program) -> None:
        entity = self.app.entities[self.entity]
        names = sorted({d.field for d in self.computed.dependencies})
        table = entity.table
        calendar = load_calendars(work.connection, self.app.definition)[default_key(self.app.definition.app)]
        context = Context(now=work.now, zone=self.app.zone, calendar=calendar.days, weekend=calendar.weekend)
        update = sa.update(table).where(table.c.id == sa.bindparam("key")).values({self.field: sa.bindparam("fresh")})
        last: str | None = None
        while True:
            page = sa.select(table.c.id, *(table.c[name] for name in names)).order_by(table.c.id).limit(_CHUNK)
            rows = work.connection.execute(page if last is None else page.where(table.c.id > last)).all()
            if not rows:
                return
            fresh = []
            for key, *values in rows:
                record = DictRow(dict(zip(names, values, strict=True)))
                fresh.append({"key": key, "fresh": self.computed.keep(program.run(record, context))})
            work.connection.execute(update, fresh)
            last = rows[-1][0]

    def impact(self, connection: sa.Connection) -> Impact:
        """Every record is looked at."""
        total = 0 if self.old_table is None else count_rows(connection, self.old_table)
        return Impact("backfill", total, total) if total else SAFE


def counts_workdays(computed: Computed) -> bool:
    """Whether a computed field depends on which days are worked."""
    return any(isinstance(node, Call) and node.function in _WORKDAYS for node in walk(computed.tree))


def _changed_calendar(base: CompiledApp, target: CompiledApp) -> bool:
    """Whether working days are counted in another calendar than before."""
    before, after = (
        (calendar_documents(app.definition)[default_key(app.definition.app)], app.zone) for app in (base, target)
    )
    return before != after


def compute_steps(
    base: CompiledApp | None,
    target: CompiledApp,
    steps: Sequence[Step],
    tables: dict[str, str],
    *,
    other_days: bool = False,
) -> list[Step]:
    """Return what must be computed anew after these steps, in order of need.

    Args:
        tables: for entities that were there before, their table's present name.
        other_days: the days of the calendar have changed.
    """
    touched: set[FieldId] = {(step.entity, step.field) for step in steps if step.kind in _TOUCHING}
    touched |= {(s.entity, key) for s in steps if isinstance(s, MapStages) for key in s.pipeline.kept}
    other_days = other_days or (base is not None and _changed_calendar(base, target))
    found: list[Step] = []
    for computed in target.computed.values():
        if computed.place == "volatile" or computed.entity not in tables:
            continue
        before = base.computed.get(computed.id) if base is not None else None
        reads = {(d.entity, d.field) for d in computed.dependencies}
        same = before is not None and before.tree == computed.tree and before.place == computed.place
        recounted = other_days and counts_workdays(computed)
        if same and not recounted and computed.id not in touched and not reads & touched:
            continue
        touched.add(computed.id)
        found.append(
            ComputeField(
                entity=computed.entity,
                field=computed.key,
                app=target,
                computed=computed,
                old_table=tables[computed.entity],
            )
        )
    return found
