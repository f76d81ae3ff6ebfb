"""What an app expects around it: other apps whose events it follows, connections it sends through. Doubts, no errors: they may come later."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from builder.checks.finding import Finding, warning
from builder.definition.actions.call_connector import CallConnector
from builder.definition.actions.notify import Notify
from builder.definition.actions.send_webhook import SendWebhook
from builder.definition.automation import Automation
from builder.definition.kinds import Definition
from builder.definition.references import find_models
from builder.definition.triggers.app_event import AppEvent
from builder.kernel.canonical import parse_json
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say
from builder.registry.registry import get_package
from builder.store import delivery_tables, tables


def look_around(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    """Yield a warning for every app, entity and connection that a definition names and that is not there now."""
    yield from _apps(connection, definition)
    yield from _connections(connection, definition)


def _apps(connection: sa.Connection, definition: Definition) -> Iterator[Finding]:
    followed = [(place, place.model.trigger) for place in find_models(definition, Automation)]  # type: ignore[attr-defined]
    followed = [(place, trigger) for place, trigger in followed if isinstance(trigger, AppEvent)]
    if not followed:
        return
    row = tables.app.c
    published = {
        key: version for key, version in connection.execute(sa.select(row.key, row.published_version)) if version
    }
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
        entities = [entity["key"] for entity in package.get("entities", ())]
        if trigger.of_entity not in entities:
            hint = nearest_hint(trigger.of_entity, entities)
            message = say(
                f"应用“{trigger.app}”没有实体“{trigger.of_entity}”{hint.zh}",
                f'The app "{trigger.app}" has no entity "{trigger.of_entity}"{hint.en}',
            )
            yield warning("trigger.elsewhere", place.document, "/trigger/of_entity", message)


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
