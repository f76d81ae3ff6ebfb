"""Two apps, one of which follows the other: what a rename, a removal or an uninstall there would break is told on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from builder.definition.parse import parse_definition
from builder.registry.apps import create_app, delete_app, describe_deletion, put_draft
from builder.registry.publishing import plan_draft, publish_draft
from builder.registry.registry import Registry
from tests.support.builder import entity, field, open_registry, package

JSON = Any
TRIGGER = {
    "type": "app_event",
    "app": "sales",
    "of_entity": "deal",
    "only": [{"at": "/record/state", "among": ["won"]}, {"at": "/kind", "among": ["updated"]}],
    "match": [{"field": "ref", "at": "/record_id"}],
    "set": [{"field": "title", "at": "/record/name"}, {"field": "before", "at": "/changes/name/0"}],
}
BILL = entity("bill", field("title"), field("ref", unique=True), field("before"))
DEAL = entity("deal", field("name"), field("state"))


def sales(*entities: JSON) -> JSON:
    return package(*entities, key="sales")


def finance() -> JSON:
    home = {"key": "won", "label": "won", "entity": "bill", "trigger": TRIGGER}
    actions = [{"type": "set_fields", "set": [{"field": "title", "formula": "title"}]}]
    return {**package(BILL, key="fin"), "automations": [{**home, "actions": actions}]}


@pytest.fixture
def registry(migrated_database_url: str) -> Iterator[Registry]:
    with open_registry(migrated_database_url) as made:
        for document in (sales(DEAL), finance()):
            definition = parse_definition(document)
            create_app(made, definition, None)
            publish_draft(made, definition.key, base_version=0, plan_hash=None)
        yield made


def warned(registry: Registry, app: str) -> list[tuple[str, str, str]]:
    """(code, document, pointer) of what the plan of an app warns of."""
    found = plan_draft(registry, app).warnings
    return [(w.code, f"{w.document.kind}/{w.document.key}", w.pointer) for w in found]


def change(registry: Registry, document: JSON) -> None:
    put_draft(registry, parse_definition(document), None)


def test_nothing_is_said_as_long_as_all_is_there(registry: Registry) -> None:
    assert warned(registry, "sales") == warned(registry, "fin") == []


def test_a_renamed_field_is_told_to_both(registry: Registry) -> None:
    change(registry, sales(entity("deal", field("title", renamed_from="name"), field("state"))))
    assert warned(registry, "sales") == [("app.followed", "entities/deal", "")] * 2
    message = plan_draft(registry, "sales").warnings[0].message
    assert ("“fin/won”" in message.zh, "“name”" in message.zh, '"name"' in message.en) == (True, True, True)
    publish_draft(registry, "sales", base_version=1, plan_hash=None)
    at = [("trigger.elsewhere", "automations/won", f"/trigger/set/{place}/at") for place in (0, 1)]
    assert warned(registry, "fin") == at


def test_a_renamed_entity_is_told_to_both(registry: Registry) -> None:
    change(registry, sales({**DEAL, "key": "opportunity", "renamed_from": "deal"}))
    assert warned(registry, "sales") == [("app.followed", "app/sales", "")]
    publish_draft(registry, "sales", base_version=1, plan_hash=None)
    assert warned(registry, "fin") == [("trigger.elsewhere", "automations/won", "/trigger/of_entity")]


def test_whoever_deletes_an_app_hears_who_follows_it(registry: Registry) -> None:
    assert describe_deletion(registry, "sales")["followed_by"] == ["fin/won"]
    assert describe_deletion(registry, "fin")["followed_by"] == []
    delete_app(registry, "sales", confirm="sales")
    assert warned(registry, "fin") == [("trigger.elsewhere", "automations/won", "/trigger/app")]
