"""Where two forms of a document differ, for people who are about to publish: ``steps/0/after: 24 h → 12 h``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from builder.kernel.canonical import dump_json
from builder.kernel.text import Text, say

JSON = Any
SHOWN = 5
_LENGTH = 60


def differences(before: JSON, after: JSON, place: str = "") -> Iterator[tuple[str, JSON, JSON]]:
    """Yield (place, before, after) of every value that is another one; a list of another length is one value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from differences(before.get(name), after.get(name), f"{place}/{name}" if place else name)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{place}/{index}")
    elif before != after:
        yield place, before, after


def shown(before: JSON, after: JSON) -> Text:
    """Say the first differences in words."""
    found = list(islice(differences(before, after), SHOWN + 1))
    zh = ";".join(f"{place}:{_value(one, 'zh')} → {_value(other, 'zh')}" for place, one, other in found[:SHOWN])
    en = "; ".join(f"{place}: {_value(one, 'en')} → {_value(other, 'en')}" for place, one, other in found[:SHOWN])
    return say(zh, en) if len(found) <= SHOWN else say(f"{zh};等", f"{en}; and more")


def _value(value: JSON, language: str) -> str:
    if value is None:
        return "无" if language == "zh" else "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"{len(value)} 项" if language == "zh" else f"{len(value)} items"
    text = value if isinstance(value, str) else dump_json(value).decode()
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"
