"""Batches as a service: many writes as one, all or none or each by itself; writes to all records that a filter finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from builder.compiled.app import CompiledEntity
from builder.kernel.canonical import dump_json
from builder.kernel.limits import BATCH_RECORDS
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import errors_found, say
from builder.registry.registry import PublishedApp
from builder.store.database import ConstraintRefused, Database
from builder.store.statement import Query, Unit
from runtime.access.gate import FieldMap, Use, gate
from runtime.access.sight import sight_of
from runtime.query.conditions import plan_filter
from runtime.query.selection import Selection
from runtime.query.shape import ListShape
from runtime.query.statements import matching_statement
from runtime.query.variables import variables, viewer
from runtime.records.batching import Batch, carry_out_partly, carry_out_whole
from runtime.records.caller import Caller, StaleApp
from runtime.records.holding import hold_records
from runtime.records.orders import Done, Order, Outcome, Verb
from runtime.records.pins import get_entity
from runtime.records.service import Records
from runtime.records.targets import target_entity, uses_of
from runtime.records.values import MALFORMED
from runtime.records.writer import Writing
from runtime.records.written import Written

JSON = Any
Mode = Literal["all", "partial"]
MakeOrders = Callable[[PublishedApp], list[Order]]
_USES: dict[Verb, tuple[Use, ...]] = {
    "create": ("create",),
    "update": ("write",),
    "upsert": ("create", "write"),
    "delete": ("delete",),
}


class Row(NamedTuple):
    """What became of one order; ``written`` is None of what is gone, was refused, or nobody wants to see."""

    outcome: Outcome
    written: Written | None


class _Explained(Exception):
    """A batch was carried out partly, only to see what is wrong with it."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch


class Batches:
    """Writes of many records."""

    def __init__(self, database: Database, records: Records) -> None:
        self._database = database
        self._records = records

    async def carry_out(
        self, caller: Caller, app: str, make: MakeOrders, mode: Mode, *, brief: bool = False
    ) -> list[Row]:
        """Carry out orders in one transaction.

        Args:
            brief: nobody wants to see the records.
            make: makes the orders once the app is pinned; their entities are its.
            mode: ``all`` or none, or ``partial``: each wholly or not at all.

        Raises:
            Problem: in mode ``all`` with everything that is wrong; ``limit.batch``.
        """

        async def run(published: PublishedApp) -> list[Row]:
            orders = make(published)
            _refuse_too_many(len(orders))
            gate(caller.actor, app, _uses(orders), sight_of(published.app))
            w = self._records.writing(published, caller)

            def unit() -> Unit[list[Row]]:
                batch = named(w, orders)
                yield from (carry_out_whole if mode == "all" else carry_out_partly)(w, batch)
                return (yield from self._rows(w, batch, brief=brief))

            return await self._carry_out(w, unit, orders, mode)

        return await self._records.pinned(app, caller, run)

    async def create_many(self, caller: Caller, app: str, entity: str, bodies: Sequence[JSON]) -> list[Written]:
        """Create records of one entity, all or none.

        Raises:
            Problem: as ``carry_out``; pointers are ``/create/0`` and so on.
        """

        def orders(published: PublishedApp) -> list[Order]:
            owner = target_entity(published, entity)
            return [Order("create", owner, f"/create/{place}", body) for place, body in enumerate(bodies)]

        rows = await self.carry_out(caller, app, orders, "all")
        return [row.written for row in rows if row.written is not None]

    async def carry_out_where(
        self, caller: Caller, app: str, entity: str, given: JSON, body: JSON, *, verb: Verb, at_most: int, mode: Mode
    ) -> list[Row]:
        """Change or delete all records that a filter finds, if they are not more than ``at_most``.

        Raises:
            Problem: ``limit.affected``, ``query.invalid``, and what the writes raise.
        """

        async def run(published: PublishedApp) -> list[Row]:
            owner = target_entity(published, entity)
            field_map = FieldMap()
            w = self._records.writing(published, caller)
            asker = viewer(published.app, caller.actor, w.now)
            condition, values = plan_filter(published.app, get_entity(published, entity), given, asker, field_map)
            field_map.uses |= _uses([Order(verb, owner, "")]).uses
            gate(caller.actor, app, field_map, sight_of(published.app))
            values = {**values, **variables(published.app, caller.actor, w.now)}
            shape = ListShape(Selection(owner.key, ()), condition, (), None)
            orders: list[Order] = []

            def unit() -> Unit[list[Row]]:
                ids = yield from _find(w, shape, owner, values, at_most)
                orders[:] = [Order(verb, owner, "", body, record_id) for record_id in ids]
                batch = Batch(orders)
                yield from (carry_out_whole if mode == "all" else carry_out_partly)(w, batch)
                return (yield from self._rows(w, batch, brief=False))

            return await self._carry_out(w, unit, orders, mode)

        return await self._records.pinned(app, caller, run)

    async def _carry_out(
        self, w: Writing, unit: Callable[[], Unit[list[Row]]], orders: list[Order], mode: Mode
    ) -> list[Row]:
        try:
            return await self._records.transact(w, unit)
        except (Problem, ConstraintRefused) as refused:
            if mode == "partial" or (isinstance(refused, Problem) and (not orders or refused.code in _OF_ALL)):
                raise
            await self._explain(w, orders, refused)
            raise StaleApp from refused  # what was in the way is gone: once more

    async def _explain(self, w: Writing, orders: list[Order], refused: Exception) -> None:
        """Raise all that is wrong with a batch that was refused; return if nothing is any more."""

        def unit() -> Unit[None]:
            batch = named(w, orders)
            yield from carry_out_partly(w, batch)
            raise _Explained(batch)

        try:
            await self._records.transact(w, unit)
        except _Explained as explained:
            problems = [
                (orders[place], outcome)
                for place, outcome in sorted(explained.batch.outcomes.items())
                if isinstance(outcome, Problem)
            ]
            if problems:
                raise together(problems) from refused

    def _rows(self, w: Writing, batch: Batch, *, brief: bool) -> Unit[list[Row]]:
        """Return outcomes in the order of the request, records as a read shows them."""
        outcomes = [batch.outcomes[place] for place in range(len(batch.orders))]
        if brief:
            return [Row(outcome, None) for outcome in outcomes]
        shown: dict[str, list[tuple[int, dict[str, JSON]]]] = {}
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Done) and outcome.shown is not None:
                shown.setdefault(outcome.entity.key, []).append((place, outcome.shown()))
        written: dict[int, Written] = {}
        for key, listed in shown.items():
            found = yield from self._records.written(w, w.app.entities[key], [record for _, record in listed])
            written |= dict(zip((place for place, _ in listed), found, strict=True))
        return [Row(outcome, written.get(place)) for place, outcome in enumerate(outcomes)]


