"""An app whose formulas ask where people stand, and whose defaults read what a new record points to."""

from __future__ import annotations

from typing import Any

from tests.support.deals import options, transition
from tests.support.query_app import field

JSON = Any
APP = "staff"
_ABOVE = "MANAGER(owner) = CURRENTUSER()"


def definition() -> JSON:
    """The app as one JSON value."""
    customer = [
        field("name", "text", required=True, unique=True),
        field("level", "select", options=options("A", "B")),
        field("discount", "percent", default_formula='IF(level = "A", 0.2, 0)'),
        field("region", "reference", entity="region"),
        field("twice", "formula", formula="discount * 2"),
        field("deals", "children", entity="deal", via="customer"),
        field("deal_count", "rollup", relation="deals", function="count"),
    ]
    deal = [
        field("title", "text", required=True),
        field("customer", "reference", entity="customer"),
        field("discount", "percent", default_formula="customer.discount"),
        field("double", "decimal", scale=4, digits=9, default_formula="customer.twice + 0"),
        field("area", "text", default_formula='"区:" & customer.region.name'),
        field("count_before", "integer", default_formula="customer.deal_count"),
        field("owner", "user"),
        field("second", "user", default_formula="MANAGER(owner)"),
        field("department", "department", default_formula="USERDEPT(COALESCE(owner, CURRENTUSER()))"),
        field("note", "text"),
        field("stage", "select", options=options("new", "won")),
        field("path", "formula", formula="DEPTPATH(USERDEPT(owner))"),
        field("boss", "formula", formula="COALESCE(MANAGER(owner), owner)"),
        field("inside", "boolean", default_formula="INDEPT(owner, department)"),
        field("near", "formula", formula="INTEAM(owner)"),
        field("selling", "formula", formula='HASROLE("seller")'),
        field("theirs", "formula", formula="USERDEPT(owner) = department"),
    ]
    return {
        "app": {"key": APP, "label": "Staff"},
        "entities": [
            {"key": "region", "label": "Region", "fields": [field("name", "text", required=True)]},
            {"key": "customer", "label": "Customer", "title_field": "name", "fields": customer},
            {
                "key": "deal",
                "label": "Deal",
                "fields": deal,
                "rules": [
                    {
                        "key": "not_own_boss",
                        "formula": 'NOT(note = "boss" AND MANAGER(owner) = BLANK())',
                        "message": {"zh": "没有上级", "en": "Nobody above"},
                    }
                ],
            },
        ],
        "pipelines": [
            {
                "key": "flow",
                "label": "Flow",
                "entity": "deal",
                "field": "stage",
                "stages": [{"key": "new"}, {"key": "won", "kind": "won"}],
                "transitions": [
                    transition("win", ["new"], "won", guards=[{"type": "formula", "formula": _ABOVE, "message": "只有上级"}])
                ],
            }
        ],
        "automations": [
            {
                "key": "told",
                "label": "told",
                "entity": "deal",
                "trigger": {"type": "changed", "changes": [{"field": "owner"}]},
                "condition": 'CONTAINS(DEPTPATH(USERDEPT(PRIORVALUE(owner))), "east")',
                "actions": [
                    {"type": "set_fields", "set": [{"field": "note", "formula": "DEPTPATH(USERDEPT(owner))"}]},
                    {"type": "create_record", "entity": "deal", "values": [{"field": "title", "value": "next"}, {"field": "customer", "formula": "customer"}]},
                ],
            }
        ],
        "roles": [
            {
                "key": "seller",
                "label": "Seller",
                "grants": [{"entity": e, "may": ["read", "create", "update"]} for e in ("region", "customer", "deal")],
            },
            {"key": "dealer", "label": "Dealer", "portal": True, "grants": [{"entity": "deal", "may": ["read"]}]},
            {
                "key": "boss",
                "label": "Boss",
                "grants": [
                    {
                        "entity": "deal",
                        "rows": f"{_ABOVE} OR USERDEPT(owner) = CURRENTDEPARTMENT()",
                        "may": ["read", "create", "update"],
                        "defaults": [{"field": "owner", "value": "MANAGER(CURRENTUSER())"}],
                    }
                ],
            },
        ],
    }  # fmt: skip
