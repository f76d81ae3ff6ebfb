"""An app with a field of every type there is, made from the types' own samples, so that a new type is in it by itself."""

from __future__ import annotations

from typing import Any

from builder.fields import BY_TYPE

JSON = Any

APP = "every"
_COMPUTED: dict[str, dict[str, JSON]] = {
    "formula": {"formula": "LEN(name)"},
    "lookup": {"path": "reference.name"},
    "rollup": {"relation": "children", "function": "count"},
}
_RELATED: dict[str, dict[str, JSON]] = {
    "reference": {"entity": "other", "on_delete": "set_null"},
    "children": {"entity": "child", "via": "parent"},
}


def definition() -> dict[str, JSON]:
    """The app as one JSON value."""
    fields = [{"key": "name", "type": "text", "label": {"zh": "名称", "en": "Name"}, "required": True}]
    for name, field_type in BY_TYPE.items():
        options = _COMPUTED.get(name) or _RELATED.get(name)
        if options is None:
            options = dict(field_type.samples[0].options) if field_type.samples else {}
        fields.append({"key": _key(name), "type": name, "label": {"zh": f"{name} 栏", "en": name}, **options})
    text = {"type": "text", "label": "名称", "key": "name"}
    parent = {"key": "parent", "type": "reference", "label": "上级", "entity": "whole", "on_delete": "cascade"}
    entities = {
        "whole": fields,
        "other": [{**text, "unique": True}],
        "child": [text, parent, {"key": "rank", "type": "integer", "label": "次序", "default": 1}],
    }
    return {
        "app": {"key": APP, "label": {"zh": "全部字段", "en": "Every field"}},
        "entities": [{"key": key, "label": key, "fields": value} for key, value in entities.items()],
    }


def _key(name: str) -> str:
    return name if name not in ("created_at", "created_by", "updated_at", "updated_by") else f"own_{name}"
