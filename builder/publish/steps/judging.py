"""New rules of records: nothing is changed, but people want to know how many records break them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.recompute import all_in_sql
from builder.compiled.resolver import Joins
from builder.compiled.rules import RecordRule, RuleTrees, needed_trees, of_the_write, rule_trees
from builder.kernel.limits import SAMPLE_RECORDS_SHOWN
from builder.kernel.text import Text, say
from builder.publish.impact import count_rows
from builder.publish.step import SAFE, Impact, Step
from formulas.errors import FormulaErrors
from formulas.evaluate import DictRow, program
from formulas.moments import bind_context
from formulas.schema import Context
from formulas.sql import Dialect, to_condition
from formulas.tree import Tree

_CHUNK = 2_000


@dataclass(frozen=True, kw_only=True)
class JudgeRecords(Step):
    """A rule is new or another one; records that break it stay as they are until next changed."""

    kind: ClassVar[str] = "judge_records"
    rule: RecordRule
    target: CompiledEntity
    base: CompiledApp
    old_entity: str
    now: datetime

    def summary(self) -> Text:
        """Say what happens."""
        if self.rule.code == "required":
            return say(
                f"{self.entity}.{self.rule.key} 按条件必填",
                f"{self.entity}.{self.rule.key} is required under a condition",
            )
        words = self.rule.message
        return say(
            f"{self.entity} 的规则 {self.rule.key}:{words.zh}", f"Rule {self.rule.key} of {self.entity}: {words.en}"
        )

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the records that break it, as they are before the publish."""
        entity = self.base.entities[self.old_entity]
        if next(of_the_write(self.rule.broken), None) is not None:
            return SAFE
        total = count_rows(connection, entity.table.name)
        try:
            trees = self._before()
        except FormulaErrors:
            note = say(
                "规则读取本次发布才有的字段,无法预先统计",
                "It reads fields that this publish makes, so nothing can be counted yet",
            )
            return Impact("safe", 0, total, (), note)
        broken = bind_context(trees.broken, Context(now=self.now, zone=self.base.zone))
        if all_in_sql(broken):
            count, ids = self._counted(connection, entity, broken)
        elif not any(dependency.path for dependency in trees.dependencies):
            count, ids = _counted_by_record(connection, entity, broken, trees)
        else:
            return Impact("safe", 0, total)
        if not count:
            return Impact("safe", 0, total)
        note = say(
            f"{total:,} 条记录中有 {count:,} 条违反新规则;它们保持原样,下次修改时须改正",
            f"{count:,} of {total:,} records break the new rule; they stay as they are until next changed",
        )
        return Impact("safe", count, total, ids, note)

    def _before(self) -> RuleTrees:
        """The rule over the app as it is published. Raises ``FormulaErrors``."""
        if self.rule.code == "required":
            return needed_trees(self.base, self.old_entity, self.target.fields[self.rule.key])
        rule = next(rule for rule in self.target.definition.rules if rule.key == self.rule.key)
        return rule_trees(self.base, self.old_entity, rule)

    def _counted(self, connection: sa.Connection, entity: CompiledEntity, broken: Tree) -> tuple[int, tuple[str, ...]]:
        dialect: Dialect = "sqlite" if connection.dialect.name == "sqlite" else "postgresql"
        rows = entity.table.alias("x")
        joins = Joins(self.base, entity, rows, dialect)
        condition = to_condition(broken, joins, dialect, Context(now=self.now, zone=self.base.zone))
        found = sa.select(rows.c.id).select_from(joins.from_clause()).where(condition)
        count = int(connection.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0)
        some = connection.scalars(found.order_by(rows.c.id).limit(SAMPLE_RECORDS_SHOWN)) if count else ()
        return count, tuple(str(record_id) for record_id in some)


def _counted_by_record(
    connection: sa.Connection, entity: CompiledEntity, broken: Tree, trees: RuleTrees
) -> tuple[int, tuple[str, ...]]:
    """For functions that a database does not know. Cost: about 5 us a record, in chunks."""
    names = sorted({dependency.field for dependency in trees.dependencies})
    runnable, context = program(broken), Context(now=datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    columns = [entity.table.c.id, *(entity.table.c[name] for name in names)]
    rows = connection.execute(sa.select(*columns).order_by(entity.table.c.id).execution_options(yield_per=_CHUNK))
    ids = [
        str(key)
        for key, *values in rows
        if runnable.run(DictRow(dict(zip(names, values, strict=True))), context) is True
    ]
    return len(ids), tuple(ids[:SAMPLE_RECORDS_SHOWN])


def judging_steps(
    base: CompiledApp | None, target: CompiledApp, pairs: dict[str, str], now: datetime | None
) -> Iterator[Step]:
    """Yield a step for every rule that entities which were there before did not have so.

    Args:
        pairs: key after -> key before.
    """
    if base is None or now is None:
        return
    for key, was in pairs.items():
        before = {_name(rule): rule.broken for rule in _rules(base, was)}
        for rule in _rules(target, key):
            if before.get(_name(rule)) != rule.broken:
                yield JudgeRecords(
                    entity=key,
                    field=rule.key if rule.code == "required" else "",
                    rule=rule,
                    target=target.entities[key],
                    base=base,
                    old_entity=was,
                    now=now,
                )


def _rules(app: CompiledApp, entity: str) -> tuple[RecordRule, ...]:
    found: Any = app.rules.get(entity)
    return () if found is None else (*found.before, *found.after)


def _name(rule: RecordRule) -> tuple[str, str]:
    return rule.code, rule.key
