"""An app with roles: regions, customers with owner and department, orders, notes; what tests of rights run on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.support.query_app import field

JSON = Any
APP = "trade"


def definition(roles: list[JSON] | None = None, **members: JSON) -> JSON:
    """The app as one JSON value."""
    levels = [{"key": "A", "label": "A"}, {"key": "B", "label": "B"}]
    states = [{"key": key, "label": key} for key in ("draft", "open", "won")]
    customer = [
        field("name", "text", required=True),
        field("phone", "phone", unique=True),
        field("level", "select", options=levels),
        field("owner", "user"),
        field("department", "department"),
        field("region", "text"),
        field("secret", "text"),
        field("limit", "money"),
        field("orders", "children", entity="order", via="customer"),
        field("turnover", "formula", formula="SUM(orders.amount)"),
        field("double", "formula", formula="limit * 2"),
    ]
    order = [
        field("title", "text", required=True),
        field("customer", "reference", entity="customer"),
        field("state", "select", options=states),
        field("amount", "money"),
        field("owner", "user"),
        field("customer_name", "lookup", path="customer.name"),
    ]
    return {
        "app": {"key": APP, "label": "Trade", **members.pop("app", {})},
        "entities": [
            {"key": "customer", "label": {"zh": "客户", "en": "Customer"}, "fields": customer},
            {"key": "order", "label": {"zh": "订单", "en": "Order"}, "fields": order},
            {
                "key": "note",
                "label": "Note",
                "fields": [field("text", "text"), field("order", "reference", entity="order")],
            },
        ],
        "roles": deepcopy(ROLES) if roles is None else roles,
        **members,
    }


SELLER: JSON = {
    "key": "seller",
    "label": {"zh": "销售", "en": "Seller"},
    "grants": [
        {
            "entity": "customer",
            "rows": "owner = CURRENTUSER()",
            "words": {"zh": "自己负责的客户", "en": "their own customers"},
            "may": ["read", "create", "update"],
            "hidden": ["secret"],
            "fixed": ["owner", "limit"],
            "defaults": [{"field": "owner", "value": "CURRENTUSER()"}],
            "tells": ["owner"],
        },
        {
            "entity": "customer",
            "rows": 'level = "A"',
            "fields": ["name", "phone"],
            "masks": [{"field": "phone", "start": 3, "end": 4}],
        },
        {
            "entity": "order",
            "rows": "customer.owner = CURRENTUSER()",
            "may": ["read", "create", "update", "delete"],
            "hidden": ["amount"],
        },
        {"entity": "order", "rows": 'customer.owner = CURRENTUSER() AND state = "won"', "fields": ["amount"]},
    ],
}
CHIEF: JSON = {
    "key": "chief",
    "label": {"zh": "主管", "en": "Supervisor"},
    "grants": [
        {"entity": "customer", "rows": "INDEPT(department)", "may": ["read", "update", "export", "bulk", "create"]},
        {"entity": "order", "rows": "INTEAM(customer.owner)", "may": ["read"]},
    ],
}
FINANCE: JSON = {
    "key": "finance",
    "label": {"zh": "财务", "en": "Finance"},
    "grants": [
        {"entity": "customer", "fields": ["name", "limit", "turnover"], "may": ["read"]},
        {"entity": "order", "may": ["read", "update"], "writable": ["amount"]},
    ],
}
ROLES: list[JSON] = [SELLER, CHIEF, FINANCE]
