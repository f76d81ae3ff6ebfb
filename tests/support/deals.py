"""The app that tests of pipelines run on: deals with stages and nodes, and a guard of every kind."""

from __future__ import annotations

from typing import Any

from tests.support.shop import field

JSON = Any

APP = "crm"

STAGES = ("new", "visit", "quote", "won", "lost")
NODES = ("drafting", "sent")


def options(*keys: str) -> list[dict[str, JSON]]:
    """Options whose labels are their keys."""
    return [{"key": key, "label": {"zh": f"{key}项", "en": key}} for key in keys]


def transition(key: str, leaves: list[str], enters: str, **more: JSON) -> dict[str, JSON]:
    """A transition whose label is its key."""
    return {"key": key, "label": {"zh": f"{key}步", "en": key}, "leaves": leaves, "enters": enters, **more}


def pipeline(**more: JSON) -> dict[str, JSON]:
    """The way of a deal; the caller may change it."""
    return {
        "key": "flow",
        "label": {"zh": "商机流程", "en": "Deal flow"},
        "entity": "deal",
        "field": "stage",
        "node_field": "node",
        "since_field": "stage_since",
        "stages": [
            {"key": "new", "hints": [{"text": {"zh": "先约拜访", "en": "Make an appointment"}, "after_seconds": 90}]},
            {
                "key": "visit",
                "entry": [{"type": "required", "fields": ["contact"]}],
                "holds": [{"type": "required", "fields": ["contact"]}],
            },
            {"key": "quote", "nodes": [{"key": "drafting"}, {"key": "sent"}]},
            {"key": "won", "kind": "won"},
            {"key": "lost", "kind": "lost"},
        ],
        "transitions": [
            transition("meet", ["new"], "visit"),
            transition("offer", ["visit"], "quote"),
            transition("send", ["quote.drafting"], "quote.sent"),
            transition("win", ["quote.sent"], "won"),
            transition("lose", [], "lost", reason="required", asks=["note"]),
            transition("back", ["quote"], "visit"),
            transition("reopen", ["lost"], "new"),
            transition("close_by_rule", ["new"], "lost", automatic=True, reason="none"),
            transition("admit", ["new"], "visit", roles=["builder"]),
        ],
        **more,
    }


def definition(flow: JSON = None, **more: JSON) -> dict[str, JSON]:
    """The app's definition as one JSON value."""
    return {
        "app": {"key": APP, "label": "CRM", "time_zone": "Asia/Shanghai"},
        "entities": [
            {
                "key": "customer",
                "label": {"zh": "客户", "en": "Customer"},
                "fields": [field("text", "name"), field("geo_point", "position"), field("text", "level")],
            },
            {
                "key": "deal",
                "label": {"zh": "商机", "en": "Deal"},
                "fields": [
                    field("text", "name"),
                    field("reference", "customer", entity="customer"),
                    field("select", "stage", options=options(*STAGES), default="new", required=True),
                    field("select", "node", options=options(*NODES)),
                    field("datetime", "stage_since"),
                    field("text", "contact"),
                    field("text", "note", max_length=50),
                    field("money", "amount", minimum=0),
                    field("user", "owner"),
                    field("user", "chief"),
                    field("image", "photos"),
                    field("audio", "voice"),
                    field("geo_point", "here"),
                    field("formula", "big", formula="amount > 1000"),
                    field("formula", "red_count", formula="SUM(checks.points)"),
                    field("children", "checks", entity="check", via="deal"),
                ],
            },
            {
                "key": "check",
                "label": {"zh": "检查项", "en": "Check"},
                "title_field": "name",
                "fields": [
                    field("reference", "deal", entity="deal", on_delete="cascade"),
                    field("text", "name"),
                    field("integer", "points"),
                    field("integer", "most"),
                    field("text", "remedy"),
                ],
            },
            {
                "key": "talk",
                "label": {"zh": "沟通", "en": "Talk"},
                "fields": [
                    field("reference", "customer", entity="customer"),
                    field("text", "kind"),
                    field("datetime", "at"),
                ],
            },
        ],
        "pipelines": [pipeline() if flow is None else flow],
        **more,
    }
