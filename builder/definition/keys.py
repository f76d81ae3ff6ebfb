"""Keys for documents and fields that have only a label: pinyin, made once, then identity."""

from __future__ import annotations

import re
from typing import Any

from builder.kernel.limits import KEY_LENGTH

JSON = Any


def fill_keys(document: JSON) -> JSON:
    """Return the document with a key wherever one was left out; existing keys are never touched."""
    if not isinstance(document, dict):
        return document
    filled = _with_key(document, set())
    fields = filled.get("fields")
    if isinstance(fields, list):
        taken = {field["key"] for field in fields if isinstance(field, dict) and isinstance(field.get("key"), str)}
        filled["fields"] = [_with_key(field, taken) if isinstance(field, dict) else field for field in fields]
    return filled


def _with_key(document: dict[str, JSON], taken: set[str]) -> dict[str, JSON]:
    if "key" in document or "label" not in document:
        return dict(document)
    label = document["label"]
    text = label.get("en") or label.get("zh") if isinstance(label, dict) else label
    if not isinstance(text, str):
        return dict(document)
    key = free_key(key_of(text), taken)
    taken.add(key)
    return {"key": key, **document}


def key_of(label: str) -> str:
    """Return a key for a label: 客户等级 -> ke_hu_deng_ji, "Lead Source" -> lead_source."""
    from pypinyin import lazy_pinyin

    words = re.findall(r"[a-z0-9]+", " ".join(lazy_pinyin(label)).lower())
    key = "_".join(words)[:KEY_LENGTH].strip("_")
    return key if key and key[0].isalpha() else f"f_{key}"[:KEY_LENGTH].rstrip("_")


def free_key(key: str, taken: set[str]) -> str:
    """Return the key, or the key with the lowest number behind it that is not taken."""
    if key not in taken:
        return key
    number = 2
    while f"{key[: KEY_LENGTH - 4]}_{number}" in taken:
        number += 1
    return f"{key[: KEY_LENGTH - 4]}_{number}"
