"""Rules of an app's records, ready to judge: what breaks them as trees, and where they are judged. See docs/decisions/0008."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from builder.definition.entity import Entity, Rule
from builder.fields.auto_number import AutoNumberField
from builder.fields.base import Field, label_text
from builder.fields.parts.computed import ComputedField
from builder.kernel.text import Text, say
from formulas.checker import Checked, check
from formulas.dependencies import Dependency, computation_order
from formulas.evaluate import Program, program
from formulas.functions import find_function
from formulas.nodes import asks_directory
from formulas.schema import Schema
from formulas.tree import Call, Path, Rollup, Tree, children, join, negate, paths, walk, with_children
from formulas.tree import Literal as Constant
from formulas.types import BLANK, BOOLEAN, Type

if TYPE_CHECKING:
    from builder.compiled.app import CompiledApp, CompiledEntity

_ORDER = ("lt", "le", "gt", "ge")
_TRUE, _FALSE = Constant(True, BOOLEAN), Constant(False, BOOLEAN)


@dataclass(frozen=True)
class RecordRule:
    """Something that records must not be: ``broken`` is true of those that break it."""

    entity: str
    key: str
    code: Literal["rule", "required"]
    field: str
    """Beside which field it is said; empty: the record."""
    message: Text
    broken: Tree
    dependencies: tuple[Dependency, ...]
    program: Program | None
    """For rules over the record's own given fields; None: the database judges after the write."""


@dataclass(frozen=True)
class FieldDefault:
    """A default that is computed."""

    field: Field
    program: Program
    type: Type
    looks_up: bool
    """Reads records that the new one points to, or the directory."""
    reads: tuple[tuple[str, ...], ...] = ()
    """Paths over references of the new record."""


@dataclass(frozen=True)
class EntityRules:
    """The rules of one entity."""

    before: tuple[RecordRule, ...] = ()
    """Judged in Python before the write."""
    after: tuple[RecordRule, ...] = ()
    """Judged by the database after it."""
    defaults: tuple[FieldDefault, ...] = ()
    """Each after those it reads."""


class RuleTrees(NamedTuple):
    """A rule as checked trees, before it is known where it is judged."""

    broken: Tree
    dependencies: tuple[Dependency, ...]


NONE = EntityRules()


def compile_rules(app: CompiledApp) -> Mapping[str, EntityRules]:
    """Compile the rules of all entities that have some. Raises ``FormulaErrors`` (checks find them before)."""
    found = {entity.key: _compile(app, entity) for entity in app.entities.values() if has_rules(entity.definition)}
    return MappingProxyType(found)


def has_rules(entity: Entity) -> bool:
    """Whether an entity has any rule, conditional default or condition of a field."""
    return bool(entity.rules) or any(f.default_formula or f.required_if or f.visible_if for f in entity.fields)


def _compile(app: CompiledApp, entity: CompiledEntity) -> EntityRules:
    rules = [_rule(app, entity, rule) for rule in entity.definition.rules]
    rules += [_needed(app, entity, field) for field in entity.fields.values() if needs_judging(field)]
    return EntityRules(
        tuple(rule for rule in rules if rule.program is not None),
        tuple(rule for rule in rules if rule.program is None),
        tuple(_defaults(app, entity)),
    )


def needs_judging(field: Field) -> bool:
    """Whether a blank value is refused under a condition."""
    return field.required_if is not None or (field.required and field.visible_if is not None)


def _rule(app: CompiledApp, entity: CompiledEntity, rule: Rule) -> RecordRule:
    trees = rule_trees(app, entity.key, rule)
    message = label_text(rule.message)
    return _made(app, entity.key, rule.key, "rule", rule.field or "", message, trees)


def _needed(app: CompiledApp, entity: CompiledEntity, field: Field) -> RecordRule:
    label = label_text(field.label)
    message = say(f"请填写“{label.zh}”", f"{label.en} is required")
    return _made(app, entity.key, field.key, "required", field.key, message, needed_trees(app, entity.key, field))


