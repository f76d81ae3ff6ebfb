"""Orders of a batch: what is asked for, in which order it is carried out, and what became of it.

Neighbours of one kind and entity are carried out together, as long as none of them touches what another of them touches or
refers to what another of them finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.reference import ReferenceField
from builder.kernel.canonical import dump_sorted
from builder.kernel.ids import find_uuid
from builder.kernel.problems import Problem, Violation
from builder.kernel.text import say
from builder.registry.registry import PublishedApp
from runtime.access.sight import sight_of

JSON = Any
Verb = Literal["create", "update", "upsert", "delete"]
Deed = Literal["created", "updated", "unchanged", "deleted"]
REF = "$ref"
_NESTED = frozenset({dict, list})
_NONE: frozenset[str] = frozenset()


class Order(NamedTuple):
    """One thing to be done."""

    verb: Verb
    entity: CompiledEntity
    pointer: str
    """Where in the request its record stands."""
    body: JSON = None
    id: JSON = None
    """Of an update or delete: an id, or ``{"$ref": name}``."""
    if_match: int | None = None
    by: tuple[str, ...] = ()
    """Of an upsert: the fields that tell which record it is; a unique set of the entity."""
    name: str | None = None
    """By which others of the batch refer to its record."""


class Done(NamedTuple):
    """What became of an order."""

    deed: Deed
    entity: CompiledEntity
    record_id: str
    shown: Callable[[], dict[str, JSON]] | None
    """Tells the record afterwards; None if it is gone."""


Outcome = Done | Problem


def unique_set(published: PublishedApp, entity: CompiledEntity, by: tuple[str, ...]) -> tuple[str, ...]:
    """Return the unique set of an entity that is meant, in its own order, of those whose fields the caller may name.

    Args:
        published: the app as the caller sees it.

    Raises:
        Problem: ``query.invalid``.
    """
    sight = sight_of(published.app)
    named = (entity if sight is None else sight.bodies.get(entity.key, entity)).fields
    known = [keys for keys in entity.uniques if named.keys() >= set(keys)]
    for keys in known:
        if set(keys) == set(by) and len(keys) == len(by):
            return keys
    sets = "; ".join(", ".join(keys) for keys in known) or "-"
    detail = say(
        f"by 应是“{entity.key}”的一组唯一字段;现有:{sets}",
        f'by is a unique set of fields of "{entity.key}"; there are: {sets}',
    )
    raise Problem("query.invalid", detail)


def runs(orders: Sequence[Order]) -> Iterable[list[int]]:
    """Yield places of orders that are carried out together, in order."""
    run: list[int] = []
    claims: set[str] = set()
    names: set[str] = set()
    for place, order in enumerate(orders):
        own = _claims(order)
        alike = bool(run) and _kind(orders[run[-1]]) == _kind(order)
        bound = bool(names) and not names.isdisjoint(_refs(order))
        if run and (not alike or bound or not claims.isdisjoint(own)):
            yield run
            run, claims, names = [], set(), set()
        run.append(place)
        claims |= own
        if order.name is not None and order.verb != "create":  # what is created has its id from the start
            names.add(order.name)
    if run:
        yield run


def _kind(order: Order) -> tuple[str, str, tuple[str, ...]]:
    return order.verb, order.entity.key, order.by


def _claims(order: Order) -> Set[str]:
    if order.verb == "upsert" and isinstance(order.body, dict):
        values = [order.body.get(key) for key in order.by]
        return {
            dump_sorted(
                [str(value).strip().casefold() if isinstance(value, str) else value for value in values]
            ).decode()
        }
    given = order.body.get("id") if order.verb == "create" and isinstance(order.body, dict) else order.id
    return {find_uuid(given) or given} if isinstance(given, str) else _NONE


def _refs(order: Order) -> set[str]:
    found: set[str] = set()
    _collect(order.id, found)
    _collect(order.body, found)
    return found


def _collect(value: JSON, found: set[str]) -> None:
    if isinstance(value, dict):
        if set(value) == {REF} and isinstance(value[REF], str):
            found.add(value[REF])
        else:
            for item in value.values():
                _collect(item, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)


def is_ref(value: JSON) -> bool:
    """Whether a value says which other item of the batch is meant."""
    return isinstance(value, dict) and set(value) == {REF} and isinstance(value[REF], str)


def resolve(
    app: CompiledApp,
    entity: CompiledEntity,
    body: JSON,
    ids: Mapping[str, str | None],
    pointer: str,
    violations: list[Violation],
) -> JSON:
    """Return a body in which references to other items are ids; only fields that hold references are looked at."""
    if not isinstance(body, dict) or _NESTED.isdisjoint(map(type, body.values())):
        return body
    made: dict[str, JSON] = {}
    for key, value in body.items():
        field = entity.fields.get(key)
        place = f"{pointer}/{key}"
        if is_ref(value) and (isinstance(field, ReferenceField) or key == "id"):
            made[key] = find_ref(value, ids, place, violations)
        elif isinstance(field, ChildrenField) and isinstance(value, list):
            target = app.entities[field.entity]
            made[key] = [resolve(app, target, row, ids, f"{place}/{n}", violations) for n, row in enumerate(value)]
        elif isinstance(field, MultiReferenceField) and isinstance(value, list | dict):
            made[key] = _resolve_links(value, ids, place, violations)
        else:
            made[key] = value
    return made


def _resolve_links(value: JSON, ids: Mapping[str, str | None], pointer: str, violations: list[Violation]) -> JSON:
    """Return links in which references to other items are ids: of the target, or as the ``id`` of an object."""
    if is_ref(value):
        return find_ref(value, ids, pointer, violations)
    if isinstance(value, list):
        return [_resolve_links(item, ids, f"{pointer}/{n}", violations) for n, item in enumerate(value)]
    if isinstance(value, dict):
        members = {key: value[key] for key in ("id", "add", "remove") if key in value}
        return value | {key: _resolve_links(item, ids, f"{pointer}/{key}", violations) for key, item in members.items()}
    return value


def find_ref(value: JSON, ids: Mapping[str, str | None], pointer: str, violations: list[Violation]) -> str | None:
    """Return the id that a reference to another item means."""
    name = str(value[REF])
    found = ids.get(name)
    if found is None:
        if name in ids:
            message = say(f"“{name}”未能写入", f'"{name}" was refused')
        else:
            message = say(f"前面没有名为“{name}”的项", f'No item before this one is named "{name}"')
        violations.append(Violation("reference", pointer, message, {"name": name}))
    return found
