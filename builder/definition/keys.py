"""Keys for documents and fields that have only a label: pinyin, made once, then identity."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from builder.definition.entity import RESERVED_KEYS
from builder.kernel.limits import KEY_LENGTH
from formulas.pinyin import syllables

JSON = Any


def fill_keys(document: JSON, *, taken: Collection[str] = (), length: int = KEY_LENGTH) -> JSON:
    """Return the document with a key wherever one was left out; existing keys are never touched.

    Args:
        taken: keys of other documents of its kind.
        length: the longest key the document may have.
    """
    if not isinstance(document, dict):
        return document
    filled = _with_key(document, set(taken), length)
    fields = filled.get("fields")
    if isinstance(fields, list):
        used = {field["key"] for field in fields if isinstance(field, dict) and isinstance(field.get("key"), str)}
        used |= RESERVED_KEYS
        filled["fields"] = [_with_key(field, used) if isinstance(field, dict) else field for field in fields]
    return filled


def _with_key(document: dict[str, JSON], taken: set[str], length: int = KEY_LENGTH) -> dict[str, JSON]:
    if "key" in document or "label" not in document:
        return dict(document)
    label = document["label"]
    text = label.get("en") or label.get("zh") if isinstance(label, dict) else label
    if not isinstance(text, str):
        return dict(document)
    key = free_key(key_of(text, length), taken, length)
    taken.add(key)
    return {"key": key, **document}


def key_of(label: str, length: int = KEY_LENGTH) -> str:
    """Return a key for a label: 客户等级 -> ke_hu_deng_ji, "Lead Source" -> lead_source."""
    words = re.findall(r"[a-z0-9]+", " ".join(syllables(label)).lower())
    key = "_".join(words)[:length].strip("_")
    return key if key and key[0].isalpha() else f"f_{key}"[:length].rstrip("_")


def free_key(key: str, taken: Collection[str], length: int = KEY_LENGTH) -> str:
    """Return the key, or the key with the lowest number behind it that is not taken."""
    if key not in taken:
        return key
    stem = key[: length - 4].rstrip("_")
    number = 2
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"