_OF_ALL = frozenset({"limit.affected", "request.key_reused", "limit.causation", "service.unavailable"})
"""What is no fault of single orders."""


def named(w: Writing, orders: Sequence[Order]) -> Batch:
    """Return a batch in which items that others refer to have their ids from the start, if they are created."""
    batch = Batch(orders)
    for order in orders:
        if order.name is not None and order.verb == "create" and isinstance(order.body, dict):
            made = order.body.setdefault("id", w.ids.record_id())
            batch.ids[order.name] = made if isinstance(made, str) else None
    return batch


def together(problems: Sequence[tuple[Order, Problem]]) -> Problem:
    """Return one problem that says all that is wrong, each at its place."""
    if len(problems) == 1 and problems[0][1].violations:
        return problems[0][1]
    violations: list[Violation] = []
    for order, problem in problems:
        listed = problem.violations or (Violation(problem.code, order.pointer, problem.detail, problem.extra),)
        violations += [_with_record(order, violation) for violation in listed]
    codes = {problem.code for _, problem in problems}
    code = codes.pop() if len(codes) == 1 else "record.invalid"
    if any(violation.code in MALFORMED for violation in violations):
        code = "request.unknown_name"
    count = len(violations)
    return Problem(code, errors_found(count), violations=violations)


def _with_record(order: Order, violation: Violation) -> Violation:
    """Say of records that a filter found which one is meant: the request names none."""
    if order.pointer or not isinstance(order.id, str):
        return violation
    params = {**violation.params, "of": order.id}
    return Violation(violation.code, violation.pointer, violation.message, params)


def _find(w: Writing, shape: ListShape, owner: CompiledEntity, values: dict[str, Any], at_most: int) -> Unit[list[str]]:
    """Return the records that a filter finds among those the caller sees, held; they meet it still."""
    app = w.seen.app
    finding = w.statements.kept(
        ("matching", w.seen.key, shape, at_most),
        lambda dialect: matching_statement(app, shape, dialect).limit(at_most + 1),
    )
    rows = yield Query(finding, values)
    ids = [str(row[0]) for row in rows]
    if len(ids) > at_most:
        detail = say(
            f"筛选到的记录超过 max_affected={at_most} 条,未写入任何内容",
            f"The filter finds more than max_affected={at_most} records; nothing was written",
        )
        raise Problem("limit.affected", detail, extra={"maximum": at_most})
    yield from hold_records(w, owner, ids)
    still = w.statements.kept(
        ("matching still", w.seen.key, shape),
        lambda dialect: matching_statement(app, shape, dialect).where(owner.table.c.id.in_(w.statements.listed())),
    )
    rows = yield Query(still, {**values, "ids": dump_json(ids).decode()})
    return sorted(str(row[0]) for row in rows)


def _uses(orders: Sequence[Order]) -> FieldMap:
    field_map = FieldMap()
    for verb, entity in {(order.verb, order.entity.key): (order.verb, order.entity) for order in orders}.values():
        for use in _USES[verb]:
            field_map.uses |= uses_of(entity, use).uses
        field_map.add(entity.key, "", "bulk")
    return field_map


def _refuse_too_many(count: int) -> None:
    if count > BATCH_RECORDS:
        detail = say(f"一次最多 {BATCH_RECORDS} 条记录", f"At most {BATCH_RECORDS} records at once")
        raise Problem("limit.batch", detail, extra={"maximum": BATCH_RECORDS})
