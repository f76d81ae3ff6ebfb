"""Guards can be asked: their fields are of the right type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.definition.guards import AnyGuard
from builder.definition.guards.checklist import ChecklistGuard
from builder.definition.guards.evidence import EvidenceGuard, EvidenceKind
from builder.definition.guards.geofence import GeofenceGuard
from builder.definition.guards.records import RecordsGuard
from builder.definition.kinds import PIPELINES, Definition, DocumentId
from builder.definition.pipeline import Pipeline
from builder.fields.parts.files import FileSetField
from builder.kernel.text import say
from formulas.schema import FieldInfo, Schema

_MEDIA_TYPES: Mapping[EvidenceKind, str] = {
    "image": "image/",
    "audio": "audio/",
    "video": "video/",
    "pdf": "application/pdf",
    "any": "",
}


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
            if isinstance(place.guard, EvidenceGuard):
                yield from _check_evidence(definition, pipeline.entity, place.guard, place)


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


def _check_evidence(definition: Definition, entity: str, guard: EvidenceGuard, place: _Place) -> Iterator[Finding]:
    """The field can hold so many files of the kind; else nobody could ever get past."""
    owner = definition.find_entity(entity)
    field = next((one for one in owner.fields if one.key == guard.field), None) if owner else None
    if field is None:
        return  # the name is reported where it stands
    if not isinstance(field, FileSetField):
        message = say(f"“{field.key}”应是文件字段", f'"{field.key}" has to be a file field')
        yield error("guard.field", place.document, f"{place.pointer}/field", message)
        return
    if not _takes(field, _MEDIA_TYPES[guard.kind]):
        message = say(
            f"“{field.key}”不收这种文件({guard.kind}),条件永远无法满足",
            f'"{field.key}" takes no files of this kind ({guard.kind}): this can never be met',
        )
        yield error("guard.never", place.document, f"{place.pointer}/kind", message)
    if guard.minimum > field.max_count:
        message = say(
            f"“{field.key}”最多 {field.max_count} 个文件,达不到 {guard.minimum} 个,条件永远无法满足",
            f'"{field.key}" holds at most {field.max_count} files, so {guard.minimum} can never be reached',
        )
        yield error("guard.never", place.document, f"{place.pointer}/minimum", message)


def _takes(field: FileSetField, prefix: str) -> bool:
    """Whether a field takes some files of a kind."""
    return all(
        not accepted or any(one.startswith(prefix) or prefix.startswith(one.removesuffix("*")) for one in accepted)
        for accepted in (field.takes, field.accept)
    )


def _kind(schema: Schema, entity: str, path: str | None, kind: str, place: _Place, member: str) -> Iterator[Finding]:
    found = _field_at(schema, entity, path) if path is not None else None
    names = {"geo": say("位置", "position"), "datetime": say("日期时间", "datetime")}
    if found is None or found.type.kind == kind:
        return
    message = say(f"“{path}”应是{names[kind].zh}字段", f'"{path}" has to be a {names[kind].en} field')
    yield error("guard.field", place.document, f"{place.pointer}/{member}", message)


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
