"""Bodies to values: every field coerced, every violation found at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import Field, Invalid, label_text
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import Links, MultiReferenceField
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import ManyField
from builder.kernel.canonical import dump_json, dump_sorted
from builder.kernel.limits import CHILD_RECORDS
from builder.kernel.problems import Problem, Violation, escape_pointer, key_hint
from builder.kernel.text import Text, errors_found, say

JSON = Any
Values = dict[str, Any]

#: Violations that mean the request itself is wrong (400), not that a rule is broken (422).
MALFORMED = frozenset({"unknown"})
_HINTS = 50
_LAST_PLAIN = -6  # smaller numbers are written with an exponent
_NAME_SHOWN = 100


class Rows(NamedTuple):
    """What a body says of fields that lead to several records, by key."""

    children: dict[str, list[dict[str, JSON]]]
    links: dict[str, Links]

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return bool(self.children or self.links)


NOTHING_LISTED = Rows({}, {})


@dataclass(slots=True)
class NewRecord:
    """A record to be written, with the children that come with it."""

    entity: CompiledEntity
    id: str
    values: Values
    pointer: str
    system: Values = field(default_factory=dict)
    """created_at and created_by, where the door may give them; of one that comes back its revision too."""
    kind: str = "created"
    """How its event tells of it."""
    children: list[NewRecord] = field(default_factory=list)
    numbered: set[str] = field(default_factory=set)
    """Fields whose number the system gave."""
    given: set[str] = field(default_factory=set)
    """Fields whose value the body gives."""
    shown: dict[str, JSON] | None = None
    """As the API shows it, once it is written."""


def refuse(violations: list[Violation]) -> None:
    """Raise every violation at once, if there is one.

    Raises:
        Problem: ``request.unknown_name`` (400) if a name is unknown, else ``record.invalid`` (422).
    """
    if not violations:
        return
    code = "request.unknown_name" if any(v.code in MALFORMED for v in violations) else "record.invalid"
    count = len(violations)
    raise Problem(code, errors_found(count), violations=violations)


def expect_object(body: JSON, pointer: str, violations: list[Violation]) -> dict[str, JSON]:
    """Return the body as an object; anything else is a violation."""
    if isinstance(body, dict):
        return body
    violations.append(Violation("type", pointer, say("记录应是 JSON 对象", "A record is a JSON object")))
    return {}


def read_fields(
    entity: CompiledEntity,
    body: Mapping[str, JSON],
    pointer: str,
    violations: list[Violation],
    *,
    may_assign: bool = False,
    held: Mapping[str, JSON] | None = None,
    seen: CompiledEntity | None = None,
) -> tuple[Values, Rows]:
    """Coerce the fields that a body gives; return values of stored fields and what it says of fields that lead to several records.

    Args:
        may_assign: the door may give values that the system assigns otherwise (install, import).
        held: the record as it is, if it is there: what the system assigned may come back as it was read.
        seen: the entity with the fields the caller may name, where those are not all.
    """
    seen = seen or entity
    values: Values = {}
    rows = NOTHING_LISTED
    simple = seen.simple
    for key, given in body.items():
        definition = simple.get(key)
        if definition is not None:
            try:
                values[key] = None if given is None else definition.coerce(given)
            except Invalid as invalid:
                violations.append(invalid.violation(f"{pointer}/{key}"))
            continue
        definition = seen.fields.get(key)
        if definition is None:
            if key not in entity.system:
                violations.append(_unknown(seen, key, pointer, violations))
            continue
        if definition.shows is not None:
            continue  # looked at with the system fields
        if definition.assigned and not (may_assign and definition.stored):
            if not _as_read(definition, given, held):
                message = say("此值由系统给出,不能填写", "The system gives this value; leave it out")
                violations.append(Violation("assigned", f"{pointer}/{key}", message))
            continue
        try:
            value = None if given is None else definition.coerce(given)
        except Invalid as invalid:
            violations.append(invalid.violation(f"{pointer}/{key}"))
            continue
        if isinstance(definition, ManyField):
            rows = Rows({}, {}) if rows is NOTHING_LISTED else rows
            _take_rows(rows, definition, value, f"{pointer}/{key}", violations)
        else:
            values[key] = value
    return values, rows


def _take_rows(rows: Rows, definition: ManyField, value: Any, pointer: str, violations: list[Violation]) -> None:
    if isinstance(definition, MultiReferenceField):
        rows.links[definition.key] = value or Links(())
        return
    if isinstance(definition, ChildrenField) and definition.is_other_side:
        message = say(
            f"请在“{definition.entity}”的“{definition.via}”字段填写",
            f'Write this from the other side: the field "{definition.via}" of "{definition.entity}"',
        )
        violations.append(Violation("read_only", pointer, message))
        return
    listed = value or []
    if len(listed) > CHILD_RECORDS:
        message = say(f"子记录最多 {CHILD_RECORDS} 条", f"At most {CHILD_RECORDS} child records")
        violations.append(Violation("limit", pointer, message, {"maximum": CHILD_RECORDS}))
        listed = []
    rows.children[definition.key] = listed


def _as_read(definition: Field, given: JSON, held: Mapping[str, JSON] | None) -> bool:
    """Whether a value that the system assigns came back as it was read; one that changes by itself may be an older one."""
    if held is None:
        return given is None
    if isinstance(definition, ComputedField) and definition.volatile:
        return True
    return same_json(given, held.get(definition.key))


def check_parent(values: Values, via: str, parent_id: str, pointer: str, violations: list[Violation]) -> None:
    """A child in its parent's list belongs to that parent; it may say so, but it may not say otherwise."""
    if values.get(via, parent_id) not in (None, parent_id):
        message = say("子记录属于其所在的记录", "A child belongs to the record whose list it stands in")
        violations.append(Violation("parent", f"{pointer}/{via}", message))
    values.pop(via, None)


