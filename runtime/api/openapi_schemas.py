"""The schemas of an app's OpenAPI document: each entity as it is read, created, changed, paged and filtered; events."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, get_args

from builder.compiled.app import CompiledApp, CompiledEntity
from builder.fields.base import BothLanguages, Field, Invalid, label_text
from builder.fields.children import ChildrenField
from builder.fields.multi_reference import MultiReferenceField
from builder.fields.parts.choices import ChoiceField
from builder.fields.parts.many import ManyField
from builder.fields.reference import ReferenceField
from builder.kernel import limits
from builder.kernel.text import Language, Text
from formulas.checker import check
from formulas.errors import FormulaErrors
from runtime.access.sight import sight_of
from runtime.api.openapi_filters import filter_schema
from runtime.query.selection import attributes_of
from runtime.records.counting import CountKind
from runtime.records.events import KINDS

JSON = Any
Schema = dict[str, JSON]

_FORMS = ("", "Create", "Update", "Page", "Filter")
_TAKEN = frozenset(
    {
        *("Problem", "Event", "EventPage", "Events", "TimelinePage", "View", "Views", "File"),
        *(
            "WrittenRow",
            "Written",
            "Effect",
            "Standing",
            "Button",
            "AutomationRun",
            "Approval",
            "Timer",
            "Timers",
            "Moved",
        ),
    }
)
_ID: Schema = {"type": "string", "format": "uuid"}
_SOME_ID = "0190a6f2-5d2c-7c3e-8a51-2f6d1c9b7e40"


@dataclass(frozen=True)
class Described:
    """What is described, in which language, and the names that its entities have in the document."""

    app: CompiledApp
    language: Language
    names: Mapping[str, str]

    def name(self, entity: str) -> str:
        """Return the name of an entity's schema."""
        return self.names[entity]


def schema_names(app: CompiledApp) -> dict[str, str]:
    """Return entity -> name, ``sales_area`` -> ``SalesArea``; with ``_`` behind it where that is taken already."""
    names: dict[str, str] = {}
    taken = set(_TAKEN)
    for key in app.own:
        name = "".join(part.capitalize() for part in key.split("_"))
        while not taken.isdisjoint(name + form for form in _FORMS):
            name += "_"
        taken |= {name + form for form in _FORMS}
        names[key] = name
    for entity in app.own.values():
        for field in entity.many:
            if field.names != field.entity:
                names[field.names] = f"{names[entity.key]}_{field.key}"
    return names


def entity_schemas(d: Described, entity: CompiledEntity) -> Schema:
    """Return the schemas of one entity."""
    name = d.name(entity.key)
    read: Schema = {key: _read_schema(d, field) for key, field in entity.system.items()}
    read |= {key: _read_schema(d, field) for key, field in entity.fields.items()}
    written = {key: field for key, field in entity.fields.items() if not (field.assigned or _is_other_side(field))}
    write: Schema = {key: _write_schema(d, field) for key, field in written.items()}
    write = {key: schema | _conditions(d, entity, entity.fields[key]) for key, schema in write.items()}
    creating, changing = _may_give(d, entity, "create"), _may_give(d, entity, "update")
    needed = [
        f.key
        for f in (*entity.required, *(f for f in entity.links if f.required))
        if f.default is None and f.default_formula is None and not f.assigned
    ]
    needed = [key for key in needed if key in creating]
    always = [key for key in (*entity.system, *entity.fields) if not isinstance(entity.find_field(key), ChildrenField)]
    title = entity.label().pick(d.language)
    rules = _rules(d, entity)
    own_id = {"id": {"type": "string", "format": "uuid", "description": "Given by the client, or made by the server."}}
    return {
        name: {"type": "object", "title": title, **_named_by(entity), "properties": read, "required": always},
        f"{name}Create": {
            **_object(title, own_id | _marked(write, creating), needed),
            **rules,
            "examples": [{key: value for key, value in _example(entity, needed).items() if key in creating}],
        },
        f"{name}Update": _object(title, _marked(write, changing), []) | rules,
        f"{name}Page": page_of(name, ("next_cursor", "page", "count", "count_is", "pending")),
        f"{name}Filter": filter_schema(d.app, entity.key, d.names),
        **{
            f"{d.name(field.names)}Filter": filter_schema(d.app, field.names, d.names)
            for field in entity.many
            if field.names != field.entity
        },
    }


def _named_by(entity: CompiledEntity) -> Schema:
    """The field whose value names a record to people, where it is seen: what a list of choices shows."""
    return {"x-title-field": entity.title_key} if entity.title_key in entity.fields else {}


def _is_other_side(field: Field) -> bool:
    return isinstance(field, ChildrenField) and field.is_other_side


