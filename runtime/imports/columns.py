"""Which field each column of a sheet fills: by key or label, or as the caller says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.compiled.app import CompiledEntity
from builder.fields.base import Field, label_text
from builder.fields.multi_reference import MultiReferenceField
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from runtime.imports.sheets import wrong_cell

Wishes = Mapping[str, str | None]
"""Title of a column -> key of its field; None: the column is passed over."""
ID = "id"
WHY = say("未导入的原因", "Why it was not brought in")
"""Title of the column that a sheet of refused rows has besides; it is passed over when the sheet comes back."""


def match_columns(entity: CompiledEntity, header: Sequence[str], wishes: Wishes) -> tuple[str | None, ...]:
    """Return the key of the field that each column fills, None for one that is passed over: by wish, or because the system fills it.

    Args:
        entity: with the fields that the caller's body may name.

    Raises:
        Problem: ``import.invalid`` with every column that is wrong; ``query.invalid`` for wishes about columns that are not there.
    """
    unknown = sorted(set(wishes) - set(header))
    if unknown:
        detail = say(f"文件没有这些列:{'、'.join(unknown)}", f"The sheet has no such columns: {', '.join(unknown)}")
        raise Problem("query.invalid", detail)
    names = _names(entity)
    passed = {title: None for title in header if title in WHY or title.casefold() in _given(entity)}
    wishes = {**passed, **wishes}
    violations: list[Violation] = []
    found: list[str | None] = []
    for title in header:
        key = wishes[title] if title in wishes else names.get(title.casefold())
        if title in wishes and key is None:
            found.append(None)
            continue
        if title in wishes and key not in names.values():
            key = None
        if key is None:
            hint = nearest_hint(title, [*names, *names.values()])
            zh, en = f"没有可以导入的这个字段{hint.zh}", f"No field of this name can be brought in{hint.en}"
            violations.append(wrong_cell(1, title, "unknown", zh, en))
        elif key in found:
            violations.append(wrong_cell(1, title, "duplicate", "有两列填同一个字段", "Two columns fill one field"))
        found.append(key)
    if violations:
        raise Problem("import.invalid", violations=violations)
    return tuple(found)


def _names(entity: CompiledEntity) -> dict[str, str]:
    """Return every name that a column may have, in lower case: keys win over labels."""
    fields = [field for field in entity.fields.values() if _is_filled(entity, field)]
    labels = {name.casefold(): field.key for field in fields for name in label_text(field.label) if name}
    return {**labels, **{field.key: field.key for field in fields}, ID: ID}


def _given(entity: CompiledEntity) -> set[str]:
    """Return the names of what the system fills, in lower case, unless a field to be filled has the same: an export has such columns."""
    fields = [*entity.system.values(), *(f for f in entity.fields.values() if f.assigned or f.shows is not None)]
    names = {name.casefold() for field in fields for name in (field.key, *label_text(field.label))}
    return names - set(_names(entity))


def _is_filled(entity: CompiledEntity, field: Field) -> bool:
    return field.key in entity.simple or isinstance(field, MultiReferenceField) or field.lists == "user"
