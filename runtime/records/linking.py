"""Links of a ``multi_reference`` inside the one write path: bodies of links, their number, and what histories tell of them.

A link is a record of an entity of its own (decision 0023); what is here is what people see instead of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from builder.compiled.app import CompiledEntity
from builder.fields.multi_reference import Link, Links, MultiReferenceField
from builder.fields.parts.many import SOURCE, TARGET
from builder.kernel.problems import Violation

if TYPE_CHECKING:
    from runtime.records.values import NewRecord

JSON = Any
_INSIDE = "/attributes"


def link_bodies(pointer: str, wish: Links | None, wanted: Sequence[Link]) -> Iterator[tuple[str, dict[str, JSON]]]:
    """Yield where in the request each link stands, and its body as a record."""
    here = pointer if wish is None or wish.whole is not None else f"{pointer}/add"
    for place, link in enumerate(wanted):
        yield f"{here}/{place}{_INSIDE}", {TARGET: link.id, **(link.attributes or {})}


def pointer_in(pointer: str, key: str) -> str:
    """Return where a field of a record stands in a request; the target of a link is the item itself."""
    return pointer.removesuffix(_INSIDE) if key == TARGET else f"{pointer}/{key}"


def refuse_count(field: MultiReferenceField, count: int, pointer: str, violations: list[Violation]) -> None:
    """Note that a record would have too few links, or too many."""
    wrong = field.count_wrong(count)
    if wrong is not None:
        violations.append(Violation(wrong.code, pointer, wrong.message, wrong.params))


def told(field: MultiReferenceField, links: Iterable[Mapping[str, JSON]]) -> list[JSON]:
    """Return links as a history tells them: ids, or objects where links have attributes."""
    if not field.attributes:
        return [link[TARGET] for link in links]
    keys = [attribute.key for attribute in field.attributes]
    return [{"id": link[TARGET], "attributes": {key: link.get(key) for key in keys}} for link in links]


def told_of_new(record: NewRecord) -> dict[str, list[JSON]]:
    """Return what the event of a new record tells of its links."""
    found: dict[str, list[JSON]] = {}
    for field in record.entity.links:
        own = [child for child in record.children if child.entity.key == field.rows]
        rows = [shown_link(child.entity, child.values) for child in own if child.values[SOURCE] == record.id]
        if rows:
            found[field.key] = [None, told(field, rows)]
    return found


def shown_link(entity: CompiledEntity, values: Mapping[str, Any]) -> dict[str, JSON]:
    """Return a link's values as the API shows them."""
    return {
        field.key: field.blank_json() if values.get(field.key) is None else field.to_json(values[field.key])
        for field in entity.stored
    }


def named_targets(changes: Mapping[str, list[JSON]], entity: CompiledEntity) -> dict[str, set[str]]:
    """Return which targets an event's changes name, by the entity they are of."""
    found: dict[str, set[str]] = {}
    for field in entity.links:
        for side in changes.get(field.key, ()):
            found.setdefault(field.entity, set()).update(_id_of(item) for item in side or ())
    return found


def without_hidden(
    changes: dict[str, list[JSON]], entity: CompiledEntity, seen: Mapping[str, set[str]]
) -> dict[str, list[JSON]]:
    """Return an event's changes without the targets that its reader does not see."""
    narrowed = dict(changes)
    for field in entity.links:
        if field.key in changes and field.entity in seen:
            known = seen[field.entity]
            sides = [None if s is None else [i for i in s if _id_of(i) in known] for s in changes[field.key]]
            if (sides[0] or []) == (sides[1] or []):
                del narrowed[field.key]
            else:
                narrowed[field.key] = sides
    return narrowed


def _id_of(item: JSON) -> str:
    return str(item["id"] if isinstance(item, dict) else item)
