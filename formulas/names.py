"""Names in formulas: which field a word means, in the current row, the parent of a rollup, or across relations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from formulas.errors import FormulaError, Message, did_you_mean, nearest
from formulas.schema import FieldInfo, Schema
from formulas.syntax import JOINING, Node
from formulas.tree import Path, Tree

HOP_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Relation:
    """A path to the rows of a to-many relation, `up` rollups outside of the current row."""

    steps: tuple[str, ...]
    entity: str
    up: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that names may mean, from the outermost to the current one.

    `relation` is set inside the arguments of a rollup: names that start with it mean its rows.
    """

    entities: tuple[str, ...]
    relation: Relation | None = None

    @property
    def entity(self) -> str:
        """The entity of the current row."""
        return self.entities[-1]

    def inside(self, relation: Relation) -> Scope:
        """The scope of a related row."""
        return Scope((*self.entities, relation.entity), replace(relation, up=relation.up + 1))


@dataclass(frozen=True, slots=True)
class Found:
    """What a name means: a value, and the to-many relation that it crosses, if any."""

    tree: Tree | None
    relation: Relation | None
    info: FieldInfo


def find_field(schema: Schema, entity: str, name: str) -> FieldInfo | None:
    """A field by key, by label, or by either without regard to case."""
    exact = schema.find_field(entity, name)
    if exact is not None:
        return exact
    pairs = list(schema.fields(entity))
    wanted = name.casefold()
    for matches in (lambda key, label: label == name, lambda key, label: wanted in (key.casefold(), label.casefold())):
        for key, label in pairs:
            if matches(key, label):
                return schema.find_field(entity, key)
    return None


#: How other languages call a blank.
_NOTHING = ("NULL", "NONE", "NIL", "UNDEFINED")


def resolve(schema: Schema, scope: Scope, node: Node) -> Found:
    """The meaning of a name node. Raises `FormulaError` (NAME) with the nearest name."""
    names: tuple[str, ...] = node.value
    up = 0
    if names[0].lower() == "this" and len(names) > 1 and len(scope.entities) > 1 and not is_braced(node, 0):
        names, up = names[1:], 1
    elif _starts_with_relation(schema, scope, names):
        assert scope.relation is not None
        names = names[len(scope.relation.steps) :]
    return _walk(schema, scope, node, names, up)


def find_relation(schema: Schema, scope: Scope, node: Node) -> Relation | None:
    """The to-many relation that a name crosses, also where what follows it is no field; None if it crosses none."""
    for count in range(len(node.value), 0, -1):
        try:
            return resolve(schema, scope, replace(node, value=node.value[:count])).relation
        except FormulaError:
            continue
    return None


def _starts_with_relation(schema: Schema, scope: Scope, names: tuple[str, ...]) -> bool:
    """`payments.status` inside a rollup over payments means the status of its row."""
    relation = scope.relation
    if relation is None or len(names) <= len(relation.steps):
        return False
    if find_field(schema, scope.entity, names[0]) is not None:
        return False
    entity = scope.entities[-1 - relation.up]
    for name, step in zip(names, relation.steps, strict=False):
        info = find_field(schema, entity, name)
        if info is None or info.steps != (step,):
            return False
        entity = info.target_entity or ""
    return True


def _walk(schema: Schema, scope: Scope, node: Node, names: tuple[str, ...], up: int) -> Found:
    entity = scope.entities[-1 - up]
    steps: list[str] = []
    crossed: Relation | None = None
    info: FieldInfo | None = None
    for place, name in enumerate(names):
        info = find_field(schema, entity, name)
        if info is None:
            raise _unknown(schema, scope, span(node, names, place), name, entity, first=place == 0 and not up)
        steps += info.steps
        last = place == len(names) - 1
        if info.many and info.target_entity is not None:
            if crossed is not None:
                raise _error(
                    span(node, names, place),
                    "一个路径只能经过一个一对多关联",
                    "a path may cross one to-many relation only",
                )
            crossed, steps = Relation(tuple(steps), info.target_entity, up), []
        if not last:
            if info.target_entity is None:
                raise _error(
                    span(node, names, place), f"“{name}”不是关联字段，后面不能再有“.”", f'"{name}" is not a relation'
                )
            entity = info.target_entity
    assert info is not None
    if len(steps) + len(crossed.steps if crossed else ()) > HOP_LIMIT + 1:
        message = Message(f"路径超过 {HOP_LIMIT} 层", f"path longer than {HOP_LIMIT} steps")
        raise FormulaError("LIMIT", message, node.at)
    tree = Path(tuple(steps), info.type, 0 if crossed else up) if steps else None
    return Found(tree, crossed, info)


def is_braced(node: Node, place: int) -> bool:
    """Whether a name of a path stands in braces, so that it is a field and no word of the language."""
    begin, end = node.steps[place] if node.steps else node.at
    return end - begin > len(node.value[place])


def span(node: Node, names: tuple[str, ...], place: int) -> tuple[int, int]:
    """Where the name at a place of the last names of a path stands."""
    return node.steps[len(node.value) - len(names) + place] if node.steps else node.at


def _error(at: tuple[int, int], zh: str, en: str) -> FormulaError:
    return FormulaError("NAME", Message(zh, en), at)


def _unknown(schema: Schema, scope: Scope, at: tuple[int, int], name: str, entity: str, first: bool) -> FormulaError:
    if first and name.upper() in _NOTHING:
        return _error(
            at,
            f"没有字段“{name}”，空值请写 BLANK()，判断为空用 ISBLANK(…)",
            f'no field "{name}"; write BLANK(), or ISBLANK(…) to ask for it',
        )
    if first and len(scope.entities) > 1 and find_field(schema, scope.entities[-2], name) is not None:
        return _error(
            at,
            f"“{name}”是上级记录的字段，请写“this.{name}”",
            f'"{name}" is a field of the parent record; write "this.{name}"',
        )
    known = [text for pair in schema.fields(entity) for text in pair if text]
    zh, en = did_you_mean(nearest(name, known))
    shown = name[:100]
    joining = next((word for word in JOINING if find_field(schema, entity, name.partition(word)[0]) is not None), None)
    if joining is not None and joining in name:
        zh, en = f"，“{joining}”前请空一格", f'; write a space before "{joining}"'
    return _error(at, f"没有字段“{shown}”{zh}", f'no field "{shown}"{en}')
