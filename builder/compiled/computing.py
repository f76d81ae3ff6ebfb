"""Computed fields of an app: checked, typed and put in order. See docs/decisions/0003."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from builder.compiled.system import system_fields
from builder.definition.entity import SYSTEM_KEYS
from builder.definition.kinds import ENTITIES, Definition, assemble
from builder.fields.auto_number import AutoNumberField
from builder.fields.base import Field, Invalid, label_text
from builder.fields.boolean import BooleanField
from builder.fields.date import DateField
from builder.fields.datetime import DatetimeField
from builder.fields.decimal import DecimalField
from builder.fields.department import DepartmentField
from builder.fields.duration import DurationField
from builder.fields.integer import IntegerField
from builder.fields.long_text import LongTextField
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import ManyField, side_of
from builder.fields.reference import ReferenceField
from builder.fields.time import TimeField
from builder.fields.user import UserField
from builder.kernel.limits import DECIMAL_DIGITS
from formulas.checker import check
from formulas.dependencies import Dependency, computation_order
from formulas.errors import CellError, FormulaError, FormulaErrors, Message
from formulas.evaluate import Program, program
from formulas.functions import find_function
from formulas.moments import CONTEXTUAL, MEMBERSHIPS, context_value
from formulas.schema import Context, FieldInfo, Schema
from formulas.sql import has_sql_form
from formulas.tree import Call, Param, Rollup, Tree, children, walk, with_children
from formulas.types import BLANK, BOOLEAN, Type, set_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What changes with the moment and the viewer, as parameters of a statement; filters number theirs from 0 and never get so far.
VARIABLES: Mapping[str, int] = {name: 90_000 + place for place, name in enumerate(CONTEXTUAL)}
#: Tests whether a value is among what belongs to the viewer: parameters that are lists.
_LISTED: Mapping[str, int] = {name: 90_010 + place for place, name in enumerate(MEMBERSHIPS)}

FieldId = tuple[str, str]
"""Entity and field key."""
Place = Literal["local", "related", "volatile"]


@dataclass(frozen=True)
class Computed:
    """One computed field, checked. ``place`` says where its value comes from: Python before the write, SQL after it, or the read itself."""

    entity: str
    key: str
    tree: Tree
    type: Type
    dependencies: tuple[Dependency, ...]
    place: Place
    shape: Field
    """The plain field that keeps and shows the value."""
    context: Context
    """Only its zone counts: the moment and the viewer come with each evaluation."""
    program: Program | None
    """For local ones: ready to run."""

    @property
    def id(self) -> FieldId:
        """Entity and key."""
        return self.entity, self.key

    def keep(self, value: Any) -> Any:
        """Return a result of the program as the column keeps it; an error, an empty text, or what does not fit, is blank."""
        if value is None or value == "" or isinstance(value, CellError):
            return None
        if not self.is_number:
            return value
        try:
            return self.shape.coerce(value)
        except Invalid:
            return None

    @cached_property
    def is_number(self) -> bool:
        """Whether its values are rounded and bounded by its column."""
        return self.type.is_number

    @cached_property
    def to_json(self) -> Callable[[Any], Any] | None:
        """What makes JSON of a value that is not blank; None where the value is its JSON."""
        return None if type(self.shape).to_json is Field.to_json else self.shape.to_json


class Computation(NamedTuple):
    """All computed fields of an app, in an order where each comes after those it reads."""

    fields: Mapping[FieldId, Computed]
    definition: Definition
    """The definition with computed fields resolved."""


class FormulaFault(NamedTuple):
    """What is wrong with one computed field."""

    id: FieldId
    error: FormulaError


class ComputationInvalid(Exception):
    """Some computed fields are wrong."""

    def __init__(self, faults: list[FormulaFault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.id[0]}.{fault.id[1]}: {fault.error.message.en}" for fault in faults))


def compute(definition: Definition) -> Computation:
    """Check every computed field and resolve its type.

    Raises:
        ComputationInvalid: with every fault.
    """
    resolver = _Resolver(definition)
    resolver.resolve_all()
    if resolver.faults:
        raise ComputationInvalid(resolver.faults)
    found = resolver.checked
    order = computation_order({identity: computed.dependencies for identity, computed in found.items()})
    return Computation(
        MappingProxyType({identity: found[identity] for identity in order}), resolver.resolved_definition()
    )


def draft_schema(definition: Definition) -> Schema:
    """Return the schema of a draft for formulas that are tried on it; computed fields that are wrong count as blank."""
    return _Resolver(definition)


def has_computed(definition: Definition) -> bool:
    """Whether an app has computed fields at all."""
    return any(isinstance(item, ComputedField) for entity in definition.entities for item in entity.fields)


def field_info(item: Field) -> FieldInfo:
    """Return a field as formulas see it."""
    label, numbered = label_text(item.label).zh, isinstance(item, AutoNumberField)
    if isinstance(item, ManyField):
        return FieldInfo(item.key, item.formula_type(), item.names, many=True, label=label, rows=item.rows)
    target = item.entity if isinstance(item, ReferenceField) and item.key != "id" else None
    return FieldInfo(item.key, item.formula_type(), target, label=label, numbered=numbered)


def look_through(schema: Schema, name: str, key: str) -> FieldInfo | None:
    """Return what a name means behind a relation that goes over links: an attribute of the link, or a field of the record at its end."""
    side = side_of(name)
    if side is None:
        return None
    link, end = side
    if key[:1] == "_" or key in _attributes(schema, link):
        return schema.find_field(link, key)
    lead = schema.find_field(link, end)
    found = schema.find_field(lead.target_entity, key) if lead is not None and lead.target_entity else None
    return None if found is None else replace(found, through=(end,))


def names_through(schema: Schema, side: tuple[str, str]) -> Iterable[tuple[str, str]]:
    """Yield key and label of what stands behind such a relation."""
    link, end = side
    own = _attributes(schema, link)
    yield from own.items()
    lead = schema.find_field(link, end)
    if lead is not None and lead.target_entity:
        yield from ((key, label) for key, label in schema.fields(lead.target_entity) if key not in own)


def _attributes(schema: Schema, link: str) -> Mapping[str, str]:
    return {key: label for key, label in schema.fields(link) if key[:1] != "_" and key not in SYSTEM_KEYS}


@dataclass
class _Resolver:
    """The schema that formulas are checked against while their own types are still being found."""

    definition: Definition
    checked: dict[FieldId, Computed] = field(default_factory=dict)
    faults: list[FormulaFault] = field(default_factory=list)
    _resolved: dict[FieldId, ComputedField] = field(default_factory=dict)
    _on_the_way: list[FieldId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fields = {
            e.key: {f.key: f for f in (*system_fields(e.key).values(), *e.fields)} for e in self.definition.tables
        }

    def resolve_all(self) -> None:
        for entity, fields in self._fields.items():
            for key, item in fields.items():
                if isinstance(item, ComputedField):
                    self._resolve((entity, key), item)

    def resolved_definition(self) -> Definition:
        entities = [
            entity.model_copy(
                update={"fields": tuple(self._resolved.get((entity.key, item.key), item) for item in entity.fields)}
            )
            for entity in self.definition.entities
        ]
        others = [
            document for kind, listed in self.definition.parts.items() if kind != ENTITIES.name for document in listed
        ]
        return assemble([self.definition.app, *entities, *others])

    # -- the schema ----------------------------------------------------------------------------------------------------

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        """Return a field; a computed one is resolved first."""
        item = self._fields.get(entity, {}).get(key)
        if isinstance(item, ComputedField):
            item = self._resolve((entity, key), item)
        if item is None and isinstance(self._fields.get(entity, {}).get(key), ComputedField):
            return FieldInfo(key, BLANK)  # its own fault is noted; whoever reads it is not blamed too
        return look_through(self, entity, key) if item is None else field_info(item)

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        """Yield key and label of every field."""
        side = side_of(entity)
        if side is not None:
            yield from names_through(self, side)
        for item in self._fields.get(entity, {}).values():
            yield item.key, label_text(item.label).zh

    # -- details -------------------------------------------------------------------------------------------------------

    def _resolve(self, identity: FieldId, item: ComputedField) -> ComputedField | None:
        if identity in self._resolved:
            return self._resolved[identity]
        if any(fault.id == identity for fault in self.faults):
            return None
        if identity in self._on_the_way:
            circle = " → ".join(f"{e}.{k}" for e, k in (*self._on_the_way, identity))
            raise FormulaError("NAME", Message(f"公式互相引用:{circle}", f"The formulas read each other: {circle}"))
        self._on_the_way.append(identity)
        try:
            self._check(identity, item)
        except FormulaErrors as errors:
            self.faults += [FormulaFault(identity, error) for error in errors.errors]
        except FormulaError as error:
            self.faults.append(FormulaFault(identity, error))
        finally:
            self._on_the_way.pop()
        return self._resolved.get(identity)

    def _check(self, identity: FieldId, item: ComputedField) -> None:
        entity, key = identity
        found = check(item.expression(), self, entity, blank_as_zero=item.blanks_are_zero)
        kept = kept_type(found.type)
        if kept.scale < found.type.scale:
            rounded = f"ROUND({item.expression()}, {kept.scale})"
            found = check(rounded, self, entity, blank_as_zero=item.blanks_are_zero)
        volatile = found.volatile or any(self._is_volatile(d) for d in found.dependencies)
        place: Place = (
            "volatile" if volatile else "local" if self._is_local(found.tree, found.dependencies) else "related"
        )
        shape = shape_of(kept, item)
        self._resolved[identity] = item.resolved(shape, kept, volatile=volatile)
        self._refuse_without_sql(found.tree, place)
        ready = program(found.tree) if place == "local" else None
        zone = ZoneInfo(self.definition.app.time_zone)
        context = Context(now=_EPOCH, zone=zone)
        self.checked[identity] = Computed(
            entity, key, found.tree, kept, found.dependencies, place, shape, context, ready
        )

    def _refuse_without_sql(self, tree: Tree, place: Place) -> None:
        """A value that the database computes needs a SQL form of everything in it; one that is kept knows of no write."""
        for node in walk(tree):
            if isinstance(node, Call) and find_function(node.function).volatility == "context":
                zh, en = f"{node.function} 只能用于写入规则", f"{node.function} works only in the rules of a write"
                raise FormulaError("TYPE", Message(zh, en))
        if place == "local":
            return
        for node in walk(with_variables(tree)):
            if not (has_sql_form(node, "postgresql") and has_sql_form(node, "sqlite")):
                name = getattr(node, "function", "")
                zh = f"{name} 只能用于只读取本记录字段、不随时间变化的公式"
                en = f"{name} works only in formulas over fields of the same record that do not change with time"
                raise FormulaError("TYPE", Message(zh, en))

    def _is_volatile(self, dependency: Dependency) -> bool:
        read = self.checked.get((dependency.entity, dependency.field))
        return read is not None and read.place == "volatile"

    def _is_local(self, tree: Tree, dependencies: tuple[Dependency, ...]) -> bool:
        if any(isinstance(node, Rollup) for node in walk(tree)) or any(d.path for d in dependencies):
            return False
        reads = [self.checked.get((d.entity, d.field)) for d in dependencies]
        return all(read is None or read.place == "local" for read in reads)


_WHOLE_DIGITS = 12  # before the point of a number whose digits had to be cut: up to a trillion


def kept_type(kind: Type) -> Type:
    """Return the type in which results are kept: at most 18 digits; if more are possible, 12 stay before the point and decimals are rounded half up."""
    if not kind.is_number or kind.digits <= DECIMAL_DIGITS:
        return kind
    whole = min(kind.digits - kind.scale, _WHOLE_DIGITS)
    return replace(kind, digits=DECIMAL_DIGITS, scale=min(kind.scale, DECIMAL_DIGITS - whole))


class _ComputedNumber(DecimalField):
    """A computed decimal is a JSON number however many digits it has: nobody sends it back."""

    @property
    def as_string(self) -> bool:
        """Never."""
        return False


def shape_of(kind: Type, item: Field) -> Field:
    """Return the plain field that keeps and shows values of a type.

    Raises:
        FormulaError: values of this type cannot be a field.
    """
    names = {"key": item.key, "label": item.label}
    if kind.kind == "decimal":
        return _ComputedNumber.of(digits=max(kind.digits, kind.scale + 1), scale=kind.scale, **names)
    if kind.kind == "record":
        return ReferenceField.of(entity=kind.entity, **names)
    found = _SHAPES.get(kind.kind)
    if found is None:
        zh, en = kind.name.zh, kind.name.en
        raise FormulaError("TYPE", Message(f"结果是{zh},不能作为字段", f"The result is {en}, which cannot be a field"))
    return found.of(**names)


_SHAPES: Mapping[str, type[Field]] = {
    "integer": IntegerField,
    "text": LongTextField,
    "option": LongTextField,
    "blank": LongTextField,
    "boolean": BooleanField,
    "date": DateField,
    "datetime": DatetimeField,
    "time": TimeField,
    "duration": DurationField,
    "person": UserField,
    "department": DepartmentField,
}


def with_variables(tree: Tree) -> Tree:
    """Put parameters in place of the moment and the viewer, so that a statement can be kept."""
    if isinstance(tree, Call) and is_variable(tree):
        return Param(VARIABLES[tree.function], tree.type)
    parts = tuple(with_variables(part) for part in children(tree))
    if isinstance(tree, Call) and tree.function in MEMBERSHIPS:
        listed = Param(_LISTED[tree.function], set_of(MEMBERSHIPS[tree.function][0]))
        return Call("in", (parts[0], listed), BOOLEAN)
    return with_children(tree, parts) if parts else tree


def without_variables(tree: Tree) -> Tree:
    """Put the moment and the viewer back in place of their parameters, for Python to run."""
    if isinstance(tree, Param) and tree.index in _VARIABLE_AT:
        return Call(_VARIABLE_AT[tree.index], (), tree.type)
    parts = children(tree)
    if isinstance(tree, Call) and tree.function == "in" and isinstance(parts[1], Param):
        return Call(_LISTED_AT[parts[1].index], (without_variables(parts[0]),), BOOLEAN)
    return with_children(tree, tuple(without_variables(part) for part in parts)) if parts else tree


_VARIABLE_AT = {place: name for name, place in VARIABLES.items()}
_LISTED_AT = {place: name for name, place in _LISTED.items()}
VIEWER_NAMES = frozenset(f"p{place}" for place in (*VARIABLES.values(), *_LISTED.values()))
"""What ``viewer_values`` gives."""


def viewer_values(context: Context) -> dict[str, Any]:
    """Return the parameters that ``with_variables`` put into statements."""
    values = {f"p{place}": context_value(name, context) for name, place in VARIABLES.items()}
    return values | {f"p{place}": list(MEMBERSHIPS[name][1](context)) for name, place in _LISTED.items()}


def is_variable(node: Tree) -> bool:
    """Whether a node stands for the moment or the viewer."""
    return isinstance(node, Call) and not node.args and node.function in VARIABLES