def same_json(left: JSON, right: JSON) -> bool:
    """Whether two JSON values are equal; unlike Python's, a truth value is no number."""
    if left != right:
        return False
    if isinstance(left, dict | list):
        return dump_sorted(left) == dump_sorted(right)
    return isinstance(left, bool) == isinstance(right, bool)


def _unknown(entity: CompiledEntity, key: str, pointer: str, violations: list[Violation]) -> Violation:
    shown = key[:_NAME_SHOWN]
    # looking for the nearest name takes its time, and there may be thousands
    wanted = len(key) <= _NAME_SHOWN and len(violations) < _HINTS
    hint = key_hint(key, entity.names()) if wanted else say("", "")
    message = say(f"“{entity.key}”没有字段“{shown}”{hint.zh}", f'"{entity.key}" has no field "{shown}"{hint.en}')
    return Violation("unknown", f"{pointer}/{escape_pointer(shown)}", message, {"name": shown})


def check_required(
    entity: CompiledEntity,
    values: Mapping[str, Any],
    pointer: str,
    violations: list[Violation],
    *,
    given_by_parent: str = "",
) -> None:
    """Note every required field that is blank."""
    blank = [definition for definition in entity.required if values.get(definition.key) is None]
    if not blank:
        return
    reported = {violation.pointer for violation in violations}
    for definition in blank:
        key = definition.key
        if not definition.assigned and key != given_by_parent and f"{pointer}/{key}" not in reported:
            violations.append(Violation("required", f"{pointer}/{key}", required_message(definition)))


def required_message(definition: Field) -> Text:
    """Say that a value is needed."""
    label = label_text(definition.label)
    return say(f"请填写“{label.zh}”", f"{label.en} is required")


def with_defaults(entity: CompiledEntity, values: Values) -> Values:
    """Return values for every stored field: given, default, or blank."""
    return entity.beginning | values


def with_aliases(entity: CompiledEntity, shown: dict[str, JSON]) -> dict[str, JSON]:
    """Return a record as the API shows it, with the fields that show system fields under keys of their own."""
    return shown | {field.key: shown[field.shows] for field in entity.aliases if field.shows is not None}


def field_json(definition: Field, value: Any) -> JSON:
    """Return a canonical value as the API shows it."""
    return definition.blank_json() if value is None else definition.to_json(value)


def child_entity(app: CompiledApp, definition: ChildrenField) -> CompiledEntity:
    """Return the entity of a children field's records."""
    return app.entities[definition.entity]


def record_body(entity: CompiledEntity, shown: Mapping[str, JSON]) -> bytes:
    """Write a record as the database does: all digits of a small number, where Python would write an exponent."""
    small = {
        item.key: msgspec.Raw(f"{value:f}".encode())
        for item in entity.stored
        if isinstance(value := shown[item.key], Decimal) and value.adjusted() < _LAST_PLAIN
    }
    if entity.aliases:  # they stand among the fields, in the order of the definition
        shown = {key: shown[key] for key in (*entity.system, *entity.fields) if key in shown}
    return dump_json({**shown, **small} if small else shown)
