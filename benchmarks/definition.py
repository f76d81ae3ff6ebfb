"""The benchmark's app: what our service is given instead of code."""

from __future__ import annotations

from typing import Any

from benchmarks.data import LEVELS, REGIONS, STATUSES

APP = "bench"


def _field(key: str, kind: str, **options: Any) -> dict[str, Any]:
    return {"key": key, "type": kind, "label": {"zh": key, "en": key}, **options}


def _select(key: str, keys: tuple[str, ...]) -> dict[str, Any]:
    options = [{"key": name, "label": {"zh": name, "en": name}} for name in keys]
    return _field(key, "select", required=True, options=options)


PACKAGE: dict[str, Any] = {
    "app": {"key": APP, "label": {"zh": "基准", "en": "Benchmark"}},
    "entities": [
        {
            "key": "customer",
            "label": {"zh": "客户", "en": "Customer"},
            "fields": [
                _field("name", "text", required=True, max_length=100),
                _select("region", REGIONS),
                _select("level", LEVELS),
                _field("phone", "text", max_length=20),
                _field("credit", "money", minimum=0),
                _field("signed_on", "date", required=True),
                _field("note", "text", max_length=300),
            ],
            "indexes": [["region", "level", "signed_on"]],
        },
        {
            "key": "payment",
            "label": {"zh": "回款", "en": "Payment"},
            "fields": [
                _field("number", "text", required=True, max_length=40),
                _field("customer", "reference", entity="customer", required=True),
                _field("due_on", "date", required=True),
                _select("status", STATUSES),
                _field("amount", "money", required=True, minimum=0),
                _field("paid_on", "date"),
                _field("note", "text", max_length=300),
            ],
            "indexes": [["status", "due_on"]],
        },
    ],
}
