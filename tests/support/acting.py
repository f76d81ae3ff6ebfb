"""Actions in tests: an instance with the shop, ports that note what leaves the house, and a reaction that carries actions out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import TypeAdapter

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.actions import Actions
from builder.kernel.text import Text, say
from builder.store.statement import Unit
from runtime.automations.actions.base import Occasion, Outcome
from runtime.automations.carrying import carry_out
from runtime.automations.people import PlatformPeople
from runtime.automations.ports import Call, Chosen, Letter, Ports
from runtime.expressions.prepared import Subject
from runtime.records.caller import system_caller
from runtime.records.changes import update_record
from runtime.records.seams import Fact, Seams
from runtime.records.service import Records
from runtime.records.writer import Writing
from tests.support import shop
from tests.support.desk import publish_definition
from tests.support.service import Service, running

JSON = Any
CALLER = system_caller("test", "rest")
_ACTIONS: TypeAdapter[Any] = TypeAdapter(Actions)


class Noted:
    """Ports that note what they were asked."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.calls: list[Call] = []
        self.moves: list[tuple[str, str, Text | None]] = []
        self.approvals: list[tuple[str, str]] = []

    def post_letter(self, w: Writing, letter: Letter) -> Unit[None]:
        self.letters.append(letter)
        yield from ()

    def post_call(self, w: Writing, call: Call) -> Unit[None]:
        self.calls.append(call)
        yield from ()

    def move(self, w: Writing, subject: Subject, transition: str, reason: Text | None) -> Unit[None]:
        self.moves.append((subject.record_id, transition, reason))
        yield from ()

    def start(self, w: Writing, subject: Subject, approval: str) -> Unit[None]:
        self.approvals.append((subject.record_id, approval))
        yield from ()

    def assign(self, w: Writing, subject: Subject, rule: str) -> Unit[Chosen]:
        yield from update_record(w, subject.entity, subject.record_id, {"note": f"assigned by {rule}"}, None)
        return Chosen("somebody", say("分给某人", "Given to somebody"))

    def ports(self) -> Ports:
        """These ports, with people as the platform knows them."""
        return Ports(PlatformPeople(), outward=self, stages=self, approvals=self, assigner=self)


class Acting:
    """A reaction: carries actions out for records of one entity when they are written."""

    rewrites = True

    def __init__(self, entity: str, actions: Sequence[JSON], noted: Noted) -> None:
        self._entity = entity
        self._actions = _ACTIONS.validate_python(tuple(actions), strict=False)
        self._ports = noted.ports()
        self.outcomes: list[Outcome] = []
        self.waiting_from: int | None = None

    def concerns(self, app: CompiledApp, entity: CompiledEntity) -> bool:
        """Its entity only."""
        return entity.key == self._entity

    def react(self, w: Writing, facts: Sequence[Fact]) -> Unit[None]:
        """Carry the actions out, once in a write; a write may be run several times until one counts."""
        if "acting" in w.course.remembered:
            return
        w.course.remembered["acting"] = True
        fact = facts[0]
        shown = fact.after or fact.before
        subject = Subject(fact.entity, fact.record_id, shown, fact.before, gone=fact.deed == "deleted")
        carried = yield from carry_out(Occasion(w, self._ports, subject, "run"), self._actions)
        self.outcomes = list(carried.outcomes)
        self.waiting_from = carried.waiting_from


class Shop:
    """A running instance with the shop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.noted = Noted()
        publish_definition(service.app.services.registry, shop.definition())

    def records(self, acting: Acting | None = None) -> Records:
        """The records service, with or without a reaction."""
        s = self.service.app.services
        return Records(s.database, s.registry, s.clock, s.ids, Seams((), (acting,) if acting else ()))

    async def create(self, entity: str, acting: Acting | None = None, **values: JSON) -> dict[str, JSON]:
        """Create a record."""
        return (await self.records(acting).create(CALLER, shop.APP, entity, values)).record

    async def after(self, actions: Sequence[JSON], entity: str = "order", **values: JSON) -> Acting:
        """Create a record of which these actions follow; return what became of them."""
        acting = Acting(entity, actions, self.noted)
        await self.create(entity, acting, **values)
        return acting

    async def every(self, entity: str) -> list[dict[str, JSON]]:
        """All records of an entity."""
        from builder.kernel.canonical import parse_json
        from runtime.query.request import read_members

        page = await self.records().list_page(CALLER, shop.APP, entity, read_members({"sort": ["created_at"]}))
        return [parse_json(body) for body in page.records]


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Shop]:
    """Run an instance with the shop."""
    async with running(database_url) as service:
        yield Shop(service)
