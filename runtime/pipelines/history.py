"""Stays of records in stages. Reads and writes: dougong_stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from builder.compiled.pipelines import CompiledPipeline, Place
from builder.kernel.canonical import dump_json, parse_json
from builder.kernel.clock import instant_text
from builder.store import tables
from builder.store.statement import POSTGRESQL, Query, Unit
from builder.store.types import Identifier, Instant, Whole, Words
from runtime.pipelines.judging import Beside
from runtime.records.writer import Writing

JSON = Any
How = Literal["began", "moved", "returned", "reopened"]
_row = tables.stage


class Stay(NamedTuple):
    """What is written about the place a record comes to."""

    entity: str
    record_id: str
    pipeline: str
    at: Place
    how: How
    entered_at: datetime
    number: int = 1
    transition: str | None = None
    reason: str | None = None
    overridden: tuple[str, ...] = ()
    actor: str | None = None
    left_at: datetime | None = None


class OpenStay(NamedTuple):
    """The stay of a record that has not ended."""

    id: str
    number: int
    entered_at: datetime


def begin_stays(w: Writing, stays: Sequence[Stay]) -> Unit[None]:
    """Write where records are from now on."""
    statement = w.statements.kept(("stage", "begin"), lambda _: _insert())
    rows = [_values(w, stay) for stay in stays]
    if rows:
        yield Query(statement, rows if len(rows) > 1 else rows[0])


def change_stay(w: Writing, fresh: Stay, found: Sequence[Any] | None = None) -> Unit[int]:
    """End the stay of a record that has not ended and begin its next; return the number of that. One trip to PostgreSQL.

    Args:
        found: the row of ``open_beside``, if it was asked for.
    """
    if w.statements.dialect == POSTGRESQL and w.course.ahead is None:  # what is run ahead is one trip as a whole
        statement = w.statements.kept(("stage", "change"), lambda _: _change())
        rows = yield Query(statement, _values(w, fresh))
        return int(rows[0][0])
    rows = [found] if found is not None else (yield _asking(w, fresh.record_id, fresh.pipeline))
    stay = None
    if rows and rows[0][0] is not None:
        stay = OpenStay(str(rows[0][0]), int(rows[0][1]), _instant(rows[0][2]))
    if stay is not None:
        yield from end_stay(w, stay)
    number = stay.number + 1 if stay is not None else 1
    yield from begin_stays(w, [fresh._replace(number=number)])
    return number


def open_beside(w: Writing, record_id: str, pipeline: str) -> Beside | None:
    """Return how the stay of a record that has not ended is asked for beside what guards ask; None: it will be asked for no more."""
    if w.course.ahead is None:
        return None
    return Beside(_open, _of_record(w, record_id, pipeline))


def _asking(w: Writing, record_id: str, pipeline: str) -> Query:
    return Query(w.statements.kept(("stage", "open"), lambda _: _open()), _of_record(w, record_id, pipeline))


def _of_record(w: Writing, record_id: str, pipeline: str) -> Mapping[str, Any]:
    return {"stay_app": w.app.key, "stay_record": record_id, "stay_pipeline": pipeline}


def end_stay(w: Writing, stay: OpenStay) -> Unit[None]:
    """Write that a record has left."""
    statement = w.statements.kept(("stage", "end"), lambda _: _end())
    seconds = max(0, int((w.now - stay.entered_at).total_seconds()))
    yield Query(statement, {"id": stay.id, "v_left_at": w.now, "v_seconds": seconds})


def stays_of(w: Writing, entity: str, record_id: str) -> Unit[list[dict[str, JSON]]]:
    """Return all stays of a record as the API shows them, the latest first."""
    columns = [_row.c[name] for name in _SHOWN]
    statement = w.statements.kept(
        ("stage", "all"),
        lambda _: (
            sa.select(*columns)
            .where(
                _row.c.app == sa.bindparam("app", type_=Words()),
                _row.c.entity == sa.bindparam("entity", type_=Words()),
                _row.c.record_id == sa.bindparam("record_id", type_=Identifier()),
            )
            .order_by(_row.c.pipeline, _row.c.place.desc())
        ),
    )
    rows = yield Query(statement, {"app": w.app.key, "entity": entity, "record_id": record_id})
    return [_shown(w, dict(zip(_SHOWN, row, strict=True))) for row in rows]


_SHOWN = (
    "pipeline",
    "place",
    "stage",
    "node",
    "transition",
    "how",
    "entered_at",
    "left_at",
    "seconds",
    "actor",
    "reason",
    "overridden",
    "version",
)


def _shown(w: Writing, row: dict[str, Any]) -> dict[str, JSON]:
    entered, left = _instant(row["entered_at"]), row["left_at"]
    row["entered_at"] = instant_text(entered)
    row["left_at"] = None if left is None else instant_text(_instant(left))
    if left is None:
        row["seconds"] = max(0, int((w.now - entered).total_seconds()))
    row["overridden"] = parse_json(row["overridden"]) if row["overridden"] else []
    return row


def _values(w: Writing, stay: Stay) -> Mapping[str, Any]:
    left = stay.left_at
    return {
        "id": w.ids.record_id(),
        "app": w.app.key,
        "entity": stay.entity,
        "record_id": stay.record_id,
        "pipeline": stay.pipeline,
        "place": stay.number,
        "stage": stay.at.stage,
        "node": stay.at.node,
        "transition": stay.transition,
        "how": stay.how,
        "entered_at": stay.entered_at,
        "left_at": left,
        "seconds": None if left is None else max(0, int((left - stay.entered_at).total_seconds())),
        "actor": stay.actor,
        "reason": stay.reason,
        "overridden": dump_json(list(stay.overridden)).decode() if stay.overridden else None,
        "version": w.app.version,
    }


def how_moved(pipeline: CompiledPipeline, source: Place, target: Place) -> How:
    """Say what kind of move it is."""
    if source.stage not in pipeline.stages or source.stage == target.stage:
        return "moved"
    if pipeline.stages[source.stage].is_end:
        return "reopened"
    if pipeline.position[target.stage] < pipeline.position[source.stage] and not pipeline.stages[target.stage].is_end:
        return "returned"
    return "moved"


def _instant(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _insert() -> sa.Insert:
    return sa.insert(_row).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _row.c}).inline()


def _change() -> Any:
    """Return one statement that ends a stay and begins the next."""
    given = {c.name: sa.bindparam(c.name, type_=c.type) for c in _row.c}
    now = sa.bindparam("entered_at", type_=Instant())
    passed = sa.func.floor(sa.extract("epoch", now - _row.c.entered_at))
    here = [_row.c[name] == given[name] for name in ("app", "record_id", "pipeline")]
    ended = (
        sa.update(_row)
        .where(*here, _row.c.left_at.is_(None))
        .values(left_at=now, seconds=sa.cast(sa.func.greatest(sa.literal_column("0"), passed), sa.BigInteger))
        .returning(_row.c.place)
        .cte("ended")
    )
    number = sa.func.coalesce(sa.select(sa.func.max(ended.c.place)).scalar_subquery(), 0) + sa.literal_column("1")
    fresh = sa.select(*(number if name == "place" else value for name, value in given.items()))
    return sa.insert(_row).from_select(list(given), fresh, include_defaults=False).returning(_row.c.place)


def _open() -> sa.Select[Any]:
    return (
        sa.select(_row.c.id, _row.c.place, _row.c.entered_at)
        .where(
            _row.c.app == sa.bindparam("stay_app", type_=Words()),
            _row.c.record_id == sa.bindparam("stay_record", type_=Identifier()),
            _row.c.pipeline == sa.bindparam("stay_pipeline", type_=Words()),
            _row.c.left_at.is_(None),
        )
        .order_by(_row.c.place.desc())
        .limit(1)
    )


def _end() -> sa.Update:
    values = {
        "left_at": sa.bindparam("v_left_at", type_=Instant()),
        "seconds": sa.bindparam("v_seconds", type_=Whole()),
    }
    return sa.update(_row).where(_row.c.id == sa.bindparam("id", type_=Identifier())).values(values)
