"""An app with a field of each further type, for tests of files and values over HTTP."""

from __future__ import annotations

from typing import Any

from builder.definition.parse import parse_definition
from builder.registry.apps import create_app
from builder.registry.publishing import publish_draft
from tests.support.service import Service

VISIT: dict[str, Any] = {
    "key": "visit",
    "label": "拜访",
    "fields": [
        {"key": "name", "type": "text", "label": "名称"},
        {"key": "stars", "type": "rating", "label": "评分"},
        {"key": "at", "type": "time", "label": "时间"},
        {"key": "took", "type": "duration", "label": "时长"},
        {"key": "tags", "type": "tags", "label": "标签"},
        {"key": "notes", "type": "rich_text", "label": "纪要"},
        {"key": "team", "type": "multi_user", "label": "同行"},
        {"key": "place", "type": "geo_point", "label": "位置"},
        {"key": "address", "type": "address", "label": "地址"},
        {
            "key": "promise",
            "type": "composite",
            "label": "承诺",
            "parts": [
                {"key": "on", "type": "date", "label": "日期", "required": True},
                {"key": "text", "type": "text", "label": "说明"},
            ],
        },
        {"key": "code", "type": "barcode", "label": "条码"},
        {"key": "credit", "type": "text", "label": "信用代码", "format": "social_credit_code"},
        {"key": "photos", "type": "image", "label": "照片", "max_count": 3, "max_bytes": 20_000},
        {"key": "papers", "type": "file", "label": "附件", "accept": ["application/pdf", "text/plain"]},
        {"key": "voice", "type": "audio", "label": "录音"},
        {"key": "signed", "type": "signature", "label": "签名"},
        {"key": "made_at", "type": "created_at", "label": "登记时间"},
        {"key": "made_by", "type": "created_by", "label": "登记人"},
        {"key": "changed_at", "type": "updated_at", "label": "变更时间"},
        {"key": "changed_by", "type": "updated_by", "label": "变更人"},
        {"key": "hours", "type": "formula", "label": "小时数", "formula": "IF(ISBLANK(took), 0, 1)"},
    ],
}
APP: dict[str, Any] = {"app": {"key": "field", "label": "外勤"}, "entities": [VISIT]}
RECORDS = "/api/field/records/visit"


def publish_visits(service: Service) -> None:
    """Create and publish the app."""
    registry = service.app.services.registry
    create_app(registry, parse_definition(APP), None)
    publish_draft(registry, "field", base_version=0, plan_hash=None)