def _may_give(d: Described, entity: CompiledEntity, deed: str) -> Set[str]:
    """Return the fields that the caller's roles let give in some record; a role's grants say the rest, record by record."""
    sight = sight_of(d.app)
    if sight is None:
        return entity.fields.keys()
    return {key for grant in sight.grants.get(entity.key, ()) if grant.may(deed) for key in grant.writable}


def _marked(write: Schema, given: Set[str]) -> Schema:
    """Mark what the caller may not give: front ends show it and do not send it."""
    return {key: schema if key in given else schema | {"readOnly": True} for key, schema in write.items()}


def _conditions(d: Described, entity: CompiledEntity, field: Field) -> Schema:
    """The formulas by which forms show a field, ask for it and fill it in."""
    texts = {member: getattr(field, member) for member in ("visible_if", "required_if", "default_formula")}
    return {f"x-{m.replace('_', '-')}": text for m, text in texts.items() if text and _is_seen(d, entity, text)}


def _rules(d: Described, entity: CompiledEntity) -> Schema:
    """What is true of every record, for forms that say it before they send."""
    rules = [
        {"key": rule.key, "formula": rule.formula, "message": label_text(rule.message).pick(d.language)}
        | ({"when": rule.when} if rule.when else {})
        | ({"field": rule.field} if rule.field else {})
        for rule in entity.definition.rules
        if _is_seen(d, entity, rule.formula) and (rule.when is None or _is_seen(d, entity, rule.when))
    ]
    return {"x-rules": rules} if rules else {}


def _is_seen(d: Described, entity: CompiledEntity, formula: str) -> bool:
    """Whether all that a formula names is there for who asks."""
    try:
        check(formula, d.app, entity.key)
    except FormulaErrors:
        return False
    return True


def _example(entity: CompiledEntity, needed: list[str]) -> Schema:
    """Return a record that the entity would take, if what it refers to were there."""
    example: Schema = {}
    for key, field in entity.fields.items():
        if field.assigned or field.lists is not None or isinstance(field, ManyField):
            continue
        if isinstance(field, ReferenceField) or field.refers_to is not None:
            if key in needed:
                example[key] = _SOME_ID
            continue
        value = field.default if field.default is not None else _example_value(field)
        if value is not None:
            example[key] = value
    return example


def _example_value(field: Field) -> JSON:
    words = label_text(field.label)
    for given in (words.zh, words.en, *(value for sample in field.samples for value, _ in sample.accepted)):
        try:
            found = field.coerce(given)
        except (Invalid, NotImplementedError):
            continue
        if found is not None:
            return field.to_json(found)
    return None


