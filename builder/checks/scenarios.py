"""Scenarios speak of people, records and fields that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builder.checks.finding import Finding, error
from builder.definition.kinds import PIPELINES, SCENARIOS, Definition, DocumentId
from builder.definition.scenarios import Scenario
from builder.definition.scenarios.base import PersonalAct
from builder.definition.stories import made_entity
from builder.fields.base import label_text
from builder.kernel.problems import key_hint, nearest_hint
from builder.kernel.text import Text, say

JSON = Any


def check_scenarios(definition: Definition) -> Iterator[Finding]:
    """Every name of a scenario stands for something by the time it is used, every field exists."""
    for scenario in definition.of(SCENARIOS):
        yield from _Names(definition, scenario).check()


class _Names:
    """Follows a story and the names in it."""

    def __init__(self, definition: Definition, scenario: Scenario) -> None:
        self._definition = definition
        self._scenario = scenario
        self._here = DocumentId(SCENARIOS.name, scenario.key)
        self._people = {user.key for user in scenario.given.users}
        self._names: dict[str, str] = {}
        """Name -> entity of a record, or empty."""

    def check(self) -> Iterator[Finding]:
        yield from self._given()
        for place, chapter in enumerate(self._scenario.story):
            for number, act in enumerate(chapter.when):
                yield from self._step(act, f"/story/{place}/when/{number}")
                if isinstance(act, PersonalAct) and act.by not in self._people:
                    yield self._wrong("name", f"/story/{place}/when/{number}/by", self._no_name(act.by, self._people))
            for number, expected in enumerate(chapter.then):
                yield from self._step(expected, f"/story/{place}/then/{number}")

    def _given(self) -> Iterator[Finding]:
        given = self._scenario.given
        known: set[str] = set()
        for place, department in enumerate(given.departments):
            yield from self._take(department.key, "", f"/given/departments/{place}/key")
            known.add(department.key)
            if department.parent is not None and department.parent not in known:
                pointer = f"/given/departments/{place}/parent"
                yield self._wrong("name", pointer, self._no_name(department.parent, known))
            if department.manager is not None and department.manager not in self._people:
                pointer = f"/given/departments/{place}/manager"
                yield self._wrong("name", pointer, self._no_name(department.manager, self._people))
        before: set[str] = set()
        for place, user in enumerate(given.users):
            yield from self._take(user.key, "", f"/given/users/{place}/key")
            if user.department is not None and user.department not in known:
                yield self._wrong("name", f"/given/users/{place}/department", self._no_name(user.department, known))
            if user.manager is not None and user.manager not in before:
                yield self._wrong("name", f"/given/users/{place}/manager", self._no_name(user.manager, before))
            before.add(user.key)
        for place, record in enumerate(given.records):
            pointer = f"/given/records/{place}"
            yield from self._values(record.entity, record.values, f"{pointer}/values")
            yield from self._take(record.name, record.entity, f"{pointer}/name")

    def _step(self, step: Any, pointer: str) -> Iterator[Finding]:
        entity = getattr(step, "entity", None)
        record = getattr(step, "record", None)
        if record is not None:
            if record not in self._names:
                yield self._wrong("name", f"{pointer}/record", self._no_name(record, self._names))
            entity = self._names.get(record)
        values = getattr(step, "values", None)
        if values and entity:
            yield from self._values(entity, values, f"{pointer}/values")
        if step.type == "notice":
            for number, name in enumerate(step.to):
                if name not in self._people:
                    yield self._wrong("name", f"{pointer}/to/{number}", self._no_name(name, self._people))
        if step.type == "move" and entity:
            yield from self._move(step.transition, entity, f"{pointer}/transition")
        made = getattr(step, "name", None)
        if made is not None:
            yield from self._take(made, made_entity(self._definition, step), f"{pointer}/name")

    def _move(self, transition: str, entity: str, pointer: str) -> Iterator[Finding]:
        known = [t.key for p in self._definition.of(PIPELINES) if p.entity == entity for t in p.transitions]
        if transition not in known:
            hint = nearest_hint(transition, known)
            text = say(f"没有流转“{transition}”{hint.zh}", f'There is no transition "{transition}"{hint.en}')
            yield self._wrong("transition", pointer, text)

    def _values(self, entity: str, values: dict[str, JSON], pointer: str) -> Iterator[Finding]:
        owner = self._definition.find_entity(entity)
        if owner is None:
            return  # the name of the entity is reported where it stands
        known = {field.key: label_text(field.label) for field in owner.fields}
        for key, value in values.items():
            if key not in known and key not in ("created_at", "created_by", "revision", "updated_at", "updated_by"):
                hint = key_hint(key, ((one, words) for one, label in known.items() for words in label))
                text = say(f"“{entity}”没有字段“{key}”{hint.zh}", f'"{entity}" has no field "{key}"{hint.en}')
                yield self._wrong("field", f"{pointer}/{key}", text)
            for name in _named(value):
                if name not in self._names:
                    yield self._wrong("name", f"{pointer}/{key}", self._no_name(name, self._names))

    def _take(self, name: str, entity: str, pointer: str) -> Iterator[Finding]:
        if name in self._names:
            text = say(f"名称“{name}”已被使用", f'The name "{name}" stands for something already')
            yield self._wrong("twice", pointer, text)
        self._names[name] = entity

    def _no_name(self, name: str, known: Any) -> Text:
        hint = nearest_hint(name, known)
        return say(f"此时还没有“{name}”{hint.zh}", f'There is no "{name}" by then{hint.en}')

    def _wrong(self, code: str, pointer: str, text: Text) -> Finding:
        return error(f"scenario.{code}", self._here, pointer, text)


def _named(value: JSON) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("@"):
        yield value[1:]
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _named(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _named(item)
