"""Automations that follow the events of another app: what they name there, and which of it is not (or will not be) there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa

from builder.definition.automation import Automation
from builder.definition.entity import SYSTEM_KEYS
from builder.definition.kinds import AUTOMATIONS
from builder.definition.triggers.app_event import AppEvent
from builder.kernel.canonical import parse_json
from builder.kernel.problems import nearest_hint
from builder.kernel.text import Text, say
from builder.registry.registry import get_package
from builder.store import tables

JSON = Any
Fields = Mapping[str, frozenset[str]]
"""Entity -> its fields and the system's."""
_OF_A_RECORD = ("record", "changes")
"""Members of a message whose own members are fields."""


class Follower(NamedTuple):
    """An automation of another app that waits for events here."""

    app: str
    automation: str
    trigger: AppEvent


class Unknown(NamedTuple):
    """Something a trigger names that the other app does not have."""

    pointer: str
    message: Text


def published_versions(connection: sa.Connection) -> dict[str, int]:
    """Return the apps that are published, with their versions."""
    row = tables.app.c
    found = connection.execute(sa.select(row.key, row.published_version))
    return {key: version for key, version in found if version}


def package_fields(package: Mapping[str, JSON]) -> Fields:
    """Return the fields of the entities of a package."""
    return {
        entity["key"]: frozenset((*SYSTEM_KEYS, *(field["key"] for field in entity.get("fields", ()))))
        for entity in package.get("entities", ())
    }


def find_followers(connection: sa.Connection, app: str) -> list[Follower]:
    """Return who follows an app, of the versions that are published. Cost: the packages that follow anything are parsed."""
    found: list[Follower] = []
    for other, version in sorted(published_versions(connection).items()):
        text = get_package(connection, other, version) if other != app else ""
        if '"app_event"' not in text:
            continue
        for document in parse_json(text).get(AUTOMATIONS.name, ()):
            if document["trigger"].get("type") == "app_event" and document["trigger"]["app"] == app:
                automation = Automation.model_validate(document, strict=False)
                assert isinstance(automation.trigger, AppEvent)
                found.append(Follower(other, automation.key, automation.trigger))
    return found


def find_unknown(trigger: AppEvent, entities: Fields) -> Iterator[Unknown]:
    """Yield what a trigger names that is not among these entities and fields, by where it stands in the automation."""
    fields = entities.get(trigger.of_entity)
    if fields is None:
        hint = nearest_hint(trigger.of_entity, entities)
        message = say(
            f"应用“{trigger.app}”没有实体“{trigger.of_entity}”{hint.zh}",
            f'The app "{trigger.app}" has no entity "{trigger.of_entity}"{hint.en}',
        )
        yield Unknown("/trigger/of_entity", message)
        return
    for member in ("only", "match", "set"):
        for place, pair in enumerate(getattr(trigger, member)):
            name = _field_at(pair.at)
            if name is not None and name not in fields:
                hint = nearest_hint(name, fields)
                message = say(
                    f"应用“{trigger.app}”的“{trigger.of_entity}”没有字段“{name}”{hint.zh},消息里不会有它",
                    f'"{trigger.of_entity}" of the app "{trigger.app}" has no field "{name}"{hint.en}: it is in no message',
                )
                yield Unknown(f"/trigger/{member}/{place}/at", message)


def _field_at(pointer: str | None) -> str | None:
    """Return the field that a pointer into a message names; None if it names none."""
    parts = (pointer or "").split("/")[1:]
    return parts[1].replace("~1", "/").replace("~0", "~") if len(parts) > 1 and parts[0] in _OF_A_RECORD else None
