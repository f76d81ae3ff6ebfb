"""Guards can be asked: their fields are of the right type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.definition.guards import AnyGuard
from builder.definition.guards.checklist import ChecklistGuard
from builder.definition.guards.evidence import EvidenceGuard
from builder.definition.guards.geofence import GeofenceGuard
from builder.definition.guards.records import RecordsGuard
from builder.definition.kinds import PIPELINES, Definition, DocumentId
from builder.definition.pipeline import Pipeline
from builder.kernel.text import say
from formulas.schema import FieldInfo, Schema


class _Place(NamedTuple):
    document: DocumentId
    pointer: str
    guard: AnyGuard


def check_guards(definition: Definition) -> Iterator[Finding]:
    """Every guard of every pipeline."""
    pipelines = [p for p in definition.of(PIPELINES) if definition.find_entity(p.entity) is not None]
    schema: Schema | None = None
    for pipeline in pipelines:
        for place in _guards(pipeline):
            schema = schema or draft_schema(definition)
            yield from _check(schema, pipeline.entity, place)


def _guards(pipeline: Pipeline) -> Iterator[_Place]:
    document = DocumentId(PIPELINES.name, pipeline.key)
    for index, stage in enumerate(pipeline.stages):
        places = [(f"/stages/{index}", stage), *((f"/stages/{index}/nodes/{n}", x) for n, x in enumerate(stage.nodes))]
        for pointer, node in places:
            for member in ("entry", "exit", "holds"):
                for place, guard in enumerate(getattr(node, member)):
                    yield _Place(document, f"{pointer}/{member}/{place}", guard)
    for index, transition in enumerate(pipeline.transitions):
        for place, guard in enumerate(transition.guards):
            yield _Place(document, f"/transitions/{index}/guards/{place}", guard)


def _check(schema: Schema, entity: str, place: _Place) -> Iterator[Finding]:
    guard = place.guard
    if isinstance(guard, EvidenceGuard):
        yield from _kind(schema, entity, guard.field, "file", place, "field")
        yield from _kind(schema, entity, guard.near, "geo", place, "near")
    elif isinstance(guard, GeofenceGuard):
        yield from _kind(schema, entity, guard.field, "geo", place, "field")
        yield from _kind(schema, entity, guard.target, "geo", place, "target")
    elif isinstance(guard, RecordsGuard):
        yield from _alike(schema, entity, guard, place)
        if guard.within_hours is not None:
            yield from _kind(schema, guard.entity, guard.at, "datetime", place, "at")
    elif isinstance(guard, ChecklistGuard):
        yield from _alike(schema, entity, guard, place)


def _kind(schema: Schema, entity: str, path: str | None, kind: str, place: _Place, member: str) -> Iterator[Finding]:
    found = _field_at(schema, entity, path) if path is not None else None
    names = {"file": say("文件", "file"), "geo": say("位置", "position"), "datetime": say("日期时间", "datetime")}
    if found is None or _fits(found, kind):
        return
    message = say(f"“{path}”应是{names[kind].zh}字段", f'"{path}" has to be a {names[kind].en} field')
    yield error("guard.field", place.document, f"{place.pointer}/{member}", message)


def _fits(found: FieldInfo, kind: str) -> bool:
    if kind == "file":
        return found.type.kind in ("set", "file")
    return found.type.kind == kind


def _alike(schema: Schema, entity: str, guard: RecordsGuard | ChecklistGuard, place: _Place) -> Iterator[Finding]:
    theirs, ours = _field_at(schema, guard.entity, guard.theirs), _field_at(schema, entity, guard.ours)
    if theirs is None or ours is None:
        return
    same = theirs.type.kind == ours.type.kind and theirs.target_entity == ours.target_entity
    own = guard.ours == "id" and theirs.target_entity == entity
    if not same and not own:
        message = say(
            f"“{guard.theirs}”与“{guard.ours}”不可比较", f'"{guard.theirs}" and "{guard.ours}" cannot be equal'
        )
        yield error("guard.field", place.document, f"{place.pointer}/ours", message)


def _field_at(schema: Schema, entity: str, path: str) -> FieldInfo | None:
    owner: str | None = entity
    found: FieldInfo | None = None
    for step in path.split("."):
        found = schema.find_field(owner, step) if owner is not None else None
        owner = found.target_entity if found else None
    return found