def _made(
    app: CompiledApp,
    entity: str,
    key: str,
    code: Literal["rule", "required"],
    field: str,
    message: Text,
    trees: RuleTrees,
) -> RecordRule:
    own = is_own(app.entities[entity].fields, trees)
    ready = program(trees.broken) if own else None
    return RecordRule(entity, key, code, field, message, trees.broken, trees.dependencies, ready)


def rule_trees(schema: Schema, entity: str, rule: Rule) -> RuleTrees:
    """Return what breaks a rule. Raises ``FormulaErrors``."""
    held = check(rule.formula, schema, entity, expected=BOOLEAN)
    parts = [held]
    broken = negate(Call("COALESCE", (Call("IFERROR", (saying(held.tree), _FALSE), BOOLEAN), _TRUE), BOOLEAN))
    if rule.when is not None:
        when = check(rule.when, schema, entity, expected=BOOLEAN)
        parts.append(when)
        broken = join("and", [when.tree, broken])
    return RuleTrees(broken, _all(parts))


def needed_trees(schema: Schema, entity: str, field: Field) -> RuleTrees:
    """Return when a field is blank that must not be. Raises ``FormulaErrors``."""
    info = schema.find_field(entity, field.key)
    path = Path((field.key,), info.type if info is not None else BLANK)
    conditions = [
        check(text, schema, entity, expected=BOOLEAN)
        for text in (field.visible_if, None if field.required else field.required_if)
        if text is not None
    ]
    broken = join("and", [*(condition.tree for condition in conditions), Call("ISBLANK", (path,), BOOLEAN)])
    own = Dependency(entity, field.key)
    return RuleTrees(broken, tuple(sorted({own, *_all(conditions)})))


def _all(parts: Sequence[Checked]) -> tuple[Dependency, ...]:
    return tuple(sorted({dependency for part in parts for dependency in part.dependencies}))


def saying(tree: Tree) -> Tree:
    """An order comparison with a blank says nothing in a rule, where it is false in a filter: what is not filled in breaks no rule."""
    parts = tuple(saying(part) for part in children(tree))
    node = with_children(tree, parts) if parts else tree
    if not isinstance(node, Call) or node.function not in _ORDER:
        return node
    open_ones = [part for part in node.args if not isinstance(part, Constant)]
    blank = join("or", [Call("ISBLANK", (part,), BOOLEAN) for part in open_ones]) if open_ones else _FALSE
    return Call("IF", (blank, Constant(None, BLANK), node), BOOLEAN)


def is_own(fields: Mapping[str, Field], trees: RuleTrees) -> bool:
    """Whether the record's own given fields, and what Python computes from them, decide."""
    if (
        asks_directory(trees.broken)
        or any(isinstance(node, Rollup) for node in walk(trees.broken))
        or any(d.path for d in trees.dependencies)
    ):
        return False
    return all(is_given(fields.get(dependency.field)) for dependency in trees.dependencies)


def is_given(field: Field | None) -> bool:
    """Whether a field's value is known before the write; a system field's and a number's are not."""
    return field is not None and field.stored and not isinstance(field, ComputedField | AutoNumberField)


def of_the_write(tree: Tree) -> Iterator[str]:
    """Yield the names of functions that know of a write (ISNEW …)."""
    for node in walk(tree):
        if isinstance(node, Call) and find_function(node.function).volatility == "context":
            yield node.function


def _defaults(app: CompiledApp, entity: CompiledEntity) -> Iterator[FieldDefault]:
    checked = {
        field.key: (field, check(field.default_formula, app, entity.key))
        for field in entity.fields.values()
        if field.default_formula is not None
    }
    order = computation_order({(entity.key, key): found.dependencies for key, (_, found) in checked.items()})
    for _, key in order:
        field, found = checked[key]
        reads = tuple(sorted(steps for steps in paths(found.tree) if len(steps) > 1))
        looks_up = bool(reads) or asks_directory(found.tree)
        yield FieldDefault(field, program(found.tree), found.type, looks_up, reads)


def all_rules(app: CompiledApp) -> Iterable[RecordRule]:
    """Yield the rules of all entities."""
    for rules in app.rules.values():
        yield from rules.before
        yield from rules.after
