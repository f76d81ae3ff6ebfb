"""Names of a field inside formulas, conditions and paths, rewritten when the field gets another key.

Whether a word in a text means the field is not guessed: the word is replaced by a name that nothing else can have, and the text is
checked again. It passes only if the word meant that field of that entity, through whatever relations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from builder.compiled.computing import draft_schema, look_through
from builder.definition import templating
from builder.definition.entity import Entity
from builder.definition.kinds import SCENARIOS, Definition, DocumentId
from builder.definition.references import find_formulas, find_references, get_at, set_at
from builder.definition.stories import parts_of
from builder.fields.parts.computed import ComputedField
from builder.fields.parts.many import side_of
from formulas.checker import check
from formulas.errors import FormulaError, FormulaErrors
from formulas.filter_texts import FORMULA
from formulas.filters import parse_filter
from formulas.schema import FieldInfo, Schema
from formulas.syntax import tokenize

JSON = Any
Passes = Callable[[Any], bool]
_ALIAS = "__renamed"  # no key has two underscores in a row
_TEXTS = ("formula", "path", "value", "condition")
"""Members of computed fields that hold a formula or a part of one."""


@dataclass(frozen=True)
class FieldRename:
    """A field of an entity with its key and the one it gets."""

    entity: str
    key: str
    new_key: str


def rewrite_texts(definition: Definition, bodies: dict[DocumentId, JSON], rename: FieldRename) -> None:
    """Rewrite, in the bodies of a definition's documents, every text that names the field.

    Args:
        definition: as it was before the rename.
    """
    rewriting = _Rewriting(_Aliased(draft_schema(definition), rename.entity, rename.key), rename)
    for document_id, document in definition.documents():
        if isinstance(document, Entity):
            for pointer, value in rewriting.entity(document):
                set_at(bodies[document_id], pointer, value)
    for place in find_formulas(definition):
        changed = rewriting.template if place.is_template else rewriting.formula
        set_at(bodies[place.document], place.pointer, changed(place.text, place.entity))
    for reference in find_references(definition):
        if reference.kind in ("path", "order"):
            set_at(bodies[reference.document], reference.pointer, rewriting.path(reference.field, reference.key))
    for scenario in definition.of(SCENARIOS):
        body = bodies[DocumentId(SCENARIOS.name, scenario.key)]
        for part in parts_of(definition, scenario):
            rewriting.part_of_story(get_at(body, part.pointer), part.entity)


@dataclass(frozen=True)
class _Aliased(Schema):
    """A schema in which one field can also be called by a name of its own."""

    inner: Schema
    entity: str
    key: str

    def find_field(self, entity: str, key: str) -> FieldInfo | None:
        if side_of(entity) is not None and key == self.key + _ALIAS:
            return look_through(self, entity, key)
        if entity != self.entity or key != self.key + _ALIAS:
            return self.inner.find_field(entity, key)
        found = self.inner.find_field(entity, self.key)
        return None if found is None else replace(found, key=key, label="")

    def fields(self, entity: str) -> Iterable[tuple[str, str]]:
        return self.inner.fields(entity)


@dataclass(frozen=True)
class _Rewriting:
    schema: Schema
    rename: FieldRename

    def entity(self, entity: Entity) -> Iterator[tuple[str, JSON]]:
        """Yield (pointer, new text) for the computed fields of an entity."""
        for place, field in enumerate(entity.fields):
            if not isinstance(field, ComputedField):
                continue
            for member in _TEXTS:
                text = getattr(field, member, None)
                if isinstance(text, str):
                    passes = self._passes_in(entity.key, field, member)
                    yield from _if_changed(f"/fields/{place}/{member}", text, self._rewrite(text, passes))

    def formula(self, text: str | dict[str, JSON], entity: str) -> JSON:
        """Return a formula or a JSON filter over an entity with the new name."""
        if isinstance(text, str):
            return self._rewrite(text, lambda changed: self._checks(changed, entity))
        return self._rewrite_tree(text, entity)

    def template(self, text: str | dict[str, JSON], entity: str) -> JSON:
        """Return a template over an entity with the new name in its formulas."""
        return templating.rewrite(str(text), lambda formula: str(self.formula(formula, entity)))

    def _passes_in(self, entity: str, field: ComputedField, member: str) -> Passes:
        return lambda text: self._checks(field.model_copy(update={member: text}).expression(), entity)

    def _checks(self, formula: str, entity: str) -> bool:
        try:
            check(formula, self.schema, entity)
        except FormulaErrors:
            return False
        return True

    def _rewrite(self, text: str, passes: Passes) -> str:
        """Replace every word that means the field, from the end, so that places before it stay true."""
        rename = self.rename
        try:
            tokens = tokenize(text)
        except FormulaError:
            return text
        new = text
        for token in reversed(tokens):
            if token.kind in ("name", "label") and token.text.casefold() == rename.key:
                before, after = text[: token.start], text[token.end :]
                if passes(before + rename.key + _ALIAS + after):
                    new = new[: token.start] + rename.new_key + new[token.end :]
        return new

    def _rewrite_tree(self, tree: JSON, entity: str) -> JSON:
        """Do the same for the names in a filter tree."""

        def passes(changed: JSON) -> bool:
            try:
                parse_filter(changed, self.schema, entity)
            except FormulaErrors:
                return False
            return True

        return self._rewrite_part(tree, passes)

    def _rewrite_part(self, part: JSON, passes: Passes) -> JSON:
        """Return a part of a filter tree with the new name. ``passes`` judges what might stand in its place."""
        if isinstance(part, list):
            return [self._rewrite_item(part, at, passes) for at in range(len(part))]
        if not isinstance(part, dict):
            return part
        return dict(self._rewrite_member(part, key, passes) for key in part)

    def _rewrite_item(self, part: list[JSON], at: int, passes: Passes) -> JSON:
        return self._rewrite_part(part[at], lambda item: passes([*part[:at], item, *part[at + 1 :]]))

    def _rewrite_member(self, part: dict[str, JSON], key: str, passes: Passes) -> tuple[str, JSON]:
        def takes(value: JSON) -> bool:
            return passes(_with_member(part, key, key, value))

        new_key = self._rewrite_key(key, lambda name: passes(_with_member(part, key, name, part[key])))
        if key == FORMULA and isinstance(part[key], str):
            return new_key, self._rewrite(part[key], takes)
        return new_key, self._rewrite_part(part[key], takes)

    def _rewrite_key(self, key: str, passes: Passes) -> str:
        """Return a member's name, which may be a path, with the new name for the steps that mean the field."""
        steps = key.split(".")
        new = list(steps)
        for place, step in enumerate(steps):
            changed = [*steps[:place], step + _ALIAS, *steps[place + 1 :]]
            if step == self.rename.key and passes(".".join(changed)):
                new[place] = self.rename.new_key
        return ".".join(new)

    def part_of_story(self, part: dict[str, JSON], entity: str) -> None:
        """Put the new name into the values, the condition and what is missing of a part of a scenario, in place."""
        if "values" in part:
            part["values"] = self._values(part["values"], entity)
        if isinstance(part.get("where"), str):
            part["where"] = self.formula(part["where"], entity)
        if "missing" in part and entity == self.rename.entity:
            part["missing"] = [self._own_key(key, entity) for key in part["missing"]]

    def _values(self, values: dict[str, JSON], entity: str) -> dict[str, JSON]:
        found: dict[str, JSON] = {}
        for key, value in values.items():
            info = self.schema.find_field(entity, key)
            rows = info.rows if info is not None else None
            if rows is not None and isinstance(value, list):
                value = [self._values(row, rows) if isinstance(row, dict) else row for row in value]
            found[self._own_key(key, entity)] = value
        return found

    def _own_key(self, key: str, entity: str) -> str:
        return self.rename.new_key if (entity, key) == (self.rename.entity, self.rename.key) else key

    def path(self, path: str, entity: str) -> str:
        """Return a field path from an entity with the new name."""
        sign = "-" if path.startswith("-") else ""
        owner: str | None = entity
        steps: list[str] = []
        for step in path.removeprefix("-").split("."):
            found = self.schema.find_field(owner, step) if owner is not None else None
            is_meant = (self._home(owner, found), step) == (self.rename.entity, self.rename.key)
            steps.append(self.rename.new_key if is_meant else step)
            owner = found.target_entity if found else None
        return sign + ".".join(steps)

    def _home(self, owner: str | None, found: FieldInfo | None) -> str | None:
        """Return the entity whose field was found, also behind links."""
        side = side_of(owner or "")
        if side is None or found is None or not found.through:
            return owner
        lead = self.schema.find_field(*side)
        return lead.target_entity if lead is not None else None


def _if_changed(pointer: str, old: JSON, new: JSON) -> Iterator[tuple[str, JSON]]:
    if new != old:
        yield pointer, new


def _with_member(part: dict[str, JSON], key: str, new_key: str, value: JSON) -> dict[str, JSON]:
    """Return an object with another member in the place of one; the order of members stays."""
    return {new_key if name == key else name: value if name == key else old for name, old in part.items()}
