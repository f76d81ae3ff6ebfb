"""Rules of records make sense: what they read, where they can be judged, what they are said of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from builder.checks.finding import Finding, error
from builder.compiled.computing import draft_schema
from builder.compiled.conditional import condition_tree
from builder.compiled.recompute import all_in_sql
from builder.compiled.rules import (
    RuleTrees,
    has_rules,
    is_given,
    is_own,
    needed_trees,
    needs_judging,
    of_the_write,
    rule_trees,
)
from builder.definition.entity import Entity
from builder.definition.kinds import ENTITIES, Definition, DocumentId
from builder.fields.base import Field
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import ManyField
from builder.kernel.text import Text, say
from formulas.checker import Checked, check, fits
from formulas.dependencies import computation_order
from formulas.errors import FormulaError, FormulaErrors
from formulas.schema import Schema
from formulas.tree import Rollup, paths, walk


def check_rules(definition: Definition) -> Iterator[Finding]:
    """Rules, conditional defaults and conditions of fields can be judged where they have to be."""
    schema: Schema | None = None
    for entity in definition.entities:
        if has_rules(entity) or entity.unique_if:
            schema = schema or draft_schema(definition)
            yield from _Check(entity, schema).run()


class _Check:
    def __init__(self, entity: Entity, schema: Schema) -> None:
        self._entity = entity
        self._schema = schema
        self._fields: Mapping[str, Field] = {field.key: field for field in entity.fields}

    def run(self) -> Iterator[Finding]:
        yield from self._keys()
        for place, rule in enumerate(self._entity.rules):
            try:
                trees = rule_trees(self._schema, self._entity.key, rule)
            except FormulaErrors:
                continue  # said where the formula stands
            yield from self._judged(trees, f"/rules/{place}/formula")
        for place, field in enumerate(self._entity.fields):
            yield from self._conditions(field, f"/fields/{place}")
            yield from self._default(field, f"/fields/{place}")
        yield from self._circle()
        for place, unique in enumerate(self._entity.unique_if):
            try:
                condition_tree(self._entity, unique)
            except FormulaError as wrong:
                yield self._error(f"formula.{wrong.kind.lower()}", f"/unique_if/{place}/when", _words(wrong))
            except FormulaErrors as wrong:
                for one in wrong.errors:
                    yield self._error(f"formula.{one.kind.lower()}", f"/unique_if/{place}/when", _words(one))
            for position, key in enumerate(unique.fields):
                if key in self._fields and not self._fields[key].stored:
                    message = say(f"字段“{key}”没有存储列", f'The field "{key}" has no column')
                    yield self._error("field.not_stored", f"/unique_if/{place}/fields/{position}", message)

    def _error(self, code: str, pointer: str, message: Text) -> Finding:
        return error(code, DocumentId(ENTITIES.name, self._entity.key), pointer, message)

    def _keys(self) -> Iterator[Finding]:
        for member in ("rules", "unique_if"):
            seen: set[str] = set()
            for place, item in enumerate(getattr(self._entity, member)):
                if item.key in seen:
                    message = say(f"键“{item.key}”重复", f'The key "{item.key}" is there twice')
                    yield self._error("key.duplicate", f"/{member}/{place}/key", message)
                seen.add(item.key)

    def _judged(self, trees: RuleTrees, pointer: str) -> Iterator[Finding]:
        """A rule over relations is judged by the database, which knows of no write and needs SQL forms."""
        if is_own(self._fields, trees):
            return
        name = next(of_the_write(trees.broken), None)
        if name is not None:
            message = say(
                f"{name} 只能用于只读取本记录已填字段的规则",
                f"{name} works only in rules over given fields of the record itself",
            )
            yield self._error("formula.type", pointer, message)
        elif not all_in_sql(trees.broken):
            message = say(
                "这条规则读取关联记录或计算值,其中的函数须能由数据库计算",
                "This rule reads related or computed values, so a database has to know its functions",
            )
            yield self._error("formula.type", pointer, message)

    def _conditions(self, field: Field, pointer: str) -> Iterator[Finding]:
        for member in ("required_if", "visible_if"):
            text = getattr(field, member)
            if text is None:
                continue
            if member == "required_if" and (field.assigned or isinstance(field, ComputedField | ManyField)):
                message = say("这种字段没有“条件必填”", "A field of this type cannot be required")
                yield self._error("field.required", f"{pointer}/required_if", message)
            found = self._checked(text)
            if member == "visible_if" and found is not None and not self._reads_own(found):
                message = say(
                    "显示条件只能读取本记录的字段,以便表单随填随变",
                    "What a form shows may depend on fields of the record itself only, so that it can follow while it is typed in",
                )
                yield self._error("formula.type", f"{pointer}/visible_if", message)
        if needs_judging(field):
            try:
                trees = needed_trees(self._schema, self._entity.key, field)
            except FormulaErrors:
                return
            yield from self._judged(trees, f"{pointer}/required_if" if field.required_if else f"{pointer}/visible_if")

    def _default(self, field: Field, pointer: str) -> Iterator[Finding]:
        if field.default_formula is None:
            return
        at = f"{pointer}/default_formula"
        if field.assigned or not field.stored or field.default is not None:
            message = say(
                "这种字段不能有默认公式,或已有默认值", "This field takes no default formula, or has a default already"
            )
            yield self._error("field.default", at, message)
            return
        found = self._checked(field.default_formula)
        if found is None:
            return
        expected = field.formula_type()
        named = (
            expected.kind == "option" and found.type.kind == "text"
        )  # the key of an option, looked at when it is filled in
        if not (fits(found.type, expected) or named):
            zh, en = expected.name.zh, expected.name.en
            yield self._error("formula.type", at, say(f"默认公式的结果应为{zh}", f"The default must be {en}"))
        if not self._is_known_before(found):
            message = say(
                "默认公式只能读取本记录的已填字段,以及它们所引用的记录的字段",
                "A default reads given fields of the record itself, and fields of the records that these point to",
            )
            yield self._error("formula.type", at, message)

    def _circle(self) -> Iterator[Finding]:
        """Defaults that read each other have no beginning."""
        found = {
            field.key: checked
            for field in self._entity.fields
            if field.default_formula is not None and (checked := self._checked(field.default_formula)) is not None
        }
        try:
            computation_order({(self._entity.key, key): checked.dependencies for key, checked in found.items()})
        except FormulaError as wrong:
            yield self._error("formula.name", "/fields", _words(wrong))

    def _checked(self, text: str) -> Checked | None:
        try:
            return check(text, self._schema, self._entity.key)
        except FormulaErrors:
            return None

    def _is_known_before(self, found: Checked) -> bool:
        """Whether a default can be told before there is the record: from what is given, and from where that points to."""
        tree = found.tree
        if any(isinstance(node, Rollup) for node in walk(tree)) or next(of_the_write(tree), None) is not None:
            return False
        return all(is_given(self._fields.get(steps[0])) for steps in paths(tree))

    def _reads_own(self, found: Checked) -> bool:
        if any(isinstance(node, Rollup) for node in walk(found.tree)):
            return False
        return is_own(self._fields, RuleTrees(found.tree, found.dependencies))


def _words(wrong: FormulaError) -> Text:
    return say(wrong.message.zh, wrong.message.en)
