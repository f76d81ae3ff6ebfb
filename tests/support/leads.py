"""An app with reminders for tests: leads that are followed up, conversations, visits. And a post box that keeps what would be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from builder.store.statement import Unit
from runtime.automations.people import PlatformPeople
from runtime.automations.ports import Call, Letter, Ports
from runtime.records.writer import Writing
from runtime.timers.firing import ActionEffects
from runtime.timers.service import Timers
from tests.support.desk import Desk, publish_definition
from tests.support.service import Service, running

JSON = Any
APP = "leads"
SHANGHAI = ZoneInfo("Asia/Shanghai")


class PostBox:
    """Keeps what the actions put down."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def post_letter(self, w: Writing, letter: Letter) -> Unit[None]:
        # the transaction may be undone and tried again: two letters of one key are one
        self.letters = [known for known in self.letters if known.key != letter.key] + [letter]
        yield from ()

    def post_call(self, w: Writing, call: Call) -> Unit[None]:
        yield from ()
        raise AssertionError(call)

    def subjects(self) -> list[str]:
        """What was said, in order."""
        return [letter.subject.zh for letter in self.letters]


class Office(Desk):
    """A desk with people and timers whose letters can be read."""

    def __init__(self, service: Service, client: Any) -> None:
        super().__init__(service, client, APP)
        services = service.app.services
        self.box = PostBox()
        effects = ActionEffects(Ports(PlatformPeople(), outward=self.box))
        self.timers = Timers(services.database, services.records, service.clock, services.ids, effects)
        self.people: dict[str, str] = {}

    async def at(self, text: str) -> list[str]:
        """Move the clock to a local moment, fire what is due until nothing is, and return what was said."""
        moment = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
        self.service.clock.advance(moment - self.service.clock.now())
        return await self.tick()

    async def tick(self) -> list[str]:
        """Fire what is due until nothing is; return what was said."""
        before = len(self.box.letters)
        while True:
            done = await self.timers.tick()
            if not done.fired and not done.looked_at:
                return self.box.subjects()[before:]

    async def timers_of(self, record: str, entity: str = "lead") -> dict[str, JSON]:
        """The timers of a record by reminder."""
        reply = await self.send("GET", f"records/{entity}/{record}/timers")
        assert reply.status_code == 200, reply.text
        return {timer["reminder"]: timer for timer in reply.json()["data"]["timers"]}

    async def fired(self, record: str, entity: str = "lead") -> list[tuple[str, str]]:
        """What became of the steps of a record: (reminder, outcome), the latest first."""
        reply = await self.send("GET", f"records/{entity}/{record}/timers")
        return [(line["reminder"], line["outcome"]) for line in reply.json()["data"]["fired"]]


def tell(subject: str, *who: JSON) -> JSON:
    """A notice as an action."""
    return {"type": "notify", "to": list(who) or [{"field": "owner"}], "subject": subject}


def reminder(key: str, when: JSON, *steps: JSON, entity: str = "lead", **members: JSON) -> JSON:
    """A reminder's document."""
    return {"key": key, "label": key, "entity": entity, "when": when, "steps": list(steps), **members}


def step(after: str, *actions: JSON, **members: JSON) -> JSON:
    """A step so long after the occasion."""
    return {"after": after, "actions": list(actions), **members}


def definition(*reminders: JSON, calendars: list[JSON] | None = None, **app: JSON) -> JSON:
    """The app."""
    stages = ("assigned", "visited", "waiting", "won")
    lead = {
        "key": "lead",
        "label": "线索",
        "fields": [
            {"key": "title", "type": "text", "label": "标题", "required": True},
            {
                "key": "stage",
                "type": "select",
                "label": "阶段",
                "default": "assigned",
                "options": [{"key": k, "label": k} for k in stages],
            },
            {"key": "owner", "type": "user", "label": "负责人"},
            {"key": "customer", "type": "reference", "label": "客户", "entity": "customer"},
            {"key": "close_on", "type": "date", "label": "签约日"},
            {"key": "flag", "type": "text", "label": "标记"},
            {"key": "talks", "type": "children", "label": "沟通", "entity": "talk", "via": "lead"},
            {
                "key": "last_talk_at",
                "type": "rollup",
                "label": "最近沟通",
                "relation": "talks",
                "function": "max",
                "value": "happened_at",
            },
        ],
    }
    talk = {
        "key": "talk",
        "label": "沟通",
        "fields": [
            {"key": "lead", "type": "reference", "label": "线索", "entity": "lead", "on_delete": "cascade"},
            {"key": "owner", "type": "user", "label": "记录人"},
            {"key": "need", "type": "text", "label": "核心诉求"},
            {"key": "valid", "type": "boolean", "label": "有效"},
            {"key": "happened_at", "type": "datetime", "label": "时间"},
        ],
    }
    customer = {
        "key": "customer",
        "label": "客户",
        "fields": [
            {"key": "name", "type": "text", "label": "名称"},
            {"key": "level", "type": "text", "label": "等级"},
            {"key": "ends_at", "type": "datetime", "label": "合同到期"},
        ],
    }
    found: JSON = {
        "app": {"key": APP, "label": "线索", **app},
        "entities": [lead, talk, customer],
        "reminders": list(reminders),
    }
    return {**found, "calendars": calendars} if calendars else found


@asynccontextmanager
async def office(
    database_url: str, *reminders: JSON, start: str = "2026-11-23T09:00", **members: JSON
) -> AsyncIterator[Office]:
    """Run an instance with the app; boss leads chief leads zhang and li."""
    async with running(database_url) as service:
        service.clock.advance(datetime.fromisoformat(start).replace(tzinfo=SHANGHAI) - service.clock.now())
        people: dict[str, str] = {}
        for name, above in (("boss", None), ("chief", "boss"), ("zhang", "chief"), ("li", "chief")):
            role = "admin" if name == "boss" else "member"
            people[name] = service.add_user(name, role, manager_id=people.get(above or "")).id
        publish_definition(service.app.services.registry, definition(*reminders, **members))
        async with service.client_of("boss", "records:read", "records:write", "builder") as client:
            made = Office(service, client)
            made.people = people
            yield made
