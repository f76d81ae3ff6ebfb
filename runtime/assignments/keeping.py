"""The pool keeps step with records, whoever writes them: who loses the person lies in it, who gets one does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.assignment import Assignment
from builder.definition.kinds import ASSIGNMENTS
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.assignments.rows import (
    decision_row,
    keep_decision,
    keep_pool,
    leave_pool,
    pool_wrote,
    pooled,
    take_head,
    words_only,
)
from runtime.expressions.expressions import Expressions
from runtime.expressions.prepared import Subject
from runtime.records.seams import Fact
from runtime.records.writer import Writing


class PoolKeeper:
    """Follows the person of records that have a pool; what is closed does not go into it."""

    rewrites = False

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether an entity has a pool."""
        return bool(_pools(app, entity.key))

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Put into the pool what has lost its person by any other way than the pool's own; take out what has got one."""
        for fact in facts:
            if fact.deed == "deleted":
                yield from leave_pool(w, fact.entity.key, fact.record_id)
            elif fact.deed == "updated":
                for rule in _pools(w.app, fact.entity.key):
                    if rule.person in fact.changed and not pool_wrote(w, fact.record_id, fact.after.get(rule.person)):
                        yield from self._follow(w, rule, fact)

    def _follow(self, w: Writing, rule: Assignment, fact: Fact) -> Unit[None]:
        holder, former = fact.after.get(rule.person), fact.before.get(rule.person)
        known = yield from pooled(w, rule.entity, fact.record_id)
        if holder is None:
            if not (
                yield from self._expressions.holds(w, Subject(fact.entity, fact.record_id, fact.after), rule.open_if)
            ):
                return
            sequence = yield from take_head(w, rule.entity)
            yield from keep_pool(w, known[0] if known else rule.key, rule.entity, fact.record_id, None, None)
            text = say("负责人被清空,进入公海", "Nobody has it any more: to the pool")
            row = decision_row(rule, fact.record_id, "released", None, former, sequence)
            yield from keep_decision(w, row, words_only(text))
        elif known is not None and known[0] == rule.key and known[1] != holder:
            hours = rule.pool.reclaim_hours if rule.pool is not None else None
            if hours is None:
                yield from leave_pool(w, rule.entity, fact.record_id)
            else:
                due = w.now + timedelta(hours=hours)
                yield from keep_pool(w, rule.key, rule.entity, fact.record_id, holder, due)
            if known[1] is None:  # it lay there: who still sees it so may ask for it, and wants to know
                sequence = yield from take_head(w, rule.entity)
                row = decision_row(rule, fact.record_id, "given", holder, None, sequence)
                yield from keep_decision(w, row, words_only(say("从公海中指派", "Given out of the pool by hand")))


def _pools(app: CompiledApp, entity: str) -> list[Assignment]:
    return [rule for rule in app.definition.of(ASSIGNMENTS) if rule.entity == entity and rule.pool is not None]
