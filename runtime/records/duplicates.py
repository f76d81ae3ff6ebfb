"""Records that may be the same thing: what an entity's ``duplicates`` say of one record and the others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa

from builder.compiled.app import CompiledEntity
from builder.definition.entity import DuplicateRule
from builder.kernel.canonical import parse_json
from builder.kernel.limits import DUPLICATE_CANDIDATES, DUPLICATES_LOOKED_AT
from builder.store.statement import Query, Unit
from builder.store.types import Identifier, Words
from formulas.pinyin import syllables
from runtime.records.holding import not_found
from runtime.records.seeing import whole_fields
from runtime.records.writer import Writing

JSON = Any
_PIECES = 8  # characters of a text that others are looked up by


def find_duplicates(
    w: Writing, entity: CompiledEntity, record_id: str, shown: Mapping[str, JSON]
) -> Unit[list[dict[str, JSON]]]:
    """Return the records that may be the same thing, the most alike first, as far as the caller sees them and the field."""
    found: dict[str, dict[str, int]] = {}
    seen = w.seen.app.entities.get(entity.key)
    for rule in entity.definition.duplicates:
        value = _plain(shown.get(rule.field))
        if not value or seen is None or rule.field not in seen.fields:
            continue
        pieces = (list(dict.fromkeys(value)) * _PIECES)[:_PIECES]
        bound: dict[str, Any] = {f"t{place}": piece for place, piece in enumerate(pieces)}
        statement = w.statements.kept(
            ("duplicates", entity.key, rule.field, rule.match), partial(_candidates, entity, rule)
        )
        rows = yield Query(statement, {**bound, "id": record_id, "value": value})
        for other_id, text in rows:
            score = alike(value, _plain(text))
            if score < (100 if rule.match == "same" else rule.threshold):
                continue
            found.setdefault(str(other_id), {})[rule.field] = score
    visible = (yield from whole_fields(w, entity, found)) if found else {}
    listed: list[dict[str, JSON]] = []
    for other_id, scores in found.items():  # being alike tells a value: only those count that the caller sees
        known = {key: score for key, score in scores.items() if key in visible.get(other_id, ())}
        if known:
            listed.append({"id": other_id, "score": max(known.values()), "fields": list(known)})
    return sorted(listed, key=lambda one: (-one["score"], one["id"]))[:DUPLICATE_CANDIDATES]


def duplicates_of(w: Writing, entity: CompiledEntity, record_id: str) -> Unit[list[dict[str, JSON]]]:
    """Return the records that may be the same thing as one that is there.

    Raises:
        Problem: ``record.not_found``.
    """
    whole = w.app.entities[entity.key]
    statement = w.statements.kept(("look at", entity.key), lambda _: w.statements.held_select(whole))
    rows = yield Query(statement, {"id": record_id})
    if not rows:
        raise not_found(whole, record_id)
    visible = (yield from whole_fields(w, whole, [record_id])).get(record_id, frozenset())
    shown = {key: value for key, value in parse_json(rows[0][1]).items() if key in visible}
    return (yield from find_duplicates(w, whole, record_id, shown))


def alike(left: str, right: str) -> int:
    """Return how alike two plain texts are in writing or sound, of 100."""
    if left == right:
        return 100
    from rapidfuzz import fuzz

    sounds = fuzz.ratio(" ".join(syllables(left)), " ".join(syllables(right)))
    return min(99, round(max(fuzz.ratio(left, right), sounds)))


def _plain(value: JSON) -> str:
    return "".join(value.casefold().split()) if isinstance(value, str) else ""


def _candidates(entity: CompiledEntity, rule: DuplicateRule, _dialect: str) -> sa.Select[Any]:
    """Return the statement of the newest records that may be alike: equal but for case and spaces, or with half of the characters."""
    table = entity.table
    text = sa.func.lower(sa.func.replace(table.c[rule.field], " ", ""), type_=Words())
    if rule.match == "same":
        alike_: Any = text == sa.bindparam("value", type_=Words())
    else:
        has = [
            sa.case((sa.func.replace(text, sa.bindparam(f"t{place}", type_=Words()), "") != text, 1), else_=0)
            for place in range(_PIECES)
        ]
        alike_ = sum(has[1:], has[0]) >= _PIECES // 2
    chosen = sa.select(table.c.id, table.c[rule.field])
    other = table.c.id != sa.bindparam("id", type_=Identifier())
    return (
        chosen.where(other, table.c[rule.field].is_not(None), alike_)
        .order_by(table.c.id.desc())
        .limit(sa.literal_column(str(DUPLICATES_LOOKED_AT)))
    )
