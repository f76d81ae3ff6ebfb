"""A small app in which everything computed occurs: local, related over one and two relations, rollups with conditions, volatile."""

from __future__ import annotations

from typing import Any

from builder.compiled.app import CompiledApp
from builder.compiled.recompute import all_in_sql, recompute
from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.store.database import Database
from tests.support.service import Service

APP: dict[str, Any] = {
    "app": {"key": "shop", "label": "店"},
    "entities": [
        {
            "key": "region",
            "label": "大区",
            "fields": [
                {"key": "name", "type": "text", "label": "名称"},
                {"key": "customers", "type": "children", "label": "客户", "entity": "customer", "via": "region"},
                {
                    "key": "revenue",
                    "type": "rollup",
                    "label": "营收",
                    "relation": "customers",
                    "function": "sum",
                    "value": "paid",
                },
                {"key": "best", "type": "formula", "label": "最大客户", "formula": "MAX(customers.paid)"},
            ],
        },
        {
            "key": "customer",
            "label": "客户",
            "fields": [
                {"key": "name", "type": "text", "label": "名称"},
                {"key": "level", "type": "text", "label": "等级"},
                {"key": "region", "type": "reference", "label": "大区", "entity": "region", "on_delete": "set_null"},
                {"key": "payments", "type": "children", "label": "回款", "entity": "payment", "via": "customer"},
                {
                    "key": "paid",
                    "type": "rollup",
                    "label": "已回款",
                    "relation": "payments",
                    "function": "sum",
                    "value": "amount",
                    "condition": "done",
                },
                {"key": "count", "type": "formula", "label": "笔数", "formula": "COUNT(payments)"},
                {"key": "mean", "type": "formula", "label": "平均", "formula": "IF(count = 0, BLANK(), paid / count)"},
                {"key": "title", "type": "formula", "label": "称呼", "formula": 'name & "(" & level & ")"'},
            ],
        },
        {
            "key": "payment",
            "label": "回款",
            "fields": [
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer", "on_delete": "cascade"},
                {"key": "amount", "type": "money", "label": "金额"},
                {"key": "rate", "type": "percent", "label": "税率"},
                {"key": "done", "type": "boolean", "label": "到账"},
                {"key": "due_on", "type": "date", "label": "到期"},
                {"key": "tax", "type": "formula", "label": "税额", "formula": "ROUND({金额} * {税率}, 2)"},
                {"key": "gross", "type": "formula", "label": "含税", "formula": "amount + tax"},
                {"key": "level", "type": "lookup", "label": "客户等级", "path": "customer.level"},
                {"key": "share", "type": "formula", "label": "占比", "formula": "IFERROR(amount / customer.paid, 0)"},
                {"key": "overdue", "type": "formula", "label": "逾期天数", "formula": "DAYS(TODAY(), due_on)"},
                {"key": "is_late", "type": "formula", "label": "已逾期", "formula": "AND(NOT(done), overdue > 0)"},
            ],
        },
    ],
}


def publish_shop(service: Service) -> None:
    """Create and publish the app."""
    registry = service.app.services.registry
    create_app(registry, parse_definition(APP), None)
    publish_draft(registry, "shop", base_version=0, plan_hash=None)


def stale_values(database: Database, app: CompiledApp) -> list[tuple[str, str, int]]:
    """Recompute every stored field of every record, look, and roll back: (entity, field, how many were not what they should be).

    Local fields too, where their formulas have SQL forms, so both back ends are held against each other.
    """
    found: list[tuple[str, str, int]] = []
    dialect: Any = database.dialect
    for computed in app.computed.values():
        if computed.place == "volatile" or not all_in_sql(computed.tree):
            continue
        try:
            with database.transaction() as connection:
                wrong = connection.execute(recompute(app, [computed], dialect, within=False)).all()
                raise _LookedError(len(wrong))
        except _LookedError as looked:
            if looked.count:
                found.append((computed.entity, computed.key, looked.count))
    return found


class _LookedError(Exception):
    def __init__(self, count: int) -> None:
        self.count = count
