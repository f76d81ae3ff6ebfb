"""Records find their place in the pipelines of a new version: mapped from places that are gone, begun where there was no pipeline before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.pipelines import CompiledPipeline, Place, place_named
from builder.fields.base import label_text
from builder.kernel.limits import SAMPLE_RECORDS_SHOWN
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from builder.publish.step import SAFE, Impact, Step, Work, lightweight
from builder.store import tables
from builder.store.types import Identifier, Instant, Words

_CHUNK = 2_000


class Standing(NamedTuple):
    """Where the columns of a pipeline are before the publish; None: not there yet."""

    table: str
    field: str | None
    node_field: str | None


class _Group(NamedTuple):
    """Records that hold the same values."""

    stage: str | None
    node: str | None
    size: int


@dataclass(frozen=True, kw_only=True)
class MapStages(Step):
    """Every record stands in a place of the pipeline afterwards, and its history says since when."""

    kind: ClassVar[str] = "map_stages"
    pipeline: CompiledPipeline
    table: str
    """The table as it is called after the publish."""
    before: Standing | None
    """None: the entity is new, there are no records."""

    def summary(self) -> Text:
        """Say what happens."""
        label = label_text(self.pipeline.definition.label)
        return say(f"为流程“{label.zh}”核对记录的阶段", f"Find the stages of records for the pipeline {label.en}")

    def impact(self, connection: sa.Connection) -> Impact:
        """Count the records that move, and those that would stand nowhere."""
        if self.before is None:
            return SAFE
        groups = list(_groups(connection, self.before.table, self.before.field, self.before.node_field))
        total = sum(group.size for group in groups)
        lost = [group for group in groups if self._target(group) is None]
        if lost:
            return self._blocked(connection, lost, total)
        moving = sum(group.size for group in groups if self._target(group) != Place(group.stage or "", group.node))
        if not moving:
            return Impact("safe", 0, total)
        note = say(f"{moving:,} 条记录换到新的阶段或节点", f"{moving:,} records get another stage or node")
        return Impact("backfill", moving, total, (), note)

    def _blocked(
        self, connection: sa.Connection, lost: list[_Group], total: int, now: Standing | None = None
    ) -> Impact:
        where = now or self.before
        assert where is not None
        count = sum(group.size for group in lost)
        names = ", ".join(_name(group) for group in lost)
        note = say(
            f"{count:,} 条记录停在已移除的 {names};请在流程的 moved 中写明它们去哪里",
            f"{count:,} records stand in {names}, which is gone; say in the pipeline's moved where they go",
        )
        ids: list[str] = []
        for group in lost:
            shape, condition = _those(where.table, where.field, where.node_field, group)
            some = sa.select(shape.c.id).where(condition).order_by(shape.c.id).limit(SAMPLE_RECORDS_SHOWN - len(ids))
            ids += connection.scalars(some) if len(ids) < SAMPLE_RECORDS_SHOWN else ()
        return Impact("blocked", count, total, tuple(ids), note)

    def fill(self, work: Work) -> None:
        """Move what has to move, let stays that go on follow, begin stays where there are none."""
        definition = self.pipeline.definition
        for group in list(_groups(work.connection, self.table, definition.field, definition.node_field)):
            target = self._target(group)
            if target is None:  # values that a converted or restored field brought; no impact could see them
                now = Standing(self.table, definition.field, definition.node_field)
                impact = self._blocked(work.connection, [group], group.size, now)
                raise Problem("publish.blocked", impact.note, extra={"sample_ids": list(impact.sample_ids)})
            if target != Place(group.stage or "", group.node):
                self._move(work, group, target)
        self._begin(work)

    def _target(self, group: _Group) -> Place | None:
        """Return where records with these values stand afterwards; None: nobody said."""
        pipeline = self.pipeline
        here = Place(group.stage or "", group.node)
        if pipeline.is_place(here):
            return here
        moved = {mark.place: mark.into for mark in pipeline.definition.moved}
        into = moved.get(here.name, moved.get(here.stage))
        if into is not None:
            named = place_named(into)
            return named if named.node is not None else pipeline.entrance(named.stage)
        if not here.stage:
            return pipeline.entrance(pipeline.initial[0])
        stage = pipeline.stages.get(here.stage)
        if stage is not None and (here.node is None or not stage.nodes):
            return pipeline.entrance(here.stage)  # the stage has got nodes, or has none any more
        return None

    def _move(self, work: Work, group: _Group, target: Place) -> None:
        definition = self.pipeline.definition
        shape, condition = _those(self.table, definition.field, definition.node_field, group)
        values: dict[str, Any] = {definition.field: target.stage}
        if definition.node_field is not None:
            values[definition.node_field] = target.node
        stage = tables.stage.c
        there = sa.select(shape.c.id).where(condition)
        own = (stage.app == work.app) & (stage.pipeline == self.pipeline.key) & stage.left_at.is_(None)
        work.connection.execute(
            sa.update(tables.stage)
            .where(own, stage.record_id.in_(there))
            .values(stage=target.stage, node=target.node, how="mapped", version=work.version)
        )
        work.connection.execute(sa.update(shape).where(condition).values(values))

    def _begin(self, work: Work) -> None:
        """Write the stays of records that have none, in chunks."""
        definition, stage = self.pipeline.definition, tables.stage.c
        columns = [("id", Identifier()), (definition.field, Words()), ("updated_at", Instant())]
        columns += [(key, Words()) for key in (definition.node_field,) if key is not None]
        columns += [(key, Instant()) for key in (definition.since_field,) if key is not None]
        shape = lightweight(self.table, *columns)
        own = (stage.record_id == shape.c.id) & (stage.pipeline == self.pipeline.key) & stage.left_at.is_(None)
        bare = sa.select(shape).where(~sa.exists().where(own)).order_by(shape.c.id).limit(_CHUNK)
        last: str | None = None
        while True:
            rows = work.connection.execute(bare if last is None else bare.where(shape.c.id > last)).mappings().all()
            if not rows:
                return
            work.connection.execute(sa.insert(tables.stage), [self._stay(work, row) for row in rows])
            self._since(work, shape, [row["id"] for row in rows])
            last = rows[-1]["id"]

    def _stay(self, work: Work, row: Mapping[Any, Any]) -> dict[str, Any]:
        definition = self.pipeline.definition
        since: datetime | None = row[definition.since_field] if definition.since_field is not None else None
        return {
            "id": work.ids.record_id(),
            "app": work.app,
            "entity": self.entity,
            "record_id": row["id"],
            "pipeline": self.pipeline.key,
            "place": 1,
            "stage": row[definition.field],
            "node": row[definition.node_field] if definition.node_field is not None else None,
            "how": "began",
            "entered_at": since or row["updated_at"],
            "actor": "system",
            "version": work.version,
        }

    def _since(self, work: Work, shape: sa.TableClause, ids: list[str]) -> None:
        since = self.pipeline.definition.since_field
        if since is None:
            return
        column = shape.c[since]
        blank = sa.update(shape).where(shape.c.id.in_(ids), column.is_(None))
        work.connection.execute(blank.values({since: shape.c.updated_at}))


def _groups(connection: sa.Connection, table: str, field: str | None, node_field: str | None) -> Iterator[_Group]:
    shape = lightweight(table, *((name, Words()) for name in (field, node_field) if name is not None))
    stage = shape.c[field] if field is not None else sa.null()
    node = shape.c[node_field] if node_field is not None else sa.null()
    chosen = sa.select(stage.label("stage"), node.label("node"), sa.func.count()).select_from(shape)
    for found in connection.execute(chosen.group_by(*list(shape.c)) if list(shape.c) else chosen):
        if found[2]:
            yield _Group(*found)


def _those(
    table: str, field: str | None, node_field: str | None, group: _Group
) -> tuple[sa.TableClause, sa.ColumnElement[bool]]:
    names = [name for name in (field, node_field) if name is not None]
    shape = lightweight(table, ("id", Identifier()), *((name, Words()) for name in names))
    condition: sa.ColumnElement[bool] = sa.true()
    for name, value in ((field, group.stage), (node_field, group.node)):
        if name is not None:
            condition &= shape.c[name].is_(None) if value is None else shape.c[name] == value
    return shape, condition


def _name(group: _Group) -> str:
    return f"“{Place(group.stage or '', group.node).name}”"


def stage_steps(
    base: CompiledApp | None, target: CompiledApp, before: Mapping[str, tuple[str, Mapping[str, str]]]
) -> list[Step]:
    """Return a step for every pipeline that is new, or whose places or fields are others than before.

    Args:
        before: of entities that were there: their table before the publish, and field after -> column before.
    """
    known = {p.key: p for listed in (base.pipelines.values() if base else ()) for p in listed}
    found: list[Step] = []
    for entity, listed in target.pipelines.items():
        for pipeline in listed:
            former = known.get(pipeline.key)
            table, columns = before.get(entity, ("", {}))
            if former is not None and table and _is_same(former, pipeline, columns):
                continue
            definition = pipeline.definition
            node = columns.get(definition.node_field) if definition.node_field is not None else None
            standing = Standing(table, columns.get(definition.field), node) if table else None
            found.append(
                MapStages(
                    entity=entity, pipeline=pipeline, table=target.entities[entity].physical.name, before=standing
                )
            )
    return found


def _is_same(former: CompiledPipeline, pipeline: CompiledPipeline, columns: Mapping[str, str]) -> bool:
    kept = tuple(columns.get(key) for key in pipeline.kept)
    return list(former.places()) == list(pipeline.places()) and kept == former.kept
