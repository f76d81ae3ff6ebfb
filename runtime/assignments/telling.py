"""What may be told of a decision: to whom a record went is a value of its field, and why tells what the rule looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.assignment import Assignment, Score, Sticky
from builder.definition.kinds import ASSIGNMENTS
from builder.store.statement import Unit
from formulas.checker import check, check_condition
from formulas.dependencies import Dependency, dependencies
from formulas.filters import parse_filter
from formulas.tree import Tree
from runtime.records.seeing import seen_reads
from runtime.records.writer import Writing


class Told(NamedTuple):
    """What may be told of the decisions of a rule."""

    person: bool
    """Who got the record."""
    why: bool
    """And why: which steps were looked at, with which candidates."""


ALL = Told(person=True, why=True)
NOTHING = Told(person=False, why=False)


def told_rules(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[dict[str, Told]]:
    """Return what the caller may be told of each rule's decisions about a record: of a rule that is gone, nothing.

    External people are told of no steps: those name colleagues, their work and their leave.
    """
    whole = w.app.whole
    reads = {
        rule.key: (Dependency(entity.key, rule.person), frozenset(_reads(whole, rule)))
        for rule in whole.definition.of(ASSIGNMENTS)
        if rule.entity == entity.key
    }
    wanted = {read for person, others in reads.values() for read in (person, *others)}
    seen = yield from seen_reads(w, entity, record_id, wanted)
    house = w.caller.actor is None or w.caller.actor.kind != "external"
    return {
        key: Told(person in seen, house and person in seen and others <= seen)
        for key, (person, others) in reads.items()
    }


def _reads(app: CompiledApp, rule: Assignment) -> Iterator[Dependency]:
    for tree in _trees(app, rule):
        yield from dependencies(tree, app, rule.entity)


def _trees(app: CompiledApp, rule: Assignment) -> Iterator[Tree]:
    for step in rule.steps:
        if step.when:
            of = app, rule.entity
            yield check_condition(step.when, *of) if isinstance(step.when, str) else parse_filter(step.when, *of)
        if isinstance(step.picker, Sticky):
            yield check(step.picker.person, app, rule.entity).tree
        for measure in step.picker.measures if isinstance(step.picker, Score) else ():
            if measure.field is not None:
                yield check(measure.field, app, rule.entity).tree
