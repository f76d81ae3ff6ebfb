"""Reading records: one statement an answer, its JSON passed on as the database wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.registry.registry import PublishedApp
from builder.store.statement import Query, Statement, Unit
from runtime.access.gate import FieldMap
from runtime.query.cursor import write_cursor
from runtime.query.json_rows import BETWEEN
from runtime.query.kept import Kept
from runtime.query.pending import Pending, read_pending
from runtime.query.reaching import Reach, can_reach
from runtime.query.request import ListRequest
from runtime.query.selection import select
from runtime.query.shape import ListPlan
from runtime.query.statements import StatementCache, get_statement, guard, list_statement
from runtime.records.caller import Caller
from runtime.records.counting import Counted, count_records
from runtime.records.holding import not_found
from runtime.records.pins import check_guard

Names = tuple[str, ...]
_BETWEEN = BETWEEN.encode()


@dataclass(frozen=True, slots=True)
class OneRecord:
    """A record as JSON."""

    revision: int
    body: bytes
    pending: Pending = ()
    """Jobs that have values of what is shown still to compute, and which fields."""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Records as JSON, with what is needed to go on."""

    joined: bytes
    """As the database wrote them, with ``BETWEEN`` between them."""
    next_cursor: str | None
    counted: Counted | None
    pending: Pending = ()

    @property
    def records(self) -> list[bytes]:
        """Each record by itself."""
        return self.joined.split(_BETWEEN) if self.joined else []

    @property
    def listed(self) -> bytes:
        """What stands in a JSON array of the records."""
        return self.joined.replace(_BETWEEN, b",")


class OnePlan(NamedTuple):
    """Reading single records in one way."""

    entity: CompiledEntity
    field_map: FieldMap
    statement: Statement
    scan: bool
    """Whether lists of children are shown: more than a point read."""


@dataclass(slots=True)
class PagePlan:
    """Reading one list, again and again; its statements are made when they are first needed, off the event loop."""

    plan: ListPlan
    field_map: FieldMap
    statement: Statement | None = None
    reaches: tuple[Reach, ...] = ()
    """By which owners its records may be found apart."""
    apart: Statement | None = None
    """The statement that does."""


def kept_plan(
    plans: Kept[OnePlan],
    published: PublishedApp,
    entity: CompiledEntity,
    fields: Names,
    expand: Names,
    cache: StatementCache,
) -> OnePlan:
    """Return the plan that is kept, or make it."""
    key = (published.key, entity.key, fields, expand)
    return plans.find(key) or plans.keep(key, plan_one(published, entity, fields, expand, cache))


def plan_one(
    published: PublishedApp, entity: CompiledEntity, fields: Names, expand: Names, cache: StatementCache
) -> OnePlan:
    """Look up names and make the statement."""
    field_map = FieldMap()
    selection = select(published.app, entity, fields, expand, field_map)
    statement = cache.get(
        (published.key, "get", selection), lambda: get_statement(published.app, selection, cache.dialect)
    )
    return OnePlan(entity, field_map, statement, selection.has_lists)


def read_one(
    published: PublishedApp, caller: Caller, plan: OnePlan, record_id: str, moment: Mapping[str, Any]
) -> Unit[OneRecord]:
    """Return a record by id; ``moment`` is what volatile fields need (``runtime.query.variables``).

    Raises:
        Problem: ``record.not_found``.
    """
    rows = yield Query(plan.statement, {**moment, "app": published.app.key, "id": record_id})
    pin, epoch, revision, body, *pending = rows[0]
    check_guard(published, caller, pin, epoch)
    if revision is None:
        raise not_found(plan.entity, record_id)
    return OneRecord(revision, body.encode(), read_pending(published.app, pending))


def read_guard(published: PublishedApp, caller: Caller, cache: StatementCache) -> Unit[None]:
    """Look only whether the app and the caller's rights are still what the request stands on."""
    statement = cache.get("guard", lambda: sa.select(guard()))
    rows = yield Query(statement, {"app": published.app.key})
    check_guard(published, caller, rows[0][0], rows[0][1])


def read_page(
    published: PublishedApp,
    caller: Caller,
    page_plan: PagePlan,
    request: ListRequest,
    cache: StatementCache,
    moment: Mapping[str, Any],
) -> Unit[RecordPage]:
    """Return one page of records, and on request how many there are in all."""
    app, plan, limit = published.app, page_plan.plan, request.limit
    shape = plan.shape
    values = {**plan.values, **moment, "app": app.key}
    apart = can_reach(page_plan.reaches, values)
    statement = page_plan.apart if apart else page_plan.statement
    if statement is None:
        most = limit + 1  # whether there are more
        reaches = page_plan.reaches if apart else ()
        make = partial(list_statement, app, shape, most, cache.dialect, reaches)
        statement = cache.get((published.key, "list", shape, most, apart), make)
        if apart:
            page_plan.apart = statement
        else:
            page_plan.statement = statement
    rows = yield Query(statement, values)
    pin, epoch, found, at, joined, *column = rows[0]
    check_guard(published, caller, pin, epoch)
    counted = yield from count_records(app, published.key, shape, request.count, values, cache)
    cursor = None
    if not limit or joined is None:
        joined = b""
    elif found > limit:
        joined = joined[: joined.rindex(_BETWEEN)]
        cursor = write_cursor(plan.order, at.split(BETWEEN)[limit - 1])
    pending = read_pending(app, column)
    return RecordPage(joined, cursor, counted, pending)