def _object(title: str, properties: Schema, required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "title": title, "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _read_schema(d: Described, field: Field) -> Schema:
    if isinstance(field, MultiReferenceField):
        schema: Schema = {"type": "array", "items": {"anyOf": [_ID, _linked(d, field)]}}
    elif isinstance(field, ChildrenField):
        schema = {"type": "array", "items": _linked(d, field)}
    elif isinstance(field, ReferenceField) and field.key != "id":
        target = {"$ref": f"#/components/schemas/{d.name(field.entity)}"}
        schema = {"anyOf": [{"type": "string", "format": "uuid"}, target, {"type": "null"}]}
    elif field.refers_to is not None:
        shown = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
        schema = {"anyOf": [{"type": "string", "format": "uuid"}, shown, {"type": "null"}]}
    elif field.lists is not None:
        items = field.value_schema()["items"]
        shown = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
        schema = {"type": "array", "items": {"anyOf": [items, shown]}}
    elif field.key in ("id", "revision", "created_at", "updated_at") or field.blank_json() is not None:
        schema = dict(field.value_schema())
    else:
        schema = _or_null(field.value_schema())
    return _described(schema, field, d.language)


def _linked(d: Described, field: ManyField) -> Schema:
    """A record at the end of a relation, with the attributes of the link to it."""
    shown: Schema = {"$ref": f"#/components/schemas/{d.name(field.entity)}"}
    told = [d.app.entities[field.rows].fields[key] for key in attributes_of(d.app, field)]
    if not told:
        return shown
    members = {attribute.key: _read_schema(d, attribute) for attribute in told}
    return {
        "allOf": [shown, {"type": "object", "properties": {"attributes": {"type": "object", "properties": members}}}]
    }


def _links_schema(d: Described, field: MultiReferenceField) -> Schema:
    """What may be written: the whole as a list, or what is added and removed."""
    members = {attribute.key: _write_schema(d, attribute) for attribute in field.attributes}
    needed = [attribute.key for attribute in field.attributes if attribute.required and attribute.default is None]
    told = _object("attributes", members, needed)
    link: Schema = {"type": "object", "required": ["id"], "properties": {"id": _ID, "attributes": told}}
    item: Schema = link if needed else {"anyOf": [_ID, link]}
    several: Schema = {"type": "array", "maxItems": field.max_count, "items": item}
    parts = {"add": several, "remove": {"type": "array", "maxItems": field.max_count, "items": _ID}}
    return {
        "anyOf": [several, {"type": "object", "minProperties": 1, "properties": parts, "additionalProperties": False}]
    }


def _write_schema(d: Described, field: Field) -> Schema:
    if isinstance(field, MultiReferenceField):
        schema: Schema = _links_schema(d, field)
    elif isinstance(field, ChildrenField):
        name = d.name(field.entity)
        row = {
            "anyOf": [{"$ref": f"#/components/schemas/{name}Create"}, {"$ref": f"#/components/schemas/{name}Update"}]
        }
        schema = {"type": "array", "maxItems": limits.CHILD_RECORDS, "items": row}
    else:
        schema = (
            dict(field.value_schema())
            if field.required and field.visible_if is None
            else _or_null(field.value_schema())
        )
    if field.default is not None:
        schema = {**schema, "default": field.default}
    return _described(schema, field, d.language)


def _or_null(schema: Mapping[str, JSON]) -> Schema:
    """Let a schema allow null, in the plain form that code generators like best."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kind, "null"]}
    if "enum" in schema and isinstance(kind, str):
        return {**schema, "type": [kind, "null"], "enum": [*schema["enum"], None]}
    return {"anyOf": [dict(schema), {"type": "null"}]}


def _described(schema: Schema, field: Field, language: Language) -> Schema:
    described = {**schema, "title": label_text(field.label).pick(language), "x-field-type": field.type}
    words = pick_words(field.help, language)
    if words:
        described["description"] = words
    if isinstance(field, ReferenceField | ManyField):
        described["x-entity"] = field.entity
    if isinstance(field, ChoiceField):
        described |= _options(field, language)
    return described


def _options(field: ChoiceField, language: Language) -> Schema:
    """What forms and boards show of options: labels in order, colours, and those that are not offered any more."""
    shown: Schema = {"x-enum-labels": {option.key: label_text(option.label).pick(language) for option in field.options}}
    colors = {option.key: option.color for option in field.options if option.color}
    hidden = [option.key for option in field.options if option.hidden]
    return shown | ({"x-enum-colors": colors} if colors else {}) | ({"x-enum-hidden": hidden} if hidden else {})


def pick_words(words: str | BothLanguages | None, language: Language) -> str | None:
    """Return words of a definition in a language."""
    if isinstance(words, BothLanguages):
        return Text(words.zh, words.en).pick(language)
    return words


def pending_schema() -> Schema:
    """Return the schema of the computed fields whose values are on their way."""
    fields: Schema = {"type": "array", "items": {"type": "string"}}
    properties: Schema = {
        "job_id": {"type": "string", "format": "uuid"},
        "entity": {"type": "string"},
        "fields": fields,
    }
    job: Schema = {"type": "object", "required": ["job_id", "entity", "fields"], "properties": properties}
    said = "Jobs that still compute fields of what is shown: a value of these may be the one before. Missing if there are none."
    return {"type": "array", "description": said, "items": job}


def page_of(name: str, meta: tuple[str, ...]) -> Schema:
    """Return the schema of a page of something."""
    kinds: Schema = {
        "next_cursor": {"type": ["string", "null"]},
        "page": {"type": "integer"},
        "after": {"type": ["string", "null"]},
        "before": {"type": ["string", "null"]},
        "has_more": {"type": "boolean"},
        "count": {"type": "integer"},
        "count_is": {"type": "string", "enum": list(get_args(CountKind))},
        "pending": pending_schema(),
    }
    return {
        "type": "object",
        "required": ["data", "meta"],
        "properties": {
            "data": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}},
            "meta": {"type": "object", "properties": {key: kinds[key] for key in meta}},
        },
    }


def event_schema() -> Schema:
    """Return the schema of an event."""
    text: Schema = {"type": "string"}
    return {
        "type": "object",
        "required": ["position", "entity", "record_id", "kind", "at", "door", "revision", "changes"],
        "properties": {
            "position": text,
            "entity": text,
            "record_id": {"type": "string", "format": "uuid"},
            "kind": {"type": "string", "enum": [*KINDS]},
            "at": {"type": "string", "format": "date-time"},
            "actor": {"type": ["string", "null"]},
            "door": text,
            "request_id": text,
            "version": {"type": "integer"},
            "revision": {"type": "integer"},
            "changes": {"type": "object", "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2}},
            "detail": {
                "type": "object",
                "description": "Of a move: pipeline, transition, from, to, reason; of a merge: merge, others; of an approval: approval, act.",
            },
        },
    }
