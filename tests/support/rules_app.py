"""A small app with every kind of rule: conditional defaults, required-if, visible-if, validation over one record and over relations, unique-if."""

from __future__ import annotations

from typing import Any

APP: dict[str, Any] = {
    "app": {"key": "desk", "label": "台"},
    "entities": [
        {
            "key": "customer",
            "label": "客户",
            "fields": [
                {"key": "name", "type": "text", "label": "名称", "required": True},
                {"key": "level", "type": "select", "label": "等级", "options": [{"key": "a", "label": "A"}, {"key": "b", "label": "B"}]},
                {"key": "credit", "type": "decimal", "label": "额度", "scale": 2, "digits": 12, "default_formula": 'IF({等级} = "a", 1000, 100)'},
                {"key": "orders", "type": "children", "label": "订单", "entity": "order", "via": "customer"},
                {"key": "contacts", "type": "children", "label": "联系人", "entity": "contact", "via": "customer"},
            ],
            "rules": [
                {
                    "key": "within_credit",
                    "formula": "SUM(orders.amount, status <> \"lost\") <= credit",
                    "message": {"zh": "订单总额超过额度", "en": "The orders exceed the credit"},
                    "field": "credit",
                }
            ],
        },
        {
            "key": "contact",
            "label": "联系人",
            "fields": [
                {"key": "name", "type": "text", "label": "姓名", "required": True},
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer", "on_delete": "cascade"},
                {"key": "main", "type": "boolean", "label": "主联系人"},
            ],
            "unique_if": [
                {
                    "key": "one_main",
                    "fields": ["customer"],
                    "when": "main",
                    "message": {"zh": "每个客户只有一个主联系人", "en": "A customer has one main contact"},
                }
            ],
        },
        {
            "key": "order",
            "label": "订单",
            "fields": [
                {"key": "customer", "type": "reference", "label": "客户", "entity": "customer", "on_delete": "restrict"},
                {"key": "status", "type": "select", "label": "状态", "default": "open", "options": [{"key": k, "label": k} for k in ("open", "won", "lost")]},
                {"key": "amount", "type": "decimal", "label": "金额", "scale": 2, "digits": 12},
                {"key": "reason", "type": "text", "label": "丢单原因", "required_if": '{状态} = "lost"'},
                {"key": "discount", "type": "percent", "label": "折扣"},
                {"key": "approver", "type": "text", "label": "批准人", "required": True, "visible_if": "{折扣} > 0.1"},
                {"key": "signed_on", "type": "date", "label": "签约日期", "default_formula": "TODAY()"},
                {"key": "delivered_on", "type": "date", "label": "交付日期", "default_formula": "signed_on + 30"},
                {"key": "note", "type": "text", "label": "备注", "required_if": 'customer.level = "a"'},
                {"key": "number", "type": "text", "label": "单号", "unique": True},
            ],
            "rules": [
                {
                    "key": "delivery_after_signature",
                    "formula": "{交付日期} >= {签约日期}",
                    "message": {"zh": "交付日期不能早于签约日期", "en": "The delivery is not before the signature"},
                    "field": "delivered_on",
                },
                {
                    "key": "won_stays_won",
                    "formula": 'NOT(PRIORVALUE(status) = "won" AND ISCHANGED(status))',
                    "message": {"zh": "已赢单不能再改状态", "en": "A won order keeps its status"},
                    "when": "NOT(ISNEW())",
                },
            ],
        },
    ],
}  # fmt: skip
