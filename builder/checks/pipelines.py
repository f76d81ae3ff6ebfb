"""Pipelines: their stages are options, their ways lead somewhere, and their guards can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from builder.checks.finding import Finding, error, warning
from builder.compiled.pipelines import CompiledPipeline, place_named
from builder.definition.entity import Entity
from builder.definition.kinds import APPROVALS, PIPELINES, Definition, DocumentId
from builder.definition.pipeline import Pipeline
from builder.fields.base import Field
from builder.fields.select import SelectField
from builder.kernel.problems import nearest_hint
from builder.kernel.text import say


def check_pipelines(definition: Definition) -> Iterator[Finding]:
    """Everything about a pipeline that its own document does not show."""
    for pipeline in definition.of(PIPELINES):
        document = DocumentId(PIPELINES.name, pipeline.key)
        entity = definition.find_entity(pipeline.entity)
        if entity is not None:  # else its name is reported as a reference
            yield from _fields(pipeline, entity, document)
            yield from _ways(CompiledPipeline(pipeline), document)
            yield from _approvals(definition, pipeline, document)
    yield from _shared(definition)


def _fields(pipeline: Pipeline, entity: Entity, document: DocumentId) -> Iterator[Finding]:
    fields = {field.key: field for field in entity.fields}
    stages = [stage.key for stage in pipeline.stages]
    nodes = [node.key for stage in pipeline.stages for node in stage.nodes]
    yield from _options(fields.get(pipeline.field), stages, document, "/field", "/stages")
    if pipeline.node_field is not None:
        yield from _options(fields.get(pipeline.node_field), nodes, document, "/node_field", "/stages")
    since = fields.get(pipeline.since_field or "")
    if since is not None and since.type != "datetime":
        message = say(f"“{since.key}”应是日期时间字段", f'"{since.key}" has to be a datetime field')
        yield error("pipeline.field", document, "/since_field", message)
    kept = {pipeline.field, pipeline.node_field, pipeline.since_field} - {None}
    for index, transition in enumerate(pipeline.transitions):
        for place, key in enumerate(transition.asks):
            if key in kept or (key in fields and (fields[key].assigned or not fields[key].stored)):
                message = say(f"“{key}”不能由人填写", f'Nobody can fill in "{key}"')
                yield error("pipeline.asks", document, f"/transitions/{index}/asks/{place}", message)
    yield from _beginning(pipeline, fields, document)


def _options(
    field: Field | None, keys: list[str], document: DocumentId, pointer: str, listed: str
) -> Iterator[Finding]:
    if field is None:
        return  # reported as a reference
    if not isinstance(field, SelectField):
        message = say(f"“{field.key}”应是单选字段", f'"{field.key}" has to be a select field')
        yield error("pipeline.field", document, pointer, message)
        return
    for key in keys:
        if key not in field.position:
            hint = nearest_hint(key, field.option_keys)
            message = say(
                f"字段“{field.key}”没有选项“{key}”{hint.zh}", f'The field "{field.key}" has no option "{key}"{hint.en}'
            )
            yield error("pipeline.stage", document, listed, message)
    for key in field.option_keys:
        if key not in keys:
            message = say(
                f"选项“{key}”不在流程中,记录会停在没有出路的地方",
                f'The option "{key}" is not in the pipeline; a record with it would stand nowhere',
            )
            yield error("pipeline.option", document, listed, message)


def _beginning(pipeline: Pipeline, fields: Mapping[str, Field], document: DocumentId) -> Iterator[Finding]:
    compiled = CompiledPipeline(pipeline)
    field = fields.get(pipeline.field)
    if field is not None and field.default is not None and field.default not in compiled.initial:
        message = say(
            f"字段默认值“{field.default}”不是起始阶段", f'The default "{field.default}" is not a stage to begin in'
        )
        yield error("pipeline.default", document, "/field", message)
    for key in compiled.kept:
        kept = fields.get(key)
        if kept is not None and kept.required and kept.default is None:
            message = say(
                f"字段“{key}”由流程填写;请去掉“必填”或给出默认值",
                f'The pipeline fills in "{key}"; do not require it, or give it a default',
            )
            yield error("pipeline.required", document, "/field", message)


def _ways(compiled: CompiledPipeline, document: DocumentId) -> Iterator[Finding]:
    names = {place.name for place in compiled.places()} | set(compiled.stages)
    entered = set(compiled.initial)
    for index, transition in enumerate(compiled.definition.transitions):
        entered.add(place_named(transition.enters).stage)
        named = [("enters", transition.enters)]
        named += [(f"leaves/{place}", name) for place, name in enumerate(transition.leaves)]
        yield from _unknown(named, names, document, f"/transitions/{index}/")
    for index, moved in enumerate(compiled.definition.moved):
        yield from _unknown([("into", moved.into)], names, document, f"/moved/{index}/")
    for index, key in enumerate(compiled.stages):
        if key not in entered:
            message = say(f"没有流转进入阶段“{key}”", f'No transition enters the stage "{key}"')
            yield warning("pipeline.unreachable", document, f"/stages/{index}", message)


def _unknown(
    named: Iterable[tuple[str, str]], known: set[str], document: DocumentId, pointer: str
) -> Iterator[Finding]:
    for member, name in named:
        if name not in known:
            hint = nearest_hint(name, known)
            message = say(f"流程没有阶段或节点“{name}”{hint.zh}", f'There is no stage or node "{name}"{hint.en}')
            yield error("pipeline.place", document, pointer + member, message)


def _approvals(definition: Definition, pipeline: Pipeline, document: DocumentId) -> Iterator[Finding]:
    for index, transition in enumerate(pipeline.transitions):
        approval = definition.find(APPROVALS, transition.starts_approval or "")
        if approval is not None and approval.entity != pipeline.entity:
            message = say(f"“{approval.key}”审批的是另一个实体", f'"{approval.key}" approves another entity')
            yield error("pipeline.approval", document, f"/transitions/{index}/starts_approval", message)


def _shared(definition: Definition) -> Iterator[Finding]:
    """Pipelines of one entity share neither fields nor keys of transitions."""
    pipelines = definition.of(PIPELINES)
    fields = Counter((p.entity, key) for p in pipelines for key in CompiledPipeline(p).kept)
    ways = Counter((p.entity, transition.key) for p in pipelines for transition in p.transitions)
    for pipeline in pipelines:
        document = DocumentId(PIPELINES.name, pipeline.key)
        for key in CompiledPipeline(pipeline).kept:
            if fields[pipeline.entity, key] > 1:
                message = say(f"字段“{key}”属于几个流程", f'The field "{key}" belongs to several pipelines')
                yield error("pipeline.shared", document, "", message)
        for index, transition in enumerate(pipeline.transitions):
            if ways[pipeline.entity, transition.key] > 1:
                message = say(
                    f"这个实体有几个流转叫“{transition.key}”",
                    f'Several transitions of the entity are "{transition.key}"',
                )
                yield error("pipeline.shared", document, f"/transitions/{index}/key", message)
