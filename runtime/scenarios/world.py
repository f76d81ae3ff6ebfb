"""The scratch instance of one scenario: who is there, what their names stand for, and what time it is."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.definition.automation import Automation
from builder.definition.kinds import AUTOMATIONS
from builder.definition.scenarios import Given, Scenario
from builder.fields.base import Field, label_text
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.choices import ChoiceField
from builder.kernel.canonical import parse_json
from builder.kernel.clock import MovableClock
from builder.kernel.problems import Problem
from builder.kernel.text import Text, say
from runtime.api.http import Application, Header
from runtime.automations.runs import run_table
from runtime.query.request import read_members
from runtime.records.caller import Caller, system_caller
from runtime.records.holding import not_found
from runtime.scenarios.asking import Answer, ask
from runtime.scenarios.clockworks import CLOCKWORKS
from runtime.services import Services

JSON = Any
_NAME = re.compile(r"@([a-z][a-z0-9_]{0,39})")
_CHANGES = {"add": say("加上", "with"), "remove": say("去掉", "without")}
_SCOPES = ("records:read", "records:write")
#: Rounds of one moment: what happens leads to more that is due at once, but not for ever.
_ROUNDS = 10_000


class StoryBroken(Exception):
    """The story cannot go on: what it says cannot be done."""

    def __init__(self, message: Text) -> None:
        self.message = message
        super().__init__(message.en)


@dataclass
class World:
    """What acts work on and expectations look at."""

    application: Application
    services: Services
    clock: MovableClock
    app: CompiledApp
    ids: dict[str, str] = field(default_factory=dict)
    """Name -> id of a person, record or file."""
    entities: dict[str, str] = field(default_factory=dict)
    """Name of a record -> its entity."""
    people: dict[str, str] = field(default_factory=dict)
    """Name of a person -> what they are called."""
    titles: dict[str, str] = field(default_factory=dict)
    """Id -> how people call it, for sentences."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Automation -> the secret of its webhook."""
    _tokens: dict[str, str] = field(default_factory=dict)

    # -- who and what there is -----------------------------------------------------------------------------------------

    async def settle(self, scenario: Scenario) -> None:
        """Bring in what is given."""
        self._add_people(scenario.given)
        caller = system_caller(self.services.ids.record_id(), "install")
        for record in scenario.given.records:
            self.name(record.name, self.services.ids.record_id(), record.entity)
            values = {"id": self.ids[record.name], **self.real(record.values)}
            await self.services.records.load(caller, self.app.key, [(record.entity, [values])])
        await self.work()

    def _add_people(self, given: Given) -> None:
        identity = self.services.identity
        departments: dict[str, str] = {}
        for department in given.departments:
            parent = departments.get(department.parent or "")
            made = identity.departments.create_department(department.key, department.name, parent)
            departments[department.key] = made.id
            self.name(department.key, made.id)
            self.titles[made.id] = department.name
        for user in given.users:
            values = {
                "username": user.key,
                "name": user.name,
                "role": user.role,
                "kind": user.kind,
                "department_id": departments.get(user.department or ""),
                "manager_id": self.ids.get(user.manager or ""),
            }
            person = identity.users.create_user(values)
            self.name(user.key, person.id)
            self.people[user.key] = user.name
            self.titles[person.id] = user.name
            for role in user.app_roles:
                identity.grants.give(self.app.key, role, "user", person.id)
            self._tokens[user.key] = identity.tokens.create_token(person, "scenario", _SCOPES)[0]
        for department in given.departments:
            if department.manager is not None:
                identity.departments.update_department(
                    departments[department.key], {"manager_id": self.ids[department.manager]}
                )

    def name(self, name: str, identifier: str, entity: str = "") -> None:
        """Let a name stand for an id."""
        self.ids[name] = identifier
        self.titles.setdefault(identifier, name)
        if entity:
            self.entities[name] = entity

    # -- names for ids ---------------------------------------------------------------------------------------------------

    def real(self, value: JSON) -> JSON:
        """Return a value with ids in place of ``@names``.

        Raises:
            StoryBroken: a name stands for nothing.
        """
        if isinstance(value, str) and value.startswith("@"):
            return self.id_of(value[1:])
        if isinstance(value, dict):
            return {key: self.real(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.real(item) for item in value]
        return value

    def path(self, text: str) -> str:
        """Return a path below the app, or from the root, with ids in place of ``@names``."""
        found = _NAME.sub(lambda match: self.id_of(match[1]), text)
        return found if found.startswith("/") else f"/api/{self.app.key}/{found}"

    def id_of(self, name: str) -> str:
        """Return what a name stands for."""
        found = self.ids.get(name)
        if found is None:
            raise StoryBroken(say(f"名称 @{name} 还没有代表任何东西", f"The name @{name} stands for nothing yet"))
        return found

    def entity_of(self, name: str) -> CompiledEntity:
        """Return the entity of a named record."""
        key = self.entities.get(name)
        if key is None:
            raise StoryBroken(say(f"@{name} 不是记录", f"@{name} is no record"))
        return self.app.entities[key]

    def place_of(self, name: str) -> str:
        """Return the path of a named record below the app."""
        return self.path(f"records/{self.entity_of(name).key}/@{name}")

    # -- doing and looking -----------------------------------------------------------------------------------------------

    async def ask(
        self,
        by: str,
        method: str,
        path: str,
        *,
        body: JSON = None,
        content: bytes | None = None,
        headers: tuple[Header, ...] = (),
    ) -> Answer:
        """Send a request as a person, then let everything happen that is due at once."""
        token = self._tokens.get(by)
        if token is None:
            raise StoryBroken(say(f"没有名为 {by} 的用户", f"There is no user {by}"))
        answer = await ask(self.application, method, path, token, body=body, content=content, headers=headers)
        await self.work()
        return answer

    def caller(self) -> Caller:
        """The eye of the scenario: it sees everything."""
        return system_caller(self.services.ids.record_id(), "rest")

    async def find_record(self, name: str) -> dict[str, JSON] | None:
        """Return a record as it is; None if it is gone."""
        entity = self.entity_of(name)
        try:
            found = await self.services.records.get(self.caller(), self.app.key, entity.key, self.id_of(name))
        except Problem as problem:
            if problem.code == not_found(entity, "").code:
                return None
            raise
        body: dict[str, JSON] = parse_json(found.body)
        return body

    async def count(self, entity: str, where: str | None) -> tuple[int, list[str]]:
        """Return how many records meet a condition, and the ids of the first of them."""
        members: dict[str, JSON] = {"limit": 10, "fields": ["id"], "count": "exact"}
        if where is not None:
            members["filter"] = where
        page = await self.services.records.list_page(self.caller(), self.app.key, entity, read_members(members))
        assert page.counted is not None
        return int(page.counted.number), [str(parse_json(row)["id"]) for row in page.records]

    def automation(self, key: str) -> Automation:
        """Return an automation."""
        found = self.app.definition.find(AUTOMATIONS, key)
        if found is None:
            raise StoryBroken(say(f"没有自动化“{key}”", f"There is no automation {key}"))
        return found

    def automation_label(self, key: str) -> Text:
        """How an automation is called."""
        return label_text(self.automation(key).label)

    async def record_of_run(self, run_id: str) -> str | None:
        """Return the id of the record that an automation ran for."""
        chosen = sa.select(run_table.c.record_id).where(run_table.c.id == run_id)
        with self.services.database.snapshot() as connection:
            found = connection.execute(chosen).scalar_one_or_none()
        return None if found is None else str(found)

    async def count_as(self, by: str, entity: str, where: str | None) -> tuple[int, list[str]]:
        """Return what ``count`` does as a person sees it; of what they do not see at all there is nothing."""
        members: dict[str, JSON] = {"limit": 10, "fields": ["id"], "count": "exact"}
        if where is not None:
            members["filter"] = where
        answer = await self.ask(by, "POST", self.path(f"records/{entity}/query"), body=members)
        if answer.status != 200:
            return 0, []
        return int(answer.body["meta"]["count"]), [str(row["id"]) for row in answer.body["data"]]

    # -- time ------------------------------------------------------------------------------------------------------------

    def moment(self, local: str) -> datetime:
        """Return a moment of the app's clock."""
        return datetime.fromisoformat(local).replace(tzinfo=self.app.zone)

    def local(self, at: datetime | None = None) -> str:
        """Write a moment by the app's clock; now if left out."""
        return (at or self.clock.now()).astimezone(self.app.zone).strftime("%Y-%m-%d %H:%M")

    async def work(self) -> None:
        """Let everything happen that is due now."""
        works = [make(self.services) for make in CLOCKWORKS]
        for _ in range(_ROUNDS):
            done = [await one.work() for one in works]
            if not any(done):
                return
        raise StoryBroken(say("此刻的事情没完没了", "What happens at this moment never ends"))

    async def advance(self, until: datetime) -> int:
        """Let time pass, from one due moment to the next; return how often something was due."""
        if until < self.clock.now():
            raise StoryBroken(say("时间不能倒流", "Time does not go back"))
        moments = 0
        last: datetime | None = None
        while (following := await self._next_due()) is not None and following <= until:
            if following == last:
                raise StoryBroken(
                    say(
                        f"{self.local(following)} 的事情没有做完,时间停在这里",
                        f"What is due at {self.local(following)} does not get done, so time stands still",
                    )
                )
            self.clock.advance(max(following - self.clock.now(), timedelta(0)))
            await self.work()
            last = following
            moments += 1
        self.clock.advance(until - self.clock.now())
        await self.work()
        return moments

    async def _next_due(self) -> datetime | None:
        dues = [await make(self.services).next_due() for make in CLOCKWORKS]
        return min((due for due in dues if due is not None), default=None)

    # -- words -----------------------------------------------------------------------------------------------------------

    def person(self, name: str) -> str:
        """What a person is called."""
        return self.people.get(name, name)

    def values_words(self, entity: CompiledEntity, values: dict[str, JSON]) -> Text:
        """Say what fields are given which values."""
        zh, en = [], []
        for key, value in values.items():
            definition = entity.find_field(key)
            label = label_text(definition.label) if definition is not None else say(key, key)
            info = self.app.find_field(entity.key, key)
            is_moment = info is not None and info.type.kind == "datetime"  # the latest of some records, too
            if is_moment and isinstance(value, str):
                with contextlib.suppress(ValueError):
                    value = self.local(datetime.fromisoformat(value))
            shown = self._shown(definition, value)
            zh.append(f"{label.zh}={shown.zh}")
            en.append(f"{label.en} = {shown.en}")
        return say("、".join(zh), ", ".join(en))

    def _shown(self, definition: Field | None, value: JSON) -> Text:
        """Write a value for people: labels of options, names, the app's clock."""
        if value is None or value == []:
            return say("–", "–")
        if isinstance(value, list | tuple):
            parts = [self._shown(definition, item) for item in value]
            return say("、".join(part.zh for part in parts), ", ".join(part.en for part in parts))
        if isinstance(value, dict) and isinstance(definition, MultiReferenceField):
            return self._links(definition, value)
        if isinstance(value, dict):  # a place, or what has parts
            listed = [f"{name} {self._shown(None, part).zh}" for name, part in value.items()]
            return say("、".join(listed), ", ".join(listed))
        if isinstance(value, bool):
            return say("是", "yes") if value else say("否", "no")
        if isinstance(value, str) and value.startswith("@"):
            name = self.people.get(value[1:], value[1:])
            return say(name, name)
        if isinstance(value, str) and isinstance(definition, ChoiceField):
            return definition.option_label(value)
        return say(str(value), str(value))

    def _links(self, definition: MultiReferenceField, value: dict[str, JSON]) -> Text:
        """Write one link with its attributes, or what is added and taken away."""
        if "id" not in value:
            told = [(_CHANGES[name], self._shown(definition, part)) for name, part in value.items() if name in _CHANGES]
            zh = ";".join(f"{change.zh} {shown.zh}" for change, shown in told)
            return say(zh, "; ".join(f"{change.en} {shown.en}" for change, shown in told))
        name, labels = self._shown(None, value["id"]), {each.key: each for each in definition.attributes}
        parts = []
        for key, part in (value.get("attributes") or {}).items():
            attribute = labels.get(key)
            label = say(key, key) if attribute is None else label_text(attribute.label)
            shown = self._shown(attribute, part)
            parts.append(say(f"{label.zh} {shown.zh}", f"{label.en} {shown.en}"))
        zh, en = ",".join(part.zh for part in parts), ", ".join(part.en for part in parts)
        return say(f"{name.zh}({zh})" if zh else name.zh, f"{name.en} ({en})" if en else name.en)

    def titled(self, identifier: str) -> str:
        """How people call what has an id."""
        return self.titles.get(identifier, identifier)


def scratch_tables(connection: sa.Connection) -> None:
    """Make the tables that only scenarios have."""
    from runtime.scenarios.post import metadata

    metadata.create_all(connection)
