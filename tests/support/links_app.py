"""An app in which customers are shared: links with attributes, both sides, roles; what tests of ``multi_reference`` run on."""

from __future__ import annotations

from typing import Any

from tests.support.shop import field

JSON = Any
APP = "shared"


def definition(*, roles: bool = False, **options: JSON) -> JSON:
    """The app; ``options`` are of the field ``sellers``."""
    role = field("select", "part", options=[{"key": "main", "label": "主"}, {"key": "co", "label": "协"}])
    share = field("integer", "share", minimum=0, maximum=100, default=10)
    sellers = field("multi_reference", "sellers", entity="seller", attributes=[role, share], **options)
    customer = [
        field("text", "name", required=True),
        sellers,
        field("multi_reference", "products", entity="product", on_delete="clear"),
        field("multi_reference", "allies", entity="customer", on_delete="clear"),
        field("rollup", "given", relation="sellers", function="sum", value="share"),
        field("formula", "best", formula="MAX(sellers.level)"),
        field("formula", "main", formula='FIRST(sellers.name, "name", part = "main")'),
        field("formula", "priced", formula="SUM(products.price)"),
    ]
    seller = [
        field("text", "name", required=True),
        field("integer", "level"),
        field("boolean", "secret"),
        field("children", "customers", entity="customer", via="sellers"),
        field("formula", "load", formula="COUNT(customers)"),
        field("formula", "weight", formula="SUM(customers.share)"),
    ]
    product = [field("text", "name", required=True), field("money", "price")]
    package = {
        "app": {"key": APP, "label": {"zh": "共享", "en": "Shared"}},
        "entities": [
            {"key": "customer", "label": {"zh": "客户", "en": "Customer"}, "fields": customer, "trash": True},
            {"key": "seller", "label": {"zh": "销售", "en": "Seller"}, "fields": seller, "trash": True},
            {"key": "product", "label": {"zh": "产品", "en": "Product"}, "fields": product, "trash": True},
        ],
    }
    return package | {"roles": ROLES} if roles else package


_MAY = ["read", "create", "update", "delete"]
ROLES: JSON = [
    {
        "key": "clerk",
        "label": "Clerk",
        "grants": [
            {"entity": "customer", "may": _MAY},
            {"entity": "seller", "may": ["read"], "rows": "NOT(secret)"},
            {"entity": "product", "may": ["read"]},
        ],
    },
    {
        "key": "guest",
        "label": "Guest",
        "grants": [
            {"entity": "customer", "may": ["read", "update"], "fixed": ["sellers"]},
            {"entity": "seller", "may": ["read"]},
        ],
    },
    {"key": "blind", "label": "Blind", "grants": [{"entity": "customer", "may": _MAY}]},
]
