"""Do records stand where their pipelines and their histories say? Part of the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.pipelines import CompiledPipeline, Place
from builder.kernel.text import Text, say
from builder.store import tables

_SHOWN = 5


class Misplaced(NamedTuple):
    """Records that stand where they cannot be."""

    code: str
    subject: str
    message: Text


def misplaced(connection: sa.Connection, app: CompiledApp) -> Iterator[Misplaced]:
    """Yield what is wrong with the stages of an app's records. Cost: reads each pipeline's records once."""
    for entity, pipelines in app.pipelines.items():
        if not sa.inspect(connection).has_table(app.entities[entity].physical.name):
            continue  # that is a finding of its own
        for pipeline in pipelines:
            yield from _unknown_places(connection, app, pipeline)
            yield from _broken_histories(connection, app, pipeline)


def _unknown_places(connection: sa.Connection, app: CompiledApp, pipeline: CompiledPipeline) -> Iterator[Misplaced]:
    table = app.entities[pipeline.definition.entity].table
    stage, node = _columns(table, pipeline)
    # PostgreSQL groups by no constant, which is what a pipeline without nodes has for one
    grouped = (stage, node) if pipeline.definition.node_field is not None else (stage,)
    for found in connection.execute(sa.select(stage, node, sa.func.count()).select_from(table).group_by(*grouped)):
        place = Place(found[0] or "", found[1])
        if not pipeline.is_place(place):
            message = say(
                f"{found[2]} 条记录停在流程没有的“{place.name}”",
                f'{found[2]} records stand in "{place.name}", which the pipeline does not have',
            )
            yield Misplaced("stage.unknown", f"pipelines/{pipeline.key}", message)


def _broken_histories(connection: sa.Connection, app: CompiledApp, pipeline: CompiledPipeline) -> Iterator[Misplaced]:
    """The stay of a record that has not ended is its only one, its last, and where the record stands."""
    table = app.entities[pipeline.definition.entity].table
    stage, node = _columns(table, pipeline)
    stays = _stays(app.key, pipeline.key)
    right = (
        (stays.c.open == 1)
        & (stays.c.open_place == stays.c.last_place)
        & (stays.c.stage == stage)
        & stays.c.node.is_not_distinct_from(node)
    )
    joined = table.outerjoin(stays, stays.c.record_id == table.c.id)
    wrong = sa.select(table.c.id).select_from(joined).where(~sa.func.coalesce(right, sa.false())).order_by(table.c.id)
    ids = list(connection.scalars(wrong.limit(_SHOWN)))
    if ids:
        shown = ", ".join(str(item) for item in ids)
        message = say(f"阶段与历史不符的记录:{shown}", f"The history does not end where these records stand: {shown}")
        yield Misplaced("stage.history", f"pipelines/{pipeline.key}", message)


def _stays(app: str, pipeline: str) -> sa.Subquery:
    """The stays of each record in one pass: a lookup per record would be left to each database's guess of an index."""
    row = tables.stage.c
    here = row.left_at.is_(None)
    return (
        sa.select(
            row.record_id,
            sa.func.max(row.place).label("last_place"),
            sa.func.count().filter(here).label("open"),
            # where one stay is open these are its own; where several are, their number already says what is wrong
            sa.func.max(row.place).filter(here).label("open_place"),
            sa.func.max(row.stage).filter(here).label("stage"),
            sa.func.max(row.node).filter(here).label("node"),
        )
        .where(row.app == app, row.pipeline == pipeline)
        .group_by(row.record_id)
        .subquery("stays")
    )


def _columns(table: sa.Table, pipeline: CompiledPipeline) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    node_field = pipeline.definition.node_field
    return table.c[pipeline.definition.field], table.c[node_field] if node_field is not None else sa.null()
