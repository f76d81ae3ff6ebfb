"""Pipelines in the write path: where new records begin, what no other write may change, what holds as long as a record is where it is."""

from __future__ import annotations

from collections.abc import Sequence

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.pipelines import CompiledPipeline
from builder.kernel.problems import Violation
from builder.kernel.text import say
from builder.store.statement import Unit
from runtime.expressions.expressions import Expressions
from runtime.pipelines.guards.base import Standing
from runtime.pipelines.history import Stay, begin_stays
from runtime.pipelines.judging import unmet
from runtime.pipelines.todo import Todo, discreet, refused
from runtime.records.seams import Fact, Intent
from runtime.records.values import NewRecord
from runtime.records.writer import Writing

_BRINGING = frozenset({"install", "restore"})
"""Doors whose records may stand anywhere: they have been on their way before."""


class _OfPipelines:
    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Whether records of the entity go through stages."""
        return entity.key in app.pipelines


class StageFiller(_OfPipelines):
    """New records begin in the first place of their pipelines."""

    def fill(self, w: Writing, record: NewRecord) -> None:
        """Set stage, node and moment."""
        for pipeline in w.app.pipelines[record.entity.key]:
            definition, values = pipeline.definition, record.values
            if values.get(definition.field) is None:
                values[definition.field] = pipeline.initial[0]
            if definition.node_field is not None and values.get(definition.node_field) is None:
                stage = values[definition.field]
                values[definition.node_field] = pipeline.entrance(stage).node if stage in pipeline.stages else None
            if definition.since_field is not None and values.get(definition.since_field) is None:
                values[definition.since_field] = record.system.get("created_at") or w.now


class StageRule(_OfPipelines):
    """Stages change by moves alone."""

    def judge(self, w: Writing, intents: Sequence[Intent]) -> Unit[list[Violation]]:
        """Refuse records that would begin elsewhere, and every change of a kept field that no move makes."""
        yield from ()
        found: list[Violation] = []
        for intent in intents:
            for pipeline in w.app.pipelines[intent.entity.key]:
                if intent.deed == "created":
                    found += _wrong_beginning(w, pipeline, intent)
                elif intent.deed == "updated" and (intent.entity.key, intent.record_id) not in w.course.warrants:
                    found += _wrong_change(w, pipeline, intent)
        return found


def _wrong_beginning(w: Writing, pipeline: CompiledPipeline, intent: Intent) -> list[Violation]:
    definition = pipeline.definition
    place = pipeline.place_of(intent.after)
    pointer = f"{intent.pointer}/{definition.field}"
    if not pipeline.is_place(place):
        message = say(f"流程没有阶段“{place.name}”", f'The pipeline has no stage "{place.name}"')
        return [Violation("stage", pointer, message, {"pipeline": pipeline.key})]
    if w.caller.door in _BRINGING:
        return []
    if place.stage not in pipeline.initial or place != pipeline.entrance(place.stage):
        first = ", ".join(pipeline.initial)
        message = say(
            f"新记录从 {first} 开始,再用流转推进",
            f"A new record begins in {first}; transitions lead on from there",
        )
        return [Violation("stage", pointer, message, {"pipeline": pipeline.key, "initial": list(pipeline.initial)})]
    since = definition.since_field
    if since is not None and intent.after.get(since) not in (w.now, None):
        message = say("此时间由流程填写", "The pipeline fills this in")
        return [Violation("assigned", f"{intent.pointer}/{since}", message)]
    return []


def _wrong_change(w: Writing, pipeline: CompiledPipeline, intent: Intent) -> list[Violation]:
    keys = [key for key in pipeline.kept if key in intent.changed]
    if not keys:
        return []
    place = pipeline.place_of(intent.before)
    leading = [transition.key for transition in pipeline.leaving(place) if not transition.automatic]
    route = f"/api/{w.app.key}/records/{intent.entity.key}/{intent.record_id}/transitions"
    message = say(
        "阶段只能通过流转改变;可用的流转见 params.route",
        "A stage changes by a transition only; params.route lists those there are",
    )
    params = {"pipeline": pipeline.key, "route": route, "transitions": leading}
    return [Violation("stage", f"{intent.pointer}/{key}", message, params) for key in keys]


class StageKeeper(_OfPipelines):
    """Writes where new records begin, and asks what their stage asks of records in it."""

    rewrites = False

    def __init__(self, expressions: Expressions) -> None:
        self._expressions = expressions

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Follow what was created and changed.

        Raises:
            Problem: ``stage.refused`` with what is missing.
        """
        if w.caller.door == "restore":
            return  # their stays are there still
        yield from begin_stays(w, [stay for fact in facts if fact.deed == "created" for stay in _beginnings(w, fact)])
        if w.caller.door in _BRINGING:
            return
        for fact in facts:
            if fact.deed != "deleted":
                yield from self._ask(w, fact)

    def _ask(self, w: Writing, fact: Fact) -> Unit[None]:
        missing: list[Todo] = []
        for pipeline in w.app.pipelines[fact.entity.key]:
            place = pipeline.place_of(fact.after)
            if fact.deed == "updated" and place != pipeline.place_of(fact.before):
                continue  # the move has asked
            guards = pipeline.beginning(place) if fact.deed == "created" else pipeline.holds(place)
            if guards:
                standing = Standing(w, fact.entity, fact.record_id, fact.after)
                key = ("stage", pipeline.key, fact.deed, place)
                missing += yield from unmet(self._expressions, standing, guards, key)
        if missing:
            missing = yield from discreet(w, fact.entity, fact.record_id, missing)
            raise refused("stage.refused", missing, entity=fact.entity.key, record_id=fact.record_id)


def _beginnings(w: Writing, fact: Fact) -> list[Stay]:
    """Return the first stays of a new record."""
    stays = []
    for pipeline in w.app.pipelines[fact.entity.key]:
        since = pipeline.definition.since_field
        given = fact.after.get(since) if since is not None else fact.after["created_at"]
        entered = fact.entity.system["created_at"].coerce(given)
        place = pipeline.place_of(fact.after)
        actor = fact.after["created_by"]
        stays.append(Stay(fact.entity.key, fact.record_id, pipeline.key, place, "began", entered, actor=actor))
    return stays
