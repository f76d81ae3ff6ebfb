"""The app that tests of records run on: relations of every kind, rules of every kind, and one entity with every type of field."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

JSON = Any

APP = "shop"

_LEVELS = [{"key": key, "label": f"{key} 级"} for key in ("A", "B", "C")]
_TAGS = [{"key": "vip", "label": "重要"}, {"key": "new", "label": "新"}, {"key": "cold", "label": "沉睡"}]
_STATES = [{"key": key, "label": key.title()} for key in ("draft", "open", "done")]


def field(type_: str, key: str, **options: JSON) -> dict[str, JSON]:
    """A field whose label is its key."""
    return {"key": key, "type": type_, "label": {"zh": f"{key}栏", "en": key}, **options}


ENTITIES: Mapping[str, list[dict[str, JSON]]] = {
    "region": [field("text", "name", required=True, unique=True, max_length=40)],
    "customer": [
        field("text", "name", required=True, max_length=60, indexed=True),
        field("select", "level", options=_LEVELS),
        field("reference", "region", entity="region"),
        field("reference", "parent", entity="customer", on_delete="set_null"),
        field("multi_select", "tags", options=_TAGS),
        field("user", "owner"),
        field("department", "department"),
        field("children", "contacts", entity="contact", via="customer"),
        field("children", "orders", entity="order", via="customer"),
    ],
    "contact": [
        field("reference", "customer", entity="customer", required=True, on_delete="cascade"),
        field("text", "name", required=True),
        field("user", "owner"),
        field("reference", "backup", entity="contact", on_delete="set_null"),
    ],
    "order": [
        field("auto_number", "number", pattern="O-{yyyy}{mm}-{seq:4}", reset="monthly"),
        field("text", "title", required=True, min_length=2, max_length=20),
        field("reference", "customer", entity="customer", required=True),
        field("select", "state", options=_STATES, required=True, default="draft"),
        field("text", "code", unique=True, pattern="[A-Z]{2}-[0-9]+", pattern_hint="AB-12"),
        field("text", "branch", max_length=1000),
        field("integer", "serial"),
        field("money", "amount", minimum=0, maximum=1_000_000),
        field("long_text", "note"),
        field("children", "items", entity="item", via="order"),
    ],
    "item": [
        field("reference", "order", entity="order", required=True, on_delete="cascade"),
        field("text", "product", required=True, max_length=30),
        field("integer", "qty", required=True, minimum=1, maximum=1000),
        field("money", "price", minimum=0),
        field("text", "sku", unique=True),
        field("children", "parts", entity="part", via="item"),
    ],
    "part": [
        field("reference", "item", entity="item", required=True, on_delete="cascade"),
        field("text", "name", required=True),
    ],
    "node": [
        field("text", "name"),
        field("reference", "next", entity="node", on_delete="cascade"),
        field("reference", "lead", entity="lead", on_delete="cascade"),
    ],
    "lead": [
        field("text", "name"),
        field("reference", "node", entity="node", on_delete="cascade"),
        field("reference", "seen", entity="node", on_delete="set_null"),
        field("reference", "fixed", entity="node", on_delete="restrict"),
    ],
    "thing": [
        field("text", "name"),
        field("long_text", "story"),
        field("email", "mail"),
        field("phone", "phone"),
        field("url", "link"),
        field("integer", "whole"),
        field("decimal", "exact", digits=15, scale=3),
        field("decimal", "wide", digits=18, scale=4),
        field("decimal", "tiny", digits=12, scale=10),
        field("money", "price"),
        field("percent", "share"),
        field("boolean", "flag"),
        field("date", "day"),
        field("datetime", "moment"),
        field("select", "level", options=_LEVELS),
        field("multi_select", "tags", options=_TAGS),
        field("reference", "other", entity="thing", on_delete="set_null"),
        field("user", "owner"),
        field("department", "department"),
        field("auto_number", "number"),
        field("json", "extra"),
        field("children", "bits", entity="bit", via="thing"),
    ],
    "bit": [
        field("reference", "thing", entity="thing", required=True, on_delete="cascade"),
        field("text", "name"),
        field("integer", "rank"),
    ],
}
UNIQUES: Mapping[str, list[list[str]]] = {"order": [["branch", "serial"]]}


def definition(app: str = APP) -> dict[str, JSON]:
    """The app's definition as one JSON value; the caller may change it."""
    entities = [
        {
            "key": key,
            "label": {"zh": f"{key}表", "en": key},
            "fields": deepcopy(fields),
            **({"unique": deepcopy(UNIQUES[key])} if key in UNIQUES else {}),
        }
        for key, fields in ENTITIES.items()
    ]
    return {"app": {"key": app, "label": "Shop"}, "entities": entities}


def entity_of(document: JSON, key: str) -> dict[str, JSON]:
    """An entity of a definition."""
    found: dict[str, JSON] = next(entity for entity in document["entities"] if entity["key"] == key)
    return found


def field_of(document: JSON, entity: str, key: str) -> dict[str, JSON]:
    """A field of a definition, to be changed."""
    found: dict[str, JSON] = next(item for item in entity_of(document, entity)["fields"] if item["key"] == key)
    return found
