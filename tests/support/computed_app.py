"""A small app in which everything computed occurs: local, related over one and two relations, rollups with conditions, volatile."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledApp
from builder.compiled.computing import Computed
from builder.compiled.recompute import all_in_sql
from builder.compiled.resolver import Joins
from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from builder.store.database import Database
from formulas.sql import Dialect, to_stored
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
                {"key": "goals", "type": "children", "label": "目标", "entity": "goal", "via": "region"},
                {"key": "aimed", "type": "formula", "label": "目标额", "formula": "SUM(goals.amount)"},
                {
                    "key": "reached",
                    "type": "formula",
                    "label": "已达",
                    "formula": "SUM(goals.amount, done AND due_on < DATE(2026,11,15))",
                },
                {
                    "key": "high",
                    "type": "formula",
                    "label": "高目标数",
                    "formula": 'COUNT(goals, amount > 500 OR name = "甲")',
                },
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
                {
                    "key": "large",
                    "type": "formula",
                    "label": "大额",
                    "formula": "MAX(payments.amount, amount > 500 AND done)",
                },
                {"key": "usual", "type": "formula", "label": "均额", "formula": "AVERAGE(payments.amount, done)"},
                {
                    "key": "kinds",
                    "type": "formula",
                    "label": "税率数",
                    "formula": "COUNTUNIQUE(payments.rate, NOT(done))",
                },
                {
                    "key": "above",
                    "type": "formula",
                    "label": "高于均额",
                    "formula": "COUNT(payments, amount > this.usual) + COUNT(payments, due_on = DATE(2026,11,1))",
                },
                {
                    "key": "each",
                    "type": "formula",
                    "label": "折算",
                    "formula": "SUM(payments.amount / rate, rate <> 1)",
                },
                {"key": "visits", "type": "children", "label": "拜访", "entity": "visit", "via": "customer"},
                {"key": "minutes", "type": "formula", "label": "时长", "formula": "SUM(visits.minutes)"},
                {"key": "longest", "type": "formula", "label": "最长", "formula": "MAX(visits.minutes, minutes > 5)"},
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
                {"key": "payer", "type": "reference", "label": "付款人", "entity": "payer"},
                {"key": "payer_name", "type": "lookup", "label": "付款人名", "path": "payer.name"},
                {"key": "share", "type": "formula", "label": "占比", "formula": "IFERROR(amount / customer.paid, 0)"},
                {"key": "overdue", "type": "formula", "label": "逾期天数", "formula": "DAYS(TODAY(), due_on)"},
                {"key": "is_late", "type": "formula", "label": "已逾期", "formula": "AND(NOT(done), overdue > 0)"},
            ],
        },
        {
            "key": "visit",
            "label": "拜访",
            "fields": [
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer", "on_delete": "cascade"},
                {"key": "minutes", "type": "integer", "label": "分钟"},
            ],
        },
        {
            "key": "goal",
            "label": "目标",
            "fields": [
                {"key": "region", "type": "reference", "label": "大区", "entity": "region", "on_delete": "set_null"},
                {"key": "name", "type": "text", "label": "名称"},
                {"key": "amount", "type": "money", "label": "金额"},
                {"key": "done", "type": "boolean", "label": "达成"},
                {"key": "due_on", "type": "date", "label": "到期"},
            ],
        },
        {
            "key": "payer",
            "label": "付款人",
            "fields": [{"key": "name", "type": "text", "label": "名称"}],
        },
    ],
}


def publish_shop(service: Service) -> None:
    """Create and publish the app."""
    registry = service.app.services.registry
    create_app(registry, parse_definition(APP), None)
    publish_draft(registry, "shop", base_version=0, plan_hash=None)


def stale_values(database: Database, app: CompiledApp) -> list[tuple[str, str, int]]:
    """Compute every stored field of every record in another way and compare: (entity, field, how many were not what they should be).

    Local fields too, where their formulas have SQL forms, so both back ends are held against each other.
    """
    found: list[tuple[str, str, int]] = []
    dialect: Any = database.dialect
    for computed in app.computed.values():
        if computed.place == "volatile" or not all_in_sql(computed.tree):
            continue
        with database.transaction() as connection:
            count = int(connection.execute(_count_of_others(app, computed, dialect)).scalar_one())
        if count:
            found.append((computed.entity, computed.key, count))
    return found


def _count_of_others(app: CompiledApp, computed: Computed, dialect: Dialect) -> sa.Select[Any]:
    """How many records keep another value; each rollup is a subquery of its own here, which no write makes."""
    entity = app.entities[computed.entity]
    joins = Joins(app, entity, entity.table, dialect)
    column = entity.table.c[computed.key]
    value = to_stored(computed.tree, computed.type, joins, dialect, computed.context)
    differs = column.is_distinct_from(sa.type_coerce(value, column.type))
    return sa.select(sa.func.count()).select_from(joins.from_clause()).where(differs)
