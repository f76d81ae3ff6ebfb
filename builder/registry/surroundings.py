"""What an app expects around it: other apps that it follows or that follow it, connections it sends through, people. Doubts, no errors: they may come later."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from builder.checks.finding import Finding, warning
from builder.definition.actions.call_connector import CallConnector
from builder.definition.actions.notify import Notify
from builder.definition.actions.send_webhook import SendWebhook
from builder.definition.automation import Automation
from builder.definition.entity import SYSTEM_KEYS
from builder.definition.kinds import APP, ENTITIES, Definition, DocumentId
from builder.definition.references import find_models
from builder.definition.triggers.app_event import AppEvent
from builder.kernel.canonical import parse_json
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from builder.registry.followers import find_followers, find_unknown, package_fields, published_versions
from builder.registry.people_named import look_for_people
from builder.registry.registry import get_package
from builder.store import delivery_tables


def look_around(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    """Yield a warning for every app, entity, field, connection and person that a definition names and that is not there now, and for what
    other apps' automations name in it in vain."""
    yield from _apps(connection, definition)
    yield from _followers(connection, definition)
    yield from _connections(connection, definition)
    yield from look_for_people(connection, definition)


def _apps(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    followed = [(place, place.model.trigger) for place in find_models(definition, Automation)]  # type: ignore[attr-defined]
    followed = [(place, trigger) for place, trigger in followed if isinstance(trigger, AppEvent)]
    if not followed:
        return
    published = published_versions(connection)
    for place, trigger in followed:
        if trigger.app not in published:
            hint = nearest_hint(trigger.app, published)
            message = say(
                f"还没有发布应用“{trigger.app}”,这个触发器暂不会启动{hint.zh}",
                f'The app "{trigger.app}" is not published: nothing starts this yet{hint.en}',
            )
            yield warning("trigger.elsewhere", place.document, "/trigger/app", message)
            continue
        package = parse_json(get_package(connection, trigger.app, published[trigger.app]))
        for unknown in find_unknown(trigger, package_fields(package)):
            yield warning("trigger.elsewhere", place.document, unknown.pointer, unknown.message)


def _followers(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    """What other apps' automations name here, find as it is published, and will not find any more."""
    version = published_versions(connection).get(definition.key)
    followers = find_followers(connection, definition.key) if version else []
    if not followers or version is None:
        return
    former = package_fields(parse_json(get_package(connection, definition.key, version)))
    entities = {
        entity.key: frozenset((*SYSTEM_KEYS, *(field.key for field in entity.fields))) for entity in definition.entities
    }
    for follower in followers:
        known = {unknown.pointer for unknown in find_unknown(follower.trigger, former)}
        for unknown in find_unknown(follower.trigger, entities):
            if unknown.pointer in known:
                continue  # it is wrong there already
            there = f"{follower.app}/{follower.automation}"
            message = say(
                f"自动化“{there}”跟随本应用的事件,发布后要改它:{unknown.message.zh}",
                f'The automation "{there}" follows events of this app and has to be changed: {unknown.message.en}',
            )
            entity = definition.find_entity(follower.trigger.of_entity)
            document = DocumentId(ENTITIES.name, entity.key) if entity else DocumentId(APP.name, definition.key)
            yield warning("app.followed", document, "", message)


def _connections(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    named = [
        (place, key, member)
        for kind, member in ((Notify, "channel"), (SendWebhook, "connection"), (CallConnector, "connection"))
        for place in find_models(definition, kind)
        if (key := getattr(place.model, member)) is not None and not place.model.if_connected  # type: ignore[attr-defined]  # is told to do without
    ]
    if not named:
        return
    row = delivery_tables.connection.c
    known = list(connection.scalars(sa.select(row.key).where(row.active)))
    for place, key, member in named:
        if key not in known:
            hint = nearest_hint(key, known)
            message = say(
                f"还没有连接“{key}”,请管理员添加{hint.zh}",
                f'There is no connection "{key}"; an admin has to add it{hint.en}',
            )
            yield warning("connection.missing", place.document, f"{place.pointer}/{member}", message)
