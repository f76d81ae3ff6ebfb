"""Marks of renames can be followed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.checks.finding import Finding, error
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.definition.renames import Renamed, follow_renames, is_fresh
from builder.kernel.text import Text, say


def check_renames(definition: Definition, published: Definition | None) -> Iterator[Finding]:
    """Of one thing only one other was renamed, and what is still there under its own key was not."""
    before = published.entities if published else ()
    for index, message in _wrong_marks(before, definition.entities):
        yield error("rename.taken", _document(definition.entities[index].key), "/renamed_from", message)
    pairs = follow_renames(before, definition.entities)
    former = {entity.key: entity.fields for entity in before}
    for entity in definition.entities:
        fields = former[pairs[entity.key]] if entity.key in pairs else ()
        for index, message in _wrong_marks(fields, entity.fields):
            yield error("rename.taken", _document(entity.key), f"/fields/{index}/renamed_from", message)


def _wrong_marks(before: Sequence[Renamed], after: Sequence[Renamed]) -> Iterator[tuple[int, Text]]:
    known = {item.key: item for item in before}
    now = {item.key: item for item in after}
    claimed: dict[str, str] = {}
    for index, item in enumerate(after):
        mark = item.renamed_from
        if mark is None or not is_fresh(item, known):
            continue
        stays = now.get(mark)
        if mark in claimed:
            other = claimed[mark]
            yield index, say(f"“{other}”也由“{mark}”改名而来", f'"{other}" was renamed from "{mark}" too')
        elif item.key in known and stays is not None and not is_fresh(stays, known):
            yield index, say(f"“{mark}”与“{item.key}”都还在,没有改名", f'"{mark}" and "{item.key}" are both still here')
        claimed.setdefault(mark, item.key)


def _document(key: str) -> DocumentId:
    return DocumentId(ENTITIES.name, key)
