"""Records as a service: pin the app, ask the gate, run a unit, repeat if a publish came between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn, TypeVar

from builder.compiled.app import CompiledEntity
from builder.kernel.clock import Clock
from builder.kernel.ids import Ids
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.registry.registry import PublishedApp, Registry
from builder.store.database import ConstraintRefused, Database, SchemaMoved
from builder.store.statement import Unit, finished
from runtime.access.gate import FieldMap, gate
from runtime.access.sight import sight_of
from runtime.query.aggregate_request import AggregateRequest
from runtime.query.kept import Kept, is_constant
from runtime.query.reaching import reaches_of
from runtime.query.request import ListRequest
from runtime.query.shape import plan_list
from runtime.query.statements import StatementCache
from runtime.query.variables import variables, viewer
from runtime.records import events
from runtime.records.aggregates import Groups, plan_groups, read_groups
from runtime.records.ahead import Attempts
from runtime.records.alone import create_alone, update_alone, write_ahead
from runtime.records.caller import Caller, StaleApp
from runtime.records.changes import plan_whole_change, update_record
from runtime.records.computing import Changes
from runtime.records.creating import new_alone
from runtime.records.deleting import delete_record
from runtime.records.diagnosis import conflict, diagnose, joined, suspects_of, suspects_of_change, unexplained
from runtime.records.duplicates import find_duplicates
from runtime.records.feeds import Feeds
from runtime.records.filtering import seen_files
from runtime.records.history import read_timeline
from runtime.records.loading import Progress, load_records
from runtime.records.locks import Locks
from runtime.records.narrowing import Narrowing, narrows
from runtime.records.once import carry_once
from runtime.records.per_app import PerApp
from runtime.records.pins import Pins, get_entity
from runtime.records.reader import OnePlan, OneRecord, PagePlan, RecordPage, kept_plan, read_guard, read_one, read_page
from runtime.records.rights import Rights
from runtime.records.seams import Course, Seams, StandBy, finish
from runtime.records.statements import RecordStatements
from runtime.records.targets import known_id, needs_reading, target_entity, uses_of
from runtime.records.values import NewRecord, refuse
from runtime.records.views import Views
from runtime.records.writer import Writing, insert_records, judge_new, lock_app, record_json
from runtime.records.written import Written, as_written, read_written

JSON = Any
T = TypeVar("T")

_REPEATS = 5
#: What a definition refuses before any statement says whether it is still the published one.
_OF_THE_DEFINITION = frozenset(
    {"entity.not_found", "request.unknown_name", "query.invalid", "query.cursor", "record.invalid"}
)
#: What roles refuse before any statement says whether they are still the caller's.
_OF_ROLES = frozenset({"access.denied", "app.not_found"})


class Records:
    """Reads and writes the records of all apps of one database."""

    def __init__(
        self, database: Database, registry: Registry, clock: Clock, ids: Ids, seams: Seams | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        seams = seams or Seams()
        seams = replace(seams, rules=(Rights(), Locks(), *seams.rules))
        self._stand_by = PerApp(lambda app: StandBy(app, seams))
        self._narrowing = Narrowing(clock)
        self._attempts = Attempts()
        self._pins = Pins(registry)
        self.cache = StatementCache(database.dialect)
        self._one_plans: Kept[OnePlan] = Kept()
        self._page_plans: Kept[PagePlan] = Kept()
        self.views = Views(database, clock, ids)
        self.feeds = Feeds(database, self.cache, self.pinned, clock)

    # -- reads ---------------------------------------------------------------------------------------------------------

    async def get(
        self,
        caller: Caller,
        app: str,
        entity: str,
        record_id: str,
        fields: tuple[str, ...] = (),
        expand: tuple[str, ...] = (),
    ) -> OneRecord:
        """Return one record as JSON."""

        async def run(published: PublishedApp) -> OneRecord:
            owner = get_entity(published, entity)
            plan = kept_plan(self._one_plans, published, owner, fields, expand, self.cache)
            gate(caller.actor, app, plan.field_map, sight_of(published.app))
            known = known_id(plan.entity, record_id)
            moment = variables(published.app, caller.actor, self._clock.now())
            return await self._database.read(lambda: read_one(published, caller, plan, known, moment), scan=plan.scan)

        return await self.pinned(app, caller, run)

    async def list_page(self, caller: Caller, app: str, entity: str, request: ListRequest) -> RecordPage:
        """Return one page of records as JSON."""

        async def run(published: PublishedApp) -> RecordPage:
            now = self._clock.now()
            asked = await self.views.seen_through(published.app, caller, entity, request) if request.view else request
            plan = self._page_plan(published, caller, entity, asked, now)
            gate(caller.actor, app, plan.field_map, sight_of(published.app))
            moment = variables(published.app, caller.actor, now)
            return await self._database.read(lambda: read_page(published, caller, plan, asked, self.cache, moment))

        return await self.pinned(app, caller, run)

    def _page_plan(
        self, published: PublishedApp, caller: Caller, entity: str, request: ListRequest, now: datetime
    ) -> PagePlan:
        key = (published.key, entity, request.text)
        kept = self._page_plans.find(key) if request.text else None
        if kept is not None:
            return kept
        owner, field_map = get_entity(published, entity), FieldMap()
        asker = viewer(published.app, caller.actor, now)
        indexes = published.search_indexes
        plan = plan_list(published.app, owner, request, asker=asker, field_map=field_map, search_indexes=indexes)
        made = PagePlan(plan, field_map, reaches=reaches_of(published.app, owner, plan.shape))
        if request.text and request.cursor is None and is_constant(request.filter):
            self._page_plans.keep(key, made)
        return made

    async def aggregate(self, caller: Caller, app: str, entity: str, request: AggregateRequest) -> Groups:
        """Return groups of records with their measures."""

        async def run(published: PublishedApp) -> Groups:
            owner, now = get_entity(published, entity), self._clock.now()
            plan, field_map = plan_groups(published.app, caller, owner, request, now)
            gate(caller.actor, app, field_map, sight_of(published.app))
            return await self._database.read(
                lambda: read_groups(published, caller, plan, request, field_map, self.cache)
            )

        return await self.pinned(app, caller, run)

    async def timeline(
        self, caller: Caller, app: str, entity: str, record_id: str, before: int | None, limit: int
    ) -> events.EventPage:
        """Return the history of a record, latest first; it outlives the record."""

        async def run(published: PublishedApp) -> events.EventPage:
            owner = get_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "history"), sight_of(published.app))
            known = known_id(owner, record_id)
            moment = variables(published.app, caller.actor, self._clock.now())
            return await self._database.read(
                lambda: read_timeline(published, caller, owner, known, before, limit, self.cache, moment)
            )

        return await self.pinned(app, caller, run)

    async def shows_file(self, caller: Caller, app: str, file_id: str) -> bool:
        """Tell whether a record that the caller sees holds a file in a field that is shown."""

        async def run(published: PublishedApp) -> bool:
            gate(caller.actor, app, FieldMap({("", "", "select")}), sight_of(published.app))
            moment = variables(published.app, caller.actor, self._clock.now())
            return bool(await self._database.read(lambda: seen_files(published, [file_id], self.cache, moment)))

        return await self.pinned(app, caller, run)

    async def current(self, caller: Caller, app: str) -> PublishedApp:
        """Return the app as it is published now, for what is made of its definition; the caller's rights are current too.

        Raises:
            Problem: ``app.not_found``.
        """

        async def run(published: PublishedApp) -> PublishedApp:
            await self._database.read(lambda: read_guard(published, caller, self.cache), scan=False)
            gate(caller.actor, app, FieldMap(), sight_of(published.app))
            return published

        return await self.pinned(app, caller, run)

    # -- writes --------------------------------------------------------------------------------------------------------

    async def create(self, caller: Caller, app: str, entity: str, body: JSON) -> Written:
        """Create a record, with children if the body has them.

        Raises:
            Problem: ``record.invalid`` with every violation, ``request.unknown_name``, ``record.exists``.
        """

        async def run(published: PublishedApp) -> Written:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "create"), sight_of(published.app))
            w = self.writing(published, caller)
            made = finished(new_alone(w, owner, body))
            if made is None:  # a default looks something up
                made = await self._database.read(lambda: new_alone(w, owner, body), scan=False)
            record, violations = made
            await self._refuse(w, violations, record)

            def unit() -> Unit[Written]:
                yield from insert_records(w, [record])
                yield from finish(w)
                shown = record_json(w, record)
                written = (yield from self.written(w, owner, [shown]))[0]
                if not owner.definition.duplicates:
                    return written
                return replace(written, duplicates=tuple((yield from find_duplicates(w, owner, record.id, shown))))

            try:
                alone = w.sight is None and self._may_be_alone(w, owner) and not owner.definition.duplicates
                if alone and await create_alone(self._database, w, record):
                    return as_written(owner, record_json(w, record))
                return await self.write(w, owner, "create", unit)
            except ConstraintRefused as refused:
                await self._explain(refused, lambda: diagnose(w, suspects_of([record])))

        return await self.pinned(app, caller, run)

    async def work(self, caller: Caller, app: str, make: Callable[[Writing], Unit[T]]) -> T:
        """Run a unit of another room as one write: under the pinned app, with what follows from it, all or nothing.

        Raises:
            ConstraintRefused, and whatever the unit raises.
        """

        async def run(published: PublishedApp) -> T:
            w = self.writing(published, caller)

            def unit() -> Unit[T]:
                result = yield from make(w)
                yield from finish(w)
                return result

            return await self.transact(w, unit)

        return await self.pinned(app, caller, run)

    async def read_beside(
        self,
        caller: Caller,
        app: str,
        entity: str,
        record_id: str,
        make: Callable[[Writing, CompiledEntity, str], Unit[T]],
    ) -> T:
        """Run a reading unit of another room about a record that the caller may read; it is given the record's canonical id.

        Raises:
            Problem: what reading the record raises.
        """
        await self.get(caller, app, entity, record_id)

        async def run(published: PublishedApp) -> T:
            owner = target_entity(published, entity)
            w = self.writing(published, caller)
            return await self._database.read(lambda: make(w, owner, known_id(owner, record_id)))

        return await self.pinned(app, caller, run)

    async def load(
        self,
        caller: Caller,
        app: str,
        batches: Sequence[tuple[str, Sequence[dict[str, JSON]]]],
        later: Sequence[tuple[str, str, dict[str, JSON]]] = (),
        progress: Progress = lambda _: None,
    ) -> int:
        """Load records of several entities in one transaction; return how many.

        Raises:
            Problem: ``record.invalid``.
        """

        async def run(published: PublishedApp) -> int:
            field_map = FieldMap()
            for key, _ in batches:
                field_map.uses |= uses_of(get_entity(published, key), "create").uses
            gate(caller.actor, app, field_map, sight_of(published.app))
            w = self.writing(published, caller)
            try:
                return await self._database.write(lambda: load_records(w, batches, later, progress))
            except ConstraintRefused as refused:
                detail = say(
                    f"样例或导入数据违反约束,未写入任何记录:{refused}",
                    f"The records break a constraint; none was written: {refused}",
                )
                raise Problem("record.invalid", detail) from refused

        return await self.pinned(app, caller, run)

    async def update(
        self, caller: Caller, app: str, entity: str, record_id: str, body: JSON, if_match: int | None
    ) -> Written:
        """Change the fields a body gives.

        Raises:
            Problem: ``record.not_found``, ``record.changed``, ``record.invalid``, ``request.unknown_name``.
        """

        async def run(published: PublishedApp) -> Written:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "write"), sight_of(published.app))
            known = known_id(owner, record_id)
            w = self.writing(published, caller)

            def unit() -> Unit[Written]:
                shown = yield from update_record(w, owner, known, body, if_match)
                yield from finish(w)
                return (yield from self.written(w, owner, [shown]))[0]

            def look_again() -> Unit[list[Violation]]:
                change = yield from plan_whole_change(w, owner, known, body, "", [], if_match=if_match)
                return (yield from diagnose(w, suspects_of_change(change)))

            try:
                if w.sight is None and self._may_be_alone(w, owner):
                    after = await update_alone(self._database, w, owner, known, body, if_match)
                    if after is not None:
                        return as_written(owner, after)
                return await self.write(w, owner, "update", unit)
            except ConstraintRefused as refused:
                await self._explain(refused, look_again)

        return await self.pinned(app, caller, run)

    async def delete(self, caller: Caller, app: str, entity: str, record_id: str, if_match: int | None) -> None:
        """Delete a record; references to it follow their own rules.

        Raises:
            Problem: ``record.not_found``, ``record.changed``, ``record.referenced``.
        """

        async def run(published: PublishedApp) -> None:
            owner = target_entity(published, entity)
            gate(caller.actor, app, uses_of(owner, "delete"), sight_of(published.app))
            known = known_id(owner, record_id)
            w = self.writing(published, caller)

            def unit() -> Unit[None]:
                yield from delete_record(w, owner, known, if_match)
                yield from finish(w)

            try:
                await self.transact(w, unit)
            except ConstraintRefused as refused:
                raise StaleApp from refused  # somebody pointed to it meanwhile: look again

        await self.pinned(app, caller, run)

    # -- details -------------------------------------------------------------------------------------------------------

    async def pinned(self, app: str, caller: Caller, run: Callable[[PublishedApp], Awaitable[T]]) -> T:
        """Run with the pinned app as the caller sees it; if it was published meanwhile, pin again and repeat."""
        published = await self._pins.get(app)
        for _ in range(_REPEATS):
            try:
                seen = published
                if narrows(published, caller.actor):
                    seen = await self._narrowing.seen_by(published, caller.actor, caller.exporting)
                return await run(seen)
            except StaleApp:
                published = await self._pins.refresh(app)
            except Problem as problem:
                if problem.code not in _OF_THE_DEFINITION and not (
                    narrows(published, caller.actor) and problem.code in _OF_ROLES
                ):
                    raise
                stale, published = published, await self._pins.refresh(app)
                if published.pin == stale.pin:
                    if narrows(published, caller.actor):  # or by rights that have changed since
                        await self._check_rights(published, caller)
                    raise  # refused by the version that is published, too
            except SchemaMoved:
                stale, published = published, await self._pins.refresh(app)
                if published.pin == stale.pin:
                    raise  # no publish explains it
        raise Problem("service.unavailable", retry_after_seconds=1)

    async def _check_rights(self, published: PublishedApp, caller: Caller) -> None:
        await self._database.read(lambda: read_guard(published, caller, self.cache), scan=False)

    async def transact(self, w: Writing, make: Callable[[], Unit[T]]) -> T:
        """Run a writing unit under the pinned app: once for its Idempotency-Key, and undone if it is only tried.

        Raises:
            StaleApp, StaleIdentity, AnsweredBefore, Rehearsed, ConstraintRefused, and whatever the unit raises.
        """
        return await self._database.write(lambda: carry_once(w, make))

    async def write(self, w: Writing, owner: CompiledEntity, deed: str, make: Callable[[], Unit[T]]) -> T:
        """Run a unit that writes records of an entity: ahead of its transaction if that can be, or as ``transact`` does."""
        alone = self._may_be_alone(w, owner)
        written = await write_ahead(self._database, self._attempts, w, owner, deed, make) if alone else None
        if written is None:
            written = await self.transact(w, make)
            w.course.in_vain()  # only now: what is refused either way was no worse a try for that
        return written

    def _may_be_alone(self, w: Writing, owner: CompiledEntity) -> bool:
        """Whether a write may be one statement: nothing else has to stand in its transaction."""
        return w.caller.once is None and not (w.caller.dry_run or needs_reading(owner))

    def writing(self, published: PublishedApp, caller: Caller) -> Writing:
        """Return what a write stands on; ``published`` as the caller sees it."""
        whole = published.whole
        statements = RecordStatements(whole, self.cache)
        course = Course(self._stand_by.of(whole.app))
        changes = Changes(whole.app)
        return Writing(whole, caller, statements, self._clock.now(), self._ids, changes, course, published)

    def written(self, w: Writing, owner: CompiledEntity, shown: list[dict[str, JSON]]) -> Unit[list[Written]]:
        """Return written records as a read shows them."""
        return read_written(w, owner, shown, self._one_plans)

    async def _explain(self, refused: ConstraintRefused, find: Callable[[], Unit[list[Violation]]]) -> NoReturn:
        """Raise what a refused write broke; if that is gone meanwhile, ask for another try."""
        if refused.kind == "other":
            raise unexplained() from refused
        found = await self._database.write(find)
        if found:
            raise conflict(found) from refused
        raise StaleApp from refused

    async def _refuse(self, w: Writing, violations: list[Violation], record: NewRecord) -> None:
        """Refuse a body that is wrong, together with what rules and the database would have refused: every violation at once."""
        if not violations:
            return

        def unit() -> Unit[list[Violation]]:
            yield from lock_app(w)
            found = yield from judge_new(w, [record])
            found += yield from diagnose(w, suspects_of([record]))
            refuse(joined(violations, found))
            return found

        await self._database.write(unit)
