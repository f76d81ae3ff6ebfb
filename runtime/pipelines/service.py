"""Pipelines as a service: what is possible now, moving one record or many, history, the funnel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.compiled.pipelines import CompiledPipeline
from builder.definition.pipeline import Transition
from builder.fields.base import BothLanguages, label_text
from builder.kernel.canonical import parse_json
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.registry.registry import PublishedApp
from builder.store.database import Database
from builder.store.statement import Query, Unit
from runtime.access.gate import gate
from runtime.access.sight import sight_of
from runtime.pipelines.guards.base import Standing
from runtime.pipelines.history import stays_of
from runtime.pipelines.moving import Moved, Mover, Order, Step, may_take, target_of
from runtime.records.caller import Caller, Reply
from runtime.records.holding import not_found
from runtime.records.once import AnsweredBefore, Rehearsed
from runtime.records.seams import finish
from runtime.records.seeing import whole_fields
from runtime.records.service import Records
from runtime.records.targets import known_id, target_entity, uses_of
from runtime.records.writer import Writing
from runtime.records.written import Written

JSON = Any


class Done(NamedTuple):
    """A record after a move."""

    written: Written
    moved: Moved


class Pipelines:
    """The pipelines of all apps of one database."""

    def __init__(self, database: Database, records: Records, mover: Mover) -> None:
        self._database = database
        self._records = records
        self._mover = mover

    async def move(self, caller: Caller, app: str, entity: str, record_id: str, order: Order) -> Done:
        """Move a record.

        Raises:
            Problem: as ``Mover.carry_out``, and what the actions that follow raise.
            AnsweredBefore, Rehearsed: as every write of the caller's kind.
        """

        async def run(published: PublishedApp) -> Done:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "write"), sight_of(published.app))
            known = known_id(owner, record_id)
            w = self._records.writing(published, caller)

            def unit() -> Unit[Done]:
                moved = yield from self._mover.carry_out(w, owner, known, order)
                yield from finish(w)
                written = (yield from self._records.written(w, owner, [moved.shown]))[0]
                return Done(written, moved)

            return await self._records.write(w, owner, f"move {order.transition}", unit)

        return await self._records.pinned(app, caller, run)

    async def move_many(
        self, callers: Sequence[Caller], app: str, entity: str, ids: Sequence[str], order: Order
    ) -> list[Done | Problem | Reply]:
        """Move records one by one, each wholly or not at all; what one is refused does not stop the others.

        Args:
            callers: for each record, with the key by which its move is carried out once; a ``Reply`` is what it was answered before.

        Raises:
            Problem: what would be wrong with every one of them.
        """
        found: list[Done | Problem | Reply] = []
        for caller, record_id in zip(callers, ids, strict=True):
            try:
                found.append(await self.move(caller, app, entity, record_id, replace(order, if_match=None)))
            except AnsweredBefore as before:
                found.append(before.reply)
            except Rehearsed as rehearsed:
                found.append(rehearsed.result)
            except Problem as problem:
                if problem.code in _OF_ALL:
                    raise
                found.append(problem)
        return found

    async def possible(self, caller: Caller, app: str, entity: str, record_id: str) -> list[dict[str, JSON]]:
        """Return, for each pipeline of the record, where it stands and each way on: whether it can be taken now, and why not."""

        def unit(w: Writing, owner: CompiledEntity, known: str) -> Unit[list[dict[str, JSON]]]:
            whole = w.app.entities[owner.key]  # guards judge the whole record; lines about it say only what is seen
            shown = yield from _read(w, whole, known)
            seen = (yield from whole_fields(w, whole, [known])).get(known, frozenset())
            return (yield from self._stand_all(Standing(w, whole, known, shown), seen))

        return await self._records.read_beside(caller, app, entity, record_id, unit)

    def _stand_all(self, s: Standing, seen: frozenset[str]) -> Unit[list[dict[str, JSON]]]:
        found = []
        for pipeline in s.w.app.pipelines.get(s.entity.key, ()):
            if pipeline.definition.field in seen:
                found.append((yield from self._stand(s, pipeline, seen)))
        return found

    def _stand(self, s: Standing, pipeline: CompiledPipeline, seen: frozenset[str]) -> Unit[dict[str, JSON]]:
        place = pipeline.place_of(s.shown)
        ways = []
        for transition in pipeline.leaving(place):
            if not transition.automatic and may_take(s.w, s.entity, transition):
                ways.append(
                    (yield from self._way(s, Step(pipeline, transition, place, target_of(pipeline, transition))))
                )
        stage, node = pipeline.stages.get(place.stage), pipeline.nodes.get(place)
        since = pipeline.definition.since_field
        return {
            "pipeline": pipeline.key,
            "label": label_text(pipeline.definition.label),
            "field": pipeline.definition.field,
            "stage": place.stage or None,
            "node": place.node,
            "kind": stage.kind if stage else None,
            "since": s.shown.get(since) if since is not None and since in seen else None,
            "hints": [
                {"text": _words(hint.text), "after_seconds": hint.after_seconds, "field": hint.field}
                for hint in (*(stage.hints if stage else ()), *(node.hints if node else ()))
            ],
            "transitions": ways,
        }

    def _way(self, s: Standing, step: Step) -> Unit[dict[str, JSON]]:
        missing = yield from self._mover.missing(s, step)
        transition = step.transition
        return {
            "key": transition.key,
            "label": label_text(transition.label),
            "help": _words(transition.help) if transition.help is not None else None,
            "to": {"stage": step.target.stage, "node": step.target.node},
            "kind": step.pipeline.stages[step.target.stage].kind,
            "possible": not missing,
            "reason": _reason(step, transition),
            "asks": [_asked(s.entity, key) for key in transition.asks],
            "todo": [todo.as_json() for todo in missing],
        }

    async def history(self, caller: Caller, app: str, entity: str, record_id: str) -> list[dict[str, JSON]]:
        """Return all stays of a record, the latest first, in pipelines whose stage the caller sees."""

        def unit(w: Writing, owner: CompiledEntity, known: str) -> Unit[list[dict[str, JSON]]]:
            seen = (yield from whole_fields(w, owner, [known])).get(known, frozenset())
            shown = {p.key for p in w.app.pipelines.get(owner.key, ()) if p.definition.field in seen}
            stays = yield from stays_of(w, owner.key, known)
            return [stay for stay in stays if stay["pipeline"] in shown or w.sight is None]

        return await self._records.read_beside(caller, app, entity, record_id, unit)


#: Problems that are no matter of one record.
_OF_ALL = frozenset(
    {
        "app.not_found",
        "entity.not_found",
        "transition.not_found",
        "access.denied",
        "auth.required",
        "request.malformed",
        "request.key_reused",
    }
)


def _read(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[Mapping[str, JSON]]:
    """Return a record as it is, without holding it.

    Raises:
        Problem: ``record.not_found``.
    """
    statement = w.statements.kept(("pipelines", "read", entity.key), lambda _: w.statements.held_select(entity))
    rows = yield Query(statement, {"id": record_id})
    if not rows:
        raise not_found(entity, record_id)
    shown: Mapping[str, JSON] = parse_json(rows[0][1])
    return shown


def _words(words: str | BothLanguages) -> Text:
    return say(words.zh, words.en) if isinstance(words, BothLanguages) else say(words, words)


def _reason(step: Step, transition: Transition) -> str:
    if step.pipeline.needs_reason(transition, step.source, step.target):
        return "required"
    return "none" if transition.reason == "none" else "optional"


def _asked(entity: CompiledEntity, key: str) -> dict[str, JSON]:
    field = entity.fields[key]
    return {"field": key, "type": field.type, "label": label_text(field.label)}
