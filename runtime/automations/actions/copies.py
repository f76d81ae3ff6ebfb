"""The frozen copy that a task carries: values as the API shows them, and what people read in their place, as it was called then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.compiled.copies import roles_without_titles
from builder.fields.base import label_text
from builder.fields.parts.choices import ChoiceField
from builder.kernel.clock import instant_text
from builder.store.statement import Unit
from formulas.errors import CellError
from formulas.literals import write_value
from formulas.schema import FieldInfo
from runtime.automations.actions.base import Occasion
from runtime.expressions.prepared import end_of

JSON = Any


def frozen_copy(o: Occasion, paths: Sequence[str], entity: CompiledEntity, field: str) -> Unit[dict[str, JSON]]:
    """Return a copy of values of the record, to be kept in a field of an entity: whoever reads that field reads it."""
    values = yield from o.evaluate(*paths)
    kept = {
        path: None if isinstance(value, CellError) else write_value(value)
        for path, value in zip(paths, values, strict=True)
    }
    named = [path for path in paths if kept[path] is not None and _has_name(o, path, entity, field)]
    names = yield from o.show(named)
    return {
        "entity": o.entity.key,
        "id": o.subject.record_id,
        "revision": o.subject.shown.get("revision"),
        "at": instant_text(o.w.now),
        "values": kept,
        "names": {path: {"zh": name.zh, "en": name.en} for path, name in zip(named, names, strict=True)},
        "labels": {path: _label(o.w.app, o.entity.key, path) for path in paths},
    }


def _has_name(o: Occasion, path: str, entity: CompiledEntity, field: str) -> bool:
    """Whether a value is a key or an id that stands for a name, which the readers of the copy may know."""
    app, steps = o.w.app, tuple(path.split("."))
    owner: str | None = o.entity.key
    found: FieldInfo | None = None
    for step in steps:
        found = app.find_field(owner, step) if owner is not None else None
        owner = found.target_entity if found is not None else None
    if found is None:
        return False
    kind = (found.type.element or found.type).kind
    if kind == "record":
        return found.type.entity is not None and _is_title_read(app, entity, field, found.type.entity)
    return kind in ("person", "department") or isinstance(end_of(app, o.entity, steps), ChoiceField)


def _is_title_read(app: CompiledApp, entity: CompiledEntity, field: str, of: str) -> bool:
    whole = app.whole
    target = whole.entities[of]
    if target.title_key is None or of not in app.entities:
        return False
    owner = whole.entities[entity.key].definition
    return not roles_without_titles(whole.definition, owner, field, target.definition, target.title_key)


def _label(app: CompiledApp, entity: str, path: str) -> dict[str, str]:
    zh: list[str] = []
    en: list[str] = []
    for step in path.split("."):
        field = app.entities[entity].find_field(step) if entity in app.entities else None
        label = label_text(field.label if field is not None else step)
        zh.append(label.zh)
        en.append(label.en)
        info = app.find_field(entity, step)
        entity = str(info.target_entity) if info is not None else ""
    return {"zh": " / ".join(zh), "en": " / ".join(en)}
