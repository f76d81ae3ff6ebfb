"""An app for tests of queries: areas, customers, deals with payments; with every kind of value that groups and measures meet."""

from __future__ import annotations

from typing import Any

from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from runtime.records.caller import system_caller
from tests.support.service import Service

JSON = Any
APP = "sales"


def field(key: str, type_: str, **options: JSON) -> JSON:
    """A field whose label is its key."""
    return {"key": key, "type": type_, "label": key, **options}


def definition(zone: str = "Asia/Shanghai", **members: JSON) -> JSON:
    """The app as one JSON value."""
    options = [{"key": "A", "label": {"zh": "重要", "en": "Key"}}, {"key": "B", "label": "普通"}]
    area = [field("name", "text", unique=True)]
    customer = [
        field("name", "text"),
        field("level", "select", options=options),
        field("area", "reference", entity="area"),
        field("deals", "children", entity="deal", via="customer"),
    ]
    deal = [
        field("title", "text"),
        field("note", "long_text"),
        field("customer", "reference", entity="customer"),
        field("amount", "money"),
        field("rate", "decimal", digits=18, scale=6),
        field("count", "integer"),
        field("won", "boolean"),
        field("due_on", "date"),
        field("closed_at", "datetime"),
        field("tags", "multi_select", options=options),
        field("payments", "children", entity="payment", via="deal"),
    ]
    payment = [
        field("deal", "reference", entity="deal"),
        field("paid", "money"),
        field("method", "text"),
        field("paid_on", "date"),
        field("lines", "children", entity="line", via="payment"),
    ]
    line = [field("payment", "reference", entity="payment"), field("text", "text"), field("place", "integer")]
    entities = {"area": area, "customer": customer, "deal": deal, "payment": payment, "line": line}
    return {
        "app": {"key": APP, "label": "销售", "time_zone": zone},
        "entities": [{"key": key, "label": key, "fields": fields} for key, fields in entities.items()],
        **members,
    }


def publish(service: Service, value: JSON) -> None:
    """Create the app and publish it."""
    registry = service.app.services.registry
    create_app(registry, parse_definition(value), None)
    publish_draft(registry, value["app"]["key"], base_version=0, plan_hash=None, author=None, note="test")


async def load(service: Service, **records: list[dict[str, JSON]]) -> None:
    """Load records by entity; targets of references come first."""
    caller = system_caller("test", "install")
    await service.app.services.records.load(caller, APP, list(records.items()))


def identifier(number: int) -> str:
    """An id that says which record it is."""
    return f"00000000-0000-7000-8000-{number:012d}"
